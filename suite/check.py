"""check: what every design must keep, run on one design. Each finding says what was tried and what came of it.

The same claims hold our own designs and an outsider's: the tests run `statements` and `contract` on every design of
ours, cut down to a block a stage. An outsider's design is fitted to a small size instead, since its depth is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from suite.case import TASKS
from suite.check_mixer import LARGE, Met, is_its_formula, keeps_padding_out, keeps_shape, meet, reaches_all
from suite.count import agreed_macs, formula_macs, parameters, torch_macs
from suite.sentence import one_line
from suite.step import loss_of, random_images, random_targets
from variants.contract import Design, Grid

SIZES = (Grid(32, 32), Grid(33, 47), Grid(61, 24), Grid(1, 1))  # square, odd, neither square nor divisible, the least
COUNTED = (*SIZES, Grid(7, 31), Grid(224, 160))
ODD = Grid(33, 47)
LAYOUTS = ("isotropic", "pyramid", "bottleneck")
INSIDE = ("none", "bias", "query", "rotary")  # positions that change the mixer ...
POSITIONS = (*INSIDE, "learned", "sincos")  # ... and the others
SECTIONS = ("Paper", "Time", "Memory", "Departs")
BATCH, CLASSES, SMALL = 2, 7, 300_000
TOLERANCE = 0.01

Shrink = Callable[[Design], Design]
"""Makes a design small, so that it can be tried often."""


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
    yield from statements(design, text)
    yield tried(f"weighs {params:,} parameters within 1 %", partial(budget, design, params))
    yield from contract(design, fitted_if_it_can)


def statements(design: Design, text: str) -> Iterator[Finding]:
    """The findings on what a design says of itself."""
    yield tried("the docstring has Paper, Time, Memory and Departs", partial(described, text))
    yield tried("the card is complete", partial(titled, design))


def contract(design: Design, shrink: Shrink) -> Iterator[Finding]:
    """The findings on what a design does, made small: as it is, its mixers alone, and in every layout."""
    small = shrink(design)
    for task in TASKS:
        for size, other in zip(SIZES, SIZES[1:] + SIZES[:1], strict=True):
            name = f"{task} at {size}, and at {other}: finite logits, each image alone"
            yield tried(name, partial(answers, small, task, size, other))
    for i, size in enumerate(COUNTED):
        counts = agrees if size in (ODD, COUNTED[-1]) else states
        yield tried(f"{TASKS[i % 2]} at {size}: costs what it states", partial(counts, small, TASKS[i % 2], size))
    yield from mixers(small)
    for layout in dict.fromkeys((design.layout_name, *LAYOUTS)):
        yield tried(f"layout {layout}, with every position it takes", partial(rearranged, design, layout, shrink))
    yield tried("what it does not take it refuses in one sentence", partial(refuses, design))


def mixers(design: Design) -> Iterator[Finding]:
    """The findings on each mixer of the design by itself, with each position that it takes."""
    for position, form in accepted(design, INSIDE).items():
        met: list[Met] = []
        yield tried(f"position {position}: runs, so that its mixers can be tried alone", partial(found, form, met))
        for mixer in met:
            name = f"{mixer}, position {position}, on any grid"
            yield tried(f"{name}: shape, finite, each image alone", partial(keeps_shape, mixer))
            yield tried(f"{name}: every parameter has a gradient", partial(reaches_all, mixer, LARGE))
            yield tried(f"{name}: padding leaks nothing", partial(keeps_padding_out, mixer))
            yield tried(f"{name}: costs what it states", partial(is_its_formula, mixer))


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
        return Finding(name, one_line(error))


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


def answers(design: Design, task: str, built_for: Grid, other: Grid) -> str:
    """Whether logits have the right shape, are finite, and those of an image depend on no other image.

    On images of the size that the network was built for, and of another one.
    """
    network = design.build(task, CLASSES, built_for).double().eval()
    for size in (built_for, other):
        images = torch.randn(BATCH, 3, size.y, size.x, dtype=torch.float64)
        with torch.no_grad():
            logits: Tensor = network(images)
            alone = torch.cat([network(image[None]) for image in images])
        wanted = (BATCH, CLASSES) if task == "classification" else (BATCH, CLASSES, size.y, size.x)
        if tuple(logits.shape) != wanted:
            return f"at {size} logits of shape {tuple(logits.shape)} instead of {wanted}"
        if not logits.isfinite().all():
            return f"at {size} logits that are not finite"
        if not torch.allclose(logits, alone, 1e-6, 1e-8):
            return f"at {size} the logits of an image change with the rest of a batch"
    return ""


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


def rearranged(design: Design, layout: str, shrink: Shrink) -> str:
    """Whether the design costs what it states in a layout with each position, and learns with the last one.

    At home it learns with each, and both counters count the last one.
    """
    try:
        forms = accepted(shrink(design.in_layout(layout)), dict.fromkeys((design.position_name, *POSITIONS)))
    except ValueError:
        return ""  # it does not go there
    at_home = layout == design.layout_name
    for i, (position, form) in enumerate(forms.items(), start=1):
        task, size, last = TASKS[i % 2], COUNTED[i % len(COUNTED)], i == len(forms)
        problem = (agrees if last and at_home else states)(form, task, size)
        problem = problem or (learns(form, task) if last or at_home else "")
        if problem:
            return f"position {position}: {problem}"
    return ""


def accepted(design: Design, positions: Iterable[str]) -> dict[str, Design]:
    """The design with each of the positions that it takes. `refuses` says how it refuses the others."""
    forms = {}
    for position in positions:
        with suppress(Exception):
            forms[position] = design.with_position(position)
    return forms


def refuses(design: Design) -> str:
    """Whether each layout and each position that the design does not take is refused by one sentence."""
    tried = [*((design.in_layout, name) for name in LAYOUTS), *((design.with_position, name) for name in POSITIONS)]
    for change, name in tried:
        try:
            change(name)
        except ValueError as refusal:
            if not str(refusal) or "\n" in str(refusal):
                return f"{name} is refused by {str(refusal)!r}: write one sentence that says what to do instead"
    return ""


def _twice(design: Design, fitted: Design) -> tuple[Design, Design]:
    return fitted, design.sized(fitted.widths, fitted.extra)


def _meta(design: Design, task: str, size: Grid) -> Any:
    with torch.device("meta"):
        network: nn.Module = design.build(task, CLASSES, size)
    return network
