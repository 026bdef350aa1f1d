"""Objects: shapes of one colour each, with a name; and places for them, so that none touches another."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor

from suite.data.device import constant
from suite.data.dice import Dice
from suite.data.scene import Layer, Name
from suite.data.shapes import Regular, Shape
from suite.data.words import HUES, REGULAR

SHADE = 0.05  # how far an object's colour may be from its hue, in each of red, green and blue
TRIES = 8
Point = tuple[float, float]  # down and right, in sides


def things(
    dice: Dice,
    centre: Tensor,
    outlines: Sequence[Shape],
    shape: Tensor,
    colour: Tensor,
    label: Tensor,
    present: Tensor | None = None,
) -> tuple[Layer, ...]:
    """A layer for each of m outlines at `centre` (`b m 2`), shaded by chance.

    `b m` each: shape and colour as places in words, label, and whether an image shows the object.
    """
    m = len(outlines)
    shade = constant(HUES, centre)[colour] + dice.between(-SHADE, SHADE, 3 * m).unflatten(1, (m, 3))
    return tuple(
        Layer(
            shape=outline,
            centre=centre[:, i],
            colour=shade[:, i].clamp(0, 1),
            label=label[:, i],
            name=Name(shape[:, i], colour[:, i]),
            present=None if present is None else present[:, i],
        )
        for i, outline in enumerate(outlines)
    )


def regular(dice: Dice, radius: Tensor, shape: Tensor, reach: float) -> list[Regular]:
    """Outlines of m objects, turned by chance: radii `b m` of at most `reach`, shapes `b m` as places in words."""
    sides = constant(REGULAR, shape)[shape]
    angle = dice.between(0, 2 * pi, shape.shape[1])
    columns = (t[..., None, None].unbind(1) for t in (radius, sides, angle))  # b 1 1, m times each
    return [Regular(r, s, a, reach) for r, s, a in zip(*columns, strict=True)]


def in_cells(dice: Dice, cells: Tensor, columns: int, corner: Point, cell: Point, radius: Tensor) -> Tensor:
    """`b m 2`: for each object a place in its cell that keeps it off the cell's borders.

    The cells `b m` are counted along rows of so many columns, from the corner on; each has the height and width `cell`.
    """
    area = constant(cell, radius)
    start = torch.stack([cells // columns, cells % columns], 2) * area + constant(corner, radius)  # b m 2
    chance = dice.throw(2 * cells.shape[1]).unflatten(1, (-1, 2))
    return start + radius[..., None] + (area - 2 * radius[..., None]) * chance


def free(dice: Dice, low: Point, high: Point, taken: Tensor, gap: float) -> tuple[Tensor, Tensor]:
    """A place `b 2` between two corners, at least `gap` from those taken `b m 2`; and whether TRIES found one: `b`."""
    low_, high_ = constant(low, taken), constant(high, taken)
    tried = low_ + (high_ - low_) * dice.throw(2 * TRIES).unflatten(1, (TRIES, 2))  # b t 2
    fits = ((tried[:, :, None] - taken[:, None]).norm(dim=3) >= gap).all(2)  # b t
    first = fits.long().argmax(1)
    return tried[torch.arange(len(tried), device=tried.device), first], fits.any(1)
