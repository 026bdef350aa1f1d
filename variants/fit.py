"""fit: the widths at which a recipe weighs a given number of parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from variants.parts.width import rounded, unit
from variants.recipe import Layout, Recipe, body_params

TOLERANCE = 0.01


def fit(recipe: Recipe, params: int) -> Recipe:
    """Solves the budget in three steps: widths, then the inner widths together, then single blocks by a unit.

    ValueError if no network of this depth comes within 1 % of `params`.
    """

    @cache
    def weigh(layout: Layout) -> int:
        return body_params(replace(recipe, layout=layout))

    base = replace(recipe.layout, extra=())
    layout = largest(base.scaled, lambda layout: weigh(layout) <= params, 1 / 128, 64.0)
    layout = largest(lambda t: with_ratio(layout, t), lambda layout: weigh(layout) <= params, 0.25, 4.0)
    layout = fill(layout, params, weigh)
    residual = weigh(layout) / params - 1
    if abs(residual) > TOLERANCE:
        raise ValueError(
            f"{recipe.name or 'this design'} cannot weigh {params:,} parameters: with its depth of "
            f"{sum(recipe.depths)} blocks the nearest it comes is {weigh(layout):,}; choose another --params"
        )
    return replace(recipe, layout=layout)


def largest(make: Callable[[float], Layout], fits: Callable[[Layout], bool], low: float, high: float) -> Layout:
    """The layout of the largest factor from `low` to `high` that fits, by bisection of its logarithm; `low` if none."""
    best = make(low)
    while high / low > 1.004:
        middle = (low * high) ** 0.5
        layout = make(middle)
        if fits(layout):
            low, best = middle, layout
        else:
            high = middle
    return best


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
