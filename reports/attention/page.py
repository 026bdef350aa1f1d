"""The page: point at a place of the image and see from where each layer and head takes what it becomes. No network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from reports.attention.look import Look, Place, Weights, distance, no_rollout, reduced, rollout

HERE = Path(__file__).parent
CELLS = 28  # rows and columns of a map on the page, at most
BYTES = 3_200_000  # of all maps on the page, before they are written as text
TILE = 112  # pixels of a tile of the sheets
Picture = NDArray[np.uint8]  # `Y X 3`


def write(
    folder: Path, title: str, about: str, picture: Picture, places: Sequence[Place], looks: Sequence[Look]
) -> Path:
    """Writes index.html, image.png and a sheet of every layer and head for the middle place. Returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [*looks, *rollout(looks)]
    Image.fromarray(picture).save(folder / "image.png")
    middle = min(range(len(places)), key=lambda i: abs(places[i][0] - 0.5) + abs(places[i][1] - 0.5))
    for kind in dict.fromkeys(look.kind for look in shown):
        sheet(picture, [look for look in shown if look.kind == kind], middle).save(folder / f"{kind}.png")
    page = folder / "index.html"
    page.write_text(render(title, about, picture, places, shown, no_rollout(looks)), encoding="utf-8")
    return page


def render(
    title: str, about: str, picture: Picture, places: Sequence[Place], looks: Sequence[Look], no_rollout: str = ""
) -> str:
    """The page as text; maps are coarser, down to 7 x 7 cells, where they would grow beyond BYTES."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        about=about,
        image=Markup(data_uri(picture)),
        sides=f"{picture.shape[1]} / {picture.shape[0]}",
        rows=by_layer(looks, places),
        kinds=sorted({look.kind for look in looks}),
        no_rollout=no_rollout,
        data=Markup(json.dumps(packed(looks, places)).replace("<", "\\u003c")),
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def by_layer(looks: Sequence[Look], places: Sequence[Place]) -> list[dict[str, Any]]:
    """For the page: each layer with its maps by their place in `packed`, and how far they reach."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for i, look in enumerate(looks):
        what = "rollout" if look.kind == "rollout" else "maps"
        name = look.name.split(",")[0]
        row = rows.setdefault((what, look.layer), {"name": name, "mixer": look.mixer, "kind": look.kind, "looks": []})
        row["looks"].append({"index": i, "name": look.name, "distance": f"{distance(look, places):.2f}"})
    return list(rows.values())


def packed(looks: Sequence[Look], places: Sequence[Place]) -> dict[str, Any]:
    """Maps as bytes, each place scaled to its largest weight, in base64."""
    cells = CELLS
    while (
        cells > 7 and sum(len(places) * min(cells, w.shape[1]) * min(cells, w.shape[2]) for w in weights(looks)) > BYTES
    ):
        cells -= 7
    maps = [reduced(w, cells) for w in weights(looks)]
    return {
        "places": [[round(row, 4), round(column, 4)] for row, column in places],
        "maps": [{"rows": w.shape[1], "columns": w.shape[2], "bytes": encoded(w)} for w in maps],
    }


def weights(looks: Sequence[Look]) -> list[Weights]:
    return [look.weights for look in looks]


def encoded(maps: Weights) -> str:
    """`places y x` -> base64 of one byte a cell."""
    most = maps.max((1, 2), keepdims=True)
    scaled = np.divide(maps, most, out=np.zeros_like(maps), where=most > 0)
    return base64.b64encode((255 * scaled).round().astype(np.uint8).tobytes()).decode()


def sheet(picture: Picture, looks: Sequence[Look], place: int) -> Image.Image:
    """A picture with a row for each layer and a column for each head: the map of one place over the image."""
    layers = list(dict.fromkeys(look.layer for look in looks))
    columns = max(sum(look.layer == layer for look in looks) for layer in layers)
    whole = Image.new("RGB", (columns * (TILE + 4) - 4, len(layers) * (TILE + 4) - 4), "white")
    small = Image.fromarray(picture).convert("L").convert("RGB").resize((TILE, TILE))
    for row, layer in enumerate(layers):
        for column, look in enumerate(one for one in looks if one.layer == layer):
            whole.paste(over(small, look.weights[place]), (column * (TILE + 4), row * (TILE + 4)))
    return whole


def over(small: Image.Image, weights: Weights) -> Image.Image:
    """One map over the image."""
    share = weights / max(float(weights.max()), 1e-12)
    colour = (255 * colormaps["inferno"](share)[..., :3]).astype(np.uint8)
    heat = Image.fromarray(colour).resize(small.size, Image.Resampling.NEAREST)
    return Image.blend(small, heat, 0.65)


def data_uri(picture: Picture) -> str:
    """The picture as a PNG in a URI."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
