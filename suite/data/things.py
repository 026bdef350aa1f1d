"""Objects: regular shapes of one colour each, with a name; and places for them, so that none touches another."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from suite.data.dice import Dice
from suite.data.scene import Layer, Name
from suite.data.shapes import Regular
from suite.data.words import HUES, REGULAR

SHADE = 0.05  # how far an object's colour may be from its hue, in each of red, green and blue
TRIES = 8
Point = tuple[float, float]  # down and right, in sides


def things(
    dice: Dice,
    centre: Tensor,
    radius: Tensor,
    largest: float,
    shape: Tensor,
    colour: Tensor,
    label: Tensor,
    present: Tensor | None = None,
) -> tuple[Layer, ...]:
    """A layer for each of m objects, turned and shaded by chance.

    centre `b m 2`; `b m` each: radius, at most `largest`, shape and colour as places in words, label and presence.
    """
    m = radius.shape[1]
    angle = dice.between(0, 2 * pi, m)
    sides = torch.tensor(REGULAR, device=radius.device)[shape]  # b m
    shade = torch.tensor(HUES, device=radius.device)[colour] + dice.between(-SHADE, SHADE, 3 * m).unflatten(1, (m, 3))
    return tuple(
        Layer(
            shape=Regular(radius[:, i, None, None], sides[:, i, None, None], angle[:, i, None, None], largest),
            centre=centre[:, i],
            colour=shade[:, i].clamp(0, 1),
            label=label[:, i],
            name=Name(shape[:, i], colour[:, i]),
            present=None if present is None else present[:, i],
        )
        for i in range(m)
    )


def in_cells(dice: Dice, cells: Tensor, columns: int, corner: Point, cell: Point, radius: Tensor) -> Tensor:
    """`b m 2`: for each object a place in its cell that keeps it off the cell's borders.

    The cells `b m` are counted along rows of so many columns, from the corner on; each has the height and width `cell`.
    """
    area = radius.new_tensor(cell)
    start = torch.stack([cells // columns, cells % columns], 2) * area + radius.new_tensor(corner)  # b m 2
    chance = dice.throw(2 * cells.shape[1]).unflatten(1, (-1, 2))
    return start + radius[..., None] + (area - 2 * radius[..., None]) * chance


def free(dice: Dice, low: Point, high: Point, taken: Tensor, gap: float) -> tuple[Tensor, Tensor]:
    """A place `b 2` between two corners, at least `gap` from those taken `b m 2`; and whether TRIES found one: `b`."""
    low_, high_ = taken.new_tensor(low), taken.new_tensor(high)
    tried = low_ + (high_ - low_) * dice.throw(2 * TRIES).unflatten(1, (TRIES, 2))  # b t 2
    fits = ((tried[:, :, None] - taken[:, None]).norm(dim=3) >= gap).all(2)  # b t
    first = fits.long().argmax(1)
    return tried[torch.arange(len(tried), device=tried.device), first], fits.any(1)
