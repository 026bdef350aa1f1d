"""fit: the widths at which a recipe weighs a given number of parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from variants.contract import Made
from variants.layout import Layout
from variants.parts.width import rounded, unit
from variants.recipe import Recipe, body_params

TOLERANCE = 0.01
SCALES = 1 / 128, 64.0  # of the widths
RATIOS = 0.25, 4.0  # of the inner widths
STEP = 1.004  # factors that lie nearer are alike


def fit(recipe: Recipe, params: int) -> Recipe:
    """Solves the budget in three steps: widths, then the inner widths together, then single blocks by a unit.

    ValueError if no network of this depth comes within 1 % of `params`.
    """
    made: Made = {}

    @cache
    def weigh(layout: Layout) -> int:
        return body_params(replace(recipe, layout=layout), made=made)

    layout = widest(replace(recipe.layout, extra=()), params, weigh)
    layout = fill(deepened(layout, params, weigh), params, weigh)
    residual = weigh(layout) / params - 1
    if abs(residual) > TOLERANCE:
        raise ValueError(
            f"{recipe.name or 'this design'} cannot weigh {params:,} parameters: with its depth of "
            f"{sum(recipe.depths)} blocks the nearest it comes is {weigh(layout):,}; choose another --params"
        )
    return replace(recipe, layout=layout)


def widest(layout: Layout, params: int, weigh: Callable[[Layout], int]) -> Layout:
    """The layout scaled by the largest factor that fits, or by the least there is.

    Each step goes where weights that grow with the square of the factor would meet the budget.
    """
    (low, high), factor = SCALES, 1.0
    while high / low > STEP:
        weight = weigh(layout.scaled(factor))
        low, high = (factor, high) if weight <= params else (low, factor)
        factor = min(max(factor * (params / weight) ** 0.5, low * STEP), high / STEP)
    return layout.scaled(low)


def deepened(layout: Layout, params: int, weigh: Callable[[Layout], int]) -> Layout:
    """The layout with the inner widths at which weights that grow linearly with them would meet the budget.

    Its own ones where nothing grows with them, as in blocks that have none.
    """
    once, twice = (weigh(with_ratio(layout, factor)) for factor in (1, 2))
    if once == twice:
        return with_ratio(layout, 1)
    low, high = RATIOS
    return with_ratio(layout, min(max(1 + (params - once) / (twice - once), low), high))


def with_ratio(layout: Layout, factor: float) -> Layout:
    """The layout with inner widths of about `factor` times its own, written as units of channels in `extra`."""
    units = []
    for stage, (width, depth) in enumerate(zip(layout.widths, layout.depths, strict=True)):
        inner = width * layout.ratio_of(stage)
        base = rounded(inner)
        units.append(depth * max(round((inner * factor - base) / unit(base)), (16 - base) // unit(base)))
    return replace(layout, extra=tuple(units))


def fill(layout: Layout, params: int, weigh: Callable[[Layout], int]) -> Layout:
    """Adds units of inner channels, the heaviest stage first, until what is left is less than half a unit."""
    gains = {i: weigh(grown(layout, i, 1)) - weigh(layout) for i in range(len(layout.widths))}
    for i in sorted(gains, key=lambda i: -gains[i]):
        while gains[i] and (units := round((params - weigh(layout)) / gains[i])):
            candidate = grown(layout, i, units)
            if min(candidate.inner(i)) < 16 or abs(weigh(candidate) - params) >= abs(weigh(layout) - params):
                break
            layout = candidate
    return layout


def grown(layout: Layout, stage: int, units: int) -> Layout:
    """The layout with so many more units of inner channels in one stage."""
    return replace(layout, extra=tuple(e + units * (i == stage) for i, e in enumerate(layout.extra)))
