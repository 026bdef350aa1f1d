"""fits: how large an image a memory should hold, and how many at once; simulated, whatever machine this is.

    largest   of one image: the largest square, in steps of STEP pixels, that needs no more than the memory
    batch     of one size: the most images at once

What is needed is all that a process holds at its peak: weights, gradients, optimiser, images, activations and what is
temporary. What is found fits, and the next size or image does not. More images need more; more pixels nearly always,
but `nystrom` in training takes 2.7 % less at 160 pixels than at 128, so that a size beyond the next may fit again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, product

from suite.axes import Axes
from suite.case import Case
from suite.forked import mapped
from suite.forms import shaped
from suite.simulate import simulate
from suite.simulations import Simulate, Simulations
from variants.contract import Design, Grid

STEP, MOST = 32, 8192  # pixels
USUAL = (224 // STEP, 1024 // STEP)  # sizes that are asked for, and so looked at anyway


@dataclass(frozen=True)
class Fit:
    """What the memory should hold of one network, whatever the size in its case; or why that is not known."""

    case: Case
    largest: int = 0  # pixels a side; 0: not even STEP; MOST: perhaps more
    batches: Mapping[str, int] = field(default_factory=dict)  # images, by resolution; 0: not even one
    reason: str = ""


def fits(
    designs: Sequence[Design], axes: Axes, memory: int, simulate: Simulate = simulate, processes: int = 1
) -> list[Fit]:
    """Every network in each mode, dtype, backend and memory format of the axes.

    ValueError if the axes ask for a mixer alone, a compiled network or a number of images, or if nothing is known of
    any network: the first one's reason.
    """
    if axes.scopes != ("network",):
        raise ValueError("--fits is of whole networks: leave out --scope")
    if axes.batches != (1,):
        raise ValueError("--fits finds how many images a memory holds: leave out --batch")
    if any(axes.compiles):
        raise ValueError("--fits simulates, and nothing simulates a compiled network: leave out --compile")
    one = partial(fits_of, axes=axes, memory=memory, simulate=simulate)
    shapes = list(product(designs, axes.layouts, axes.positions))
    found = list(chain.from_iterable(mapped(one, shapes, min(processes, len(shapes)))))
    if found and all(f.reason for f in found):
        raise ValueError(found[0].reason)
    return found


def fits_of(shape: tuple[Design, str, str], axes: Axes, memory: int, simulate: Simulate) -> list[Fit]:
    """Those of a design in one layout with one position; one with the reason if it does not go there."""
    design, layout, position = shape
    try:
        fitted = shaped(design, layout, position, axes.patch).fitted(axes.params)
    except ValueError as error:
        case = next(cases(design, axes))
        return [Fit(replace(case, layout=layout or case.layout, position=position or case.position), reason=str(error))]
    simulated = Simulations(fitted, axes.decoders, simulate)
    found = chain.from_iterable(map(simulated.decoded, cases(fitted, axes)))
    return [fit(case, axes.resolutions, memory, simulated) for case in found]


def cases(design: Design, axes: Axes) -> Iterator[Case]:
    """The cases of memory, at the first resolution."""
    size = axes.resolutions[0]
    workloads = product(axes.tasks, axes.modes, axes.dtypes, axes.backends, axes.memory_formats)
    for task, mode, dtype, backend, form in workloads:
        names = design.name, design.layout_name, design.position_name
        work = Case("memory", *names, task, axes.classes_of(task), size.y, size.x, axes.patch)
        yield replace(work, params_budget=axes.params, mode=mode, dtype=dtype, backend=backend, memory_format=form)


def fit(case: Case, sizes: Sequence[Grid], memory: int, simulated: Simulations) -> Fit:
    """What the memory holds of the case's network."""
    if isinstance(form := simulated.form(case), ValueError):
        return Fit(case, reason=str(form))

    def needed(size: Grid, images: int = 1) -> int:
        return simulated(sized(case, size, images)).needed_bytes

    try:
        side = largest(lambda n: needed(Grid(STEP * n, STEP * n)), memory, USUAL, MOST // STEP, power=2)
        batches = {sized(case, size).resolution: largest(partial(needed, size), memory) for size in sizes}
        return Fit(case, STEP * side, batches)
    except Exception as error:  # a design that breaks here is no reason to leave out the others
        return Fit(case, reason=f"not predicted ({type(error).__name__}: {error})")


def sized(case: Case, size: Grid, images: int = 1) -> Case:
    """The case at another size."""
    return replace(case, height=size.y, width=size.x, batch=images)


def largest(
    needed: Callable[[int], int], memory: int, tried: Sequence[int] = (1, 2), most: int = 2**20, power: int = 1
) -> int:
    """The largest number up to `most` that needs no more than the memory; 0 if 1 needs more.

    Where what is needed falls as the number grows, it is one that fits and whose next does not. It is looked for by
    secants, which are short where the need grows nearly in proportion to this power of the number; the first two are
    through what is `tried`.
    """
    seen = {n: needed(n) for n in tried}
    while True:
        low = max((n for n, need in seen.items() if need <= memory), default=0)
        high = min((n for n, need in seen.items() if need > memory), default=most + 1)
        if high - low == 1:
            return low
        near, far = sorted(seen, key=lambda n: abs(seen[n] - memory))[:2]
        slope = (seen[far] - seen[near]) / (far**power - near**power)
        ahead = near**power + (memory - seen[near]) / max(slope, 1.0)
        guess = int(max(ahead, 0) ** (1 / power))
        n = min(max(low + 1, guess), high - 1) if low <= guess <= high else (low + high) // 2
        seen[n] = needed(n)
