"""check: what every design must keep, run on one design. Each finding says what was tried and what came of it.

The same claims hold our own designs and an outsider's: the tests run it on both.
All but the budget is tried on the design fitted to a small size, since none of it depends on the size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from suite.case import TASKS
from suite.check_mixer import Met, is_its_formula, keeps_padding_out, keeps_shape, meet
from suite.count import agreed_macs, formula_macs, parameters, torch_macs
from suite.step import loss_of, random_images, random_targets
from variants.contract import Design, Grid

SIZES = (Grid(64, 64), Grid(33, 47), Grid(97, 32), Grid(1, 1))  # square, odd, neither square nor divisible, the least
ODD = Grid(33, 47)
LAYOUTS = ("isotropic", "pyramid", "bottleneck")
POSITIONS = ("none", "learned", "sincos", "bias", "query", "rotary")
SECTIONS = ("Paper", "Time", "Memory", "Departs")
BATCH, CLASSES, SMALL = 2, 7, 300_000
TOLERANCE = 0.01


@dataclass(frozen=True)
class Finding:
    """One thing that was tried. `problem` is empty if it held."""

    name: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


def check(design: Design, params: int, text: str) -> Iterator[Finding]:
    """The findings on a design whose file has the docstring `text`, one by one. Nothing that the design does raises."""
    yield tried("the docstring has Paper, Time, Memory and Departs", partial(described, text))
    yield tried("the card is complete", partial(titled, design))
    yield tried(f"weighs {params:,} parameters within 1 %", partial(budget, design, params))
    small = fitted_if_it_can(design)
    for task in TASKS:
        for size in SIZES:
            yield tried(f"{task} at {size}: finite logits, each image alone", partial(answers, small, task, size))
        for size in SIZES[:2]:
            yield tried(f"{task} at {size}: the counts agree", partial(agrees, small, task, size))
        yield tried(f"{task}: the loss reaches every parameter", partial(learns, small, task))
    yield from mixers(small)
    for layout in LAYOUTS:
        yield tried(f"layout {layout}, with every position it takes", partial(rearranged, design, layout))


def mixers(design: Design) -> Iterator[Finding]:
    """The findings on each mixer of the design by itself."""
    met: list[Met] = []
    yield tried("runs, so that its mixers can be tried alone", partial(found, design, met))
    for mixer in met:
        yield tried(f"{mixer} on any grid: shape, finite, each image alone", partial(keeps_shape, mixer))
        yield tried(f"{mixer} on any grid: padding leaks nothing", partial(keeps_padding_out, mixer))
        yield tried(f"{mixer} on any grid: costs what it states", partial(is_its_formula, mixer))


def found(design: Design, met: list[Met]) -> str:
    """Puts the mixers of the design into `met`."""
    met += meet(design.build("classification", CLASSES, ODD), ODD)
    return ""


def tried(name: str, claim: Callable[[], str]) -> Finding:
    """The finding of a claim that returns its problem, or raises it."""
    torch.manual_seed(0)
    try:
        return Finding(name, claim())
    except Exception as error:
        return Finding(name, f"{type(error).__name__}: {' '.join(str(error).split())}")


def fitted_if_it_can(design: Design) -> Design:
    """The design made small; as it stands if it cannot be, of which the finding on the budget speaks."""
    with suppress(Exception):
        return design.fitted(SMALL)
    return design


def described(text: str) -> str:
    """Whether the docstring has its four sections, in their order."""
    stated = tuple(re.findall(rf"^({'|'.join(SECTIONS)})(?= )", text, re.MULTILINE))
    return "" if stated == SECTIONS else f"it has {', '.join(stated) or 'none of them'}: say `nothing` where nothing is"


def titled(design: Any) -> str:
    """Whether every field of the card is filled in, and the year is one."""
    empty = [key for key in ("title", "paper", "time", "memory") if not str(getattr(design.card, key)).strip()]
    if empty:
        return f"fill in {', '.join(empty)}"
    return "" if 1950 <= design.card.year <= 2050 else f"the year is {design.card.year}"


def budget(design: Design, params: int) -> str:
    """Whether the body of the fitted design weighs what was asked for, and is the same when rebuilt from its sizes."""
    fitted = design.fitted(params)
    weighed = {d: _meta(d, "classification", Grid(224, 224)).parameter_count()["body"] for d in _twice(design, fitted)}
    body = weighed[fitted]
    if len(set(weighed.values())) > 1:
        return f"rebuilt from its sizes it weighs {set(weighed.values()) - {body}} instead of {body:,}"
    return "" if abs(body / params - 1) <= TOLERANCE else f"it weighs {body:,}"


def answers(design: Design, task: str, size: Grid) -> str:
    """Whether logits have the right shape, are finite, and those of an image depend on no other image."""
    network = design.build(task, CLASSES, size).double().eval()
    images = torch.randn(BATCH, 3, size.y, size.x, dtype=torch.float64)
    with torch.no_grad():
        logits: Tensor = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    wanted = (BATCH, CLASSES) if task == "classification" else (BATCH, CLASSES, size.y, size.x)
    if tuple(logits.shape) != wanted:
        return f"logits of shape {tuple(logits.shape)} instead of {wanted}"
    if not logits.isfinite().all():
        return "logits that are not finite"
    return "" if torch.allclose(logits, alone, 1e-6, 1e-8) else "the logits of an image change with the rest of a batch"


def learns(design: Design, task: str) -> str:
    """Whether a training step gives every parameter a finite gradient that is not zero, none being zero itself."""
    network = design.build(task, CLASSES, ODD).train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    loss_of(network(random_images(ODD, BATCH, "float32")), random_targets(task, CLASSES, ODD, BATCH)).backward()
    slopes = {name: p.grad for name, p in network.named_parameters() if p.requires_grad}
    idle = [name for name, slope in slopes.items() if slope is None or not slope.abs().sum() > 0]
    if idle:
        return f"no gradient reaches {', '.join(idle[:3])}"
    wild = [name for name, slope in slopes.items() if slope is not None and not slope.isfinite().all()]
    return f"the gradient of {', '.join(wild[:3])} is not finite" if wild else ""


def agrees(design: Design, task: str, size: Grid) -> str:
    """Whether the design's own formula equals both counters; if not, they raise with all three."""
    network = _meta(design, task, size).eval()
    parameters(network)
    agreed_macs(network, size)
    return ""


