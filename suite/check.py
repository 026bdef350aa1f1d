"""check: what every design must keep, run on one design. Each finding says what was tried and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.case import TASKS
from suite.count import count
from variants.contract import Design, Grid, Mixer

SIZES = (Grid(64, 64), Grid(33, 47), Grid(97, 32))  # square, odd, and neither square nor divisible
BATCH, CLASSES = 2, 7
TOLERANCE = 0.01


@dataclass(frozen=True)
class Finding:
    """One thing that was tried. `problem` is empty if it held."""

    name: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


def check(design: Design, params: int) -> Iterator[Finding]:
    """The findings on a design at this budget, one after the other. Nothing that the design does raises."""
    yield tried(f"weighs {params:,} parameters within 1 %", partial(budget, design, params))
    with suppress(Exception):  # the finding above says so; the rest is then tried on the design as it stands
        design = design.fitted(params)
    for task in TASKS:
        for size in SIZES:
            yield tried(f"{task} at {size}: logits, mixers and gradients", partial(runs, design, task, size))
            yield tried(f"{task} at {size}: three counts agree", partial(agrees, design, task, size))


def tried(name: str, claim: Callable[[], str]) -> Finding:
    """The finding of a claim that returns its problem, or raises it."""
    try:
        return Finding(name, claim())
    except Exception as error:
        return Finding(name, f"{type(error).__name__}: {' '.join(str(error).split())}")


def budget(design: Design, params: int) -> str:
    """Whether the body of the fitted design weighs what was asked for, and is the same when rebuilt from its sizes."""
    fitted = design.fitted(params)
    weighed = {d: _meta(d).parameter_count()["body"] for d in (fitted, design.sized(fitted.widths, fitted.extra))}
    body = weighed[fitted]
    if len(set(weighed.values())) > 1:
        return f"rebuilt from its sizes it weighs {set(weighed.values()) - {body}} instead of {body:,}"
    return "" if abs(body / params - 1) <= TOLERANCE else f"it weighs {body:,}"


def runs(design: Design, task: str, size: Grid) -> str:
    """Whether a training step gives finite logits of the right shape and a gradient to every parameter."""
    torch.manual_seed(0)
    network = design.build(task, CLASSES, size).train()
    changed = watch_mixers(network)
    logits: Tensor = network(torch.randn(BATCH, 3, size.y, size.x))
    wanted = (BATCH, CLASSES) if task == "classification" else (BATCH, CLASSES, size.y, size.x)
    if tuple(logits.shape) != wanted:
        return f"logits of shape {tuple(logits.shape)} instead of {wanted}"
    if not logits.isfinite().all():
        return "logits that are not finite"
    if changed:
        return f"a mixer must return the shape b y x d that it is given: {changed[0]}"
    targets = torch.randint(CLASSES, (BATCH, *wanted[2:]))
    F.cross_entropy(logits, targets).backward()
    idle = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    return f"no gradient reaches {', '.join(idle[:3])}" if idle else ""


def agrees(design: Design, task: str, size: Grid) -> str:
    """Whether the design's own formula equals both counters; if not, `count` raises with all three."""
    count(design, task, CLASSES, size)
    return ""


def watch_mixers(network: nn.Module) -> list[str]:
    """A list to which every mixer that changes the shape of its input will add a line."""
    changed: list[str] = []

    def look(mixer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if output.shape != inputs[0].shape:
            changed.append(f"{type(mixer).__name__} made {tuple(output.shape)} of {tuple(inputs[0].shape)}")

    for module in network.modules():
        if isinstance(module, Mixer):
            module.register_forward_hook(look)
    return changed


def _meta(design: Design) -> Any:
    with torch.device("meta"):
        return design.build("classification", CLASSES, Grid(224, 224))
