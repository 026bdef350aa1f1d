"""view: a network's attention over one image, as a page to point at."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from avbench.find import find
from avbench.reporting import show_path
from reports.attention.look import Look
from reports.attention.page import write
from suite.data.pictures import colour, filled
from suite.data.source import normalised
from suite.maps import maps, met
from suite.measure import designed
from suite.record import latest
from suite.record import read as read_records
from suite.training.checkpoint import read
from suite.training.elsewhere import take_over
from suite.units import parse_count, parse_size
from variants.contract import Grid

MOST = 16 * 16  # places to point at that are a network's own tokens, as a rollout needs them
SIDE = 14  # rows and columns of places otherwise
CLASSES = 10


def view(name: str, image: Path, checkpoint: Path | None, res: str, params: str, out: Path | None) -> None:
    """Writes the page and its pictures, and prints the way to it. ValueError says what cannot be shown."""
    size = parse_size(res)
    network, about = trained(name, checkpoint, size) if checkpoint else untrained(name, size, params)
    picture = filled(colour(image), size)  # Y X 3
    tokens = normalised(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255)[0]
    grid = pointed(network, tokens)
    places = [((row + 0.5) / grid.y, (column + 0.5) / grid.x) for row in range(grid.y) for column in range(grid.x)]
    looks = [Look(m.mixer, m.name, m.head, m.kind, m.weights.float().numpy()) for m in maps(network, tokens, places)]
    if not looks:
        raise ValueError(f"{name} has no mixer of avbench to look into: choose one of `avbench list`")
    folder = out or Path("views") / re.sub(r"[^\w.-]+", "-", f"{name}-{image.stem}")
    page = write(folder, f"{name}: {image.name}", f"{size} pixels; {about}.", picture, places, looks)
    show_path(page)


def pointed(network: nn.Module, image: Tensor) -> Grid:
    """The places to point at: all tokens, for a rollout, where the layers share one grid of at most MOST."""
    grids = {Grid(*out.shape[1:3]) for _, _, out in met(network, image)}
    shared = next(iter(grids)) if len(grids) == 1 else None
    return shared if shared and shared.n <= MOST else Grid(SIDE, SIDE)


def untrained(name: str, size: Grid, params: str) -> tuple[nn.Module, str]:
    """The network with weights from a fixed seed, and a word on them."""
    torch.manual_seed(0)
    network = find(name).fitted(parse_count(params)).build("classification", CLASSES, size)
    return network, f"{params} parameters, random weights (--checkpoint shows trained ones)"


def trained(name: str, checkpoint: Path, size: Grid) -> tuple[nn.Module, str]:
    """The network that a sweep with --keep-weights trained, as its record beside the checkpoint says, built for a size.

    ValueError if either is missing, if it is of another design, or if its weights do not fit the size.
    """
    run, id = checkpoint.parent.parent, checkpoint.name.partition(".")[0]
    case = next((r.case for r in latest(read_records(run)) if r.id == id), None)
    state = read(checkpoint)
    if case is None or state is None:
        raise ValueError(
            f"{checkpoint} is not what `avbench sweep --keep-weights` left in a run folder: name such a file"
        )
    if case.design != name:
        raise ValueError(f"{checkpoint} holds the weights of {case.design}, not of {name}: name that design")
    network: nn.Module = designed(case, find).build(case.task, case.classes, size)
    take_over(network, state["network"])
    return network, f"trained on {case.data} at {case.resolution} pixels"