def states(design: Design, task: str, size: Grid) -> str:
    """Whether the design's own formula equals what torch counts."""
    network = _meta(design, task, size).eval()
    stated, counted = formula_macs(network, size), torch_macs(network, size)
    return "" if stated == counted else f"it states {stated} multiply-adds, torch counts {counted}"


def rearranged(design: Design, layout: str) -> str:
    """Whether the design learns and counts right in a layout with each position, or refuses it in one sentence."""
    try:
        moved = fitted_if_it_can(design.in_layout(layout))
    except ValueError as refusal:
        return one_sentence(refusal)
    counts = agrees if layout == design.layout_name else states  # where the design is at home, by every counter
    for position in POSITIONS:
        try:
            form = moved.with_position(position)
        except ValueError as refusal:
            problem = one_sentence(refusal)
        else:
            problem = counts(form, TASKS[0], ODD) or (learns(form, TASKS[0]) if position in ("none", "query") else "")
        if problem:
            return f"position {position}: {problem}"
    return ""


def one_sentence(refusal: ValueError) -> str:
    """The problem with a refusal that is not one line."""
    said = str(refusal)
    return "" if said and "\n" not in said else "a refusal must be one sentence that says what to do instead"


def _twice(design: Design, fitted: Design) -> tuple[Design, Design]:
    return fitted, design.sized(fitted.widths, fitted.extra)


def _meta(design: Design, task: str, size: Grid) -> Any:
    with torch.device("meta"):
        network: nn.Module = design.build(task, CLASSES, size)
    return network
