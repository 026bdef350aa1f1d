"""One loop for every design: the same images in the same order, the same recipe, and a score with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite, nan
from time import perf_counter

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from suite.data.source import IGNORE, Source
from suite.step import loss_of
from suite.training import score
from suite.training.recipe import Schedule, optimiser, order, shifted
from variants.contract import Grid

LOOK = 16  # steps between two looks at the loss, each of which waits for the device
CURVE = 100  # points that are kept of the loss, at most


@dataclass(frozen=True)
class Outcome:
    """What came of a training. Where the status is `nan`, value, low and high are too, and n is 0."""

    status: str  # ok, or nan: a loss or an answer that is not finite
    metric: str  # top1 or miou
    value: float
    low: float  # of the 95 % interval over test images
    high: float
    n: int  # test images
    images_seen: int
    seconds: float  # of training, without the test
    stopped_by: str  # images, minutes or nan
    losses: list[tuple[int, float]]  # images seen, and the mean loss since the point before
    more: dict[str, float]  # other scores by name: foreground, beside miou


@dataclass
class Training:
    """What happened so far."""

    images: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    stopped_by: str = "images"


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` makes under this seed; the state of torch's generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def learn(
    network: nn.Module,
    source: Source,
    size: Grid,
    schedule: Schedule,
    device: str = "cpu",
    dtype: str = "float32",
    progress: Callable[[float], None] = lambda share: None,
) -> Outcome:
    """Trains the network on the source's images of this size, then tests it on images that it never saw.

    Build the network under `seeded`. `progress` hears after each step which share of the training is over. A loss that
    is not finite ends the training and is a status. ValueError names an unreadable image, a dtype or a device that
    cannot be had.
    """
    fabric = prepared(device, dtype)
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        torch.manual_seed(schedule.seed)
        training = train(fabric, network, source, size, schedule, progress)
    counts = None if training.stopped_by == "nan" else examined(network, source, size, schedule, fabric.device)
    metric = "top1" if source.task == "classification" else "miou"
    found, more = score.Score(nan, nan, nan, 0), {}
    if counts is not None:
        found = score.top1(counts) if metric == "top1" else score.miou(counts)
        more = {"foreground": score.foreground(counts)} if metric == "miou" else {}
    return Outcome(
        status="nan" if counts is None else "ok",
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        images_seen=training.images,
        seconds=training.seconds,
        stopped_by=training.stopped_by,
        losses=thinned(training.losses),
        more=more,
    )


def prepared(device: str, dtype: str) -> Fabric:
    """Fabric on one device. ValueError for a device or dtype that cannot be had."""
    if dtype != "float32":
        raise ValueError(f"training runs in float32 only, not in {dtype}: take the dtype float32")
    kind = torch.device(device)
    if kind.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("this machine has no CUDA device that torch can use: take the device cpu")
    devices = [kind.index or 0] if kind.type == "cuda" else 1
    return Fabric(accelerator=kind.type, devices=devices, precision="32-true")


def train(
    fabric: Fabric,
    network: nn.Module,
    source: Source,
    size: Grid,
    schedule: Schedule,
    progress: Callable[[float], None],
) -> Training:
    """Steps until the images or the minutes are over, or a loss is not finite."""
    model, adam = fabric.setup(network.train(), optimiser(network, schedule))
    so_far, recent, start = Training(), [], perf_counter()
    for images, targets in batches(source, size, schedule, fabric.device):
        middle = schedule.progress(so_far.images + len(images) / 2, perf_counter() - start)
        for group in adam.param_groups:
            group["lr"] = schedule.rate(middle)
        loss = loss_of(model(images), targets, wrongness)
        fabric.backward(loss)
        fabric.clip_gradients(model, adam, max_norm=schedule.clip, error_if_nonfinite=False)
        adam.step()
        adam.zero_grad()
        so_far.images += len(images)
        recent.append(loss.detach())
        share = schedule.progress(so_far.images, perf_counter() - start)
        if len(recent) == LOOK or share == 1.0:
            so_far.losses.append((so_far.images, torch.stack(recent).mean().item()))
            recent.clear()
        progress(share)
        if so_far.losses and not isfinite(so_far.losses[-1][1]):
            so_far.stopped_by = "nan"
            break
        if share == 1.0:
            so_far.stopped_by = "images" if so_far.images == schedule.images else "minutes"
            break
    so_far.seconds = perf_counter() - start
    return so_far


def batches(source: Source, size: Grid, schedule: Schedule, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Training images and targets, the last batch cut to the schedule's number of images; for ever if it has none."""
    indices = islice(order(source.count("train"), schedule.seed), schedule.images or None)
    chance = torch.Generator().manual_seed(schedule.seed)
    while chosen := list(islice(indices, schedule.batch)):
        images, targets = source.batch("train", chosen, size, str(device))
        yield shifted(images, targets, source.shift, chance, IGNORE)


def wrongness(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of what is not IGNORE; 0 where nothing is left."""
    total = functional.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
    return total / (targets != IGNORE).sum().clamp(min=1)


@torch.inference_mode()
def examined(network: nn.Module, source: Source, size: Grid, schedule: Schedule, device: torch.device) -> Tensor | None:
    """The answers to the test images as counts `n 3 k`, see score.py; None if an answer is not finite."""
    network.eval()
    n = min(schedule.test_images, source.count("test") or schedule.test_images)
    found = []
    for first in range(0, n, schedule.batch):
        chosen = range(first, min(first + schedule.batch, n))
        images, targets = source.batch("test", chosen, size, str(device))
        logits = network(images)  # b k, or b k Y X
        if not logits.isfinite().all():
            return None
        found.append(score.counts(logits.argmax(1), targets, source.classes).cpu())
    return torch.cat(found)


def thinned(losses: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most CURVE points: each stands for equally many, with their mean loss. What is not finite is left out."""
    losses = [point for point in losses if isfinite(point[1])]
    step = -(-len(losses) // CURVE) or 1
    runs = [losses[first : first + step] for first in range(0, len(losses), step)]
    return [(run[-1][0], sum(loss for _, loss in run) / len(run)) for run in runs]
