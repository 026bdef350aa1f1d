"""Products of queries with the keys near them, without unfolding the side² keys of every query.

Queries come in blocks, each against the rectangle of keys that the block can see: dense products of a little more than
twice the useful size, of which the useful band is a strided view. Not differentiable by themselves: the operators
made of them are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from variants.contract import Grid


class Cut(NamedTuple):
    """`number` stretches of `size` places along an axis, `step` apart, the first one from the place `start` on."""

    start: int
    size: int
    step: int
    number: int

    @property
    def length(self) -> int:
        """How many places they cover together."""
        return self.step * (self.number - 1) + self.size


@dataclass(frozen=True)
class Axis:
    """Along one axis: `count` queries in blocks, and the `side` keys that each of them sees.

    The keys of the first query begin at `start`, those of each next query one place further.
    """

    count: int
    start: int
    side: int
    block: int

    @property
    def queries(self) -> Cut:
        """The blocks of queries, the last one perhaps reaching beyond them."""
        return Cut(0, self.block, self.block, -(-self.count // self.block))

    @property
    def keys(self) -> Cut:
        """The stretch of keys that each block sees."""
        return Cut(self.start, self.side + self.block - 1, self.block, self.queries.number)


def block_side(side: int) -> int:
    """Queries of one block along an axis: about half the neighbourhood, where waste and copies balance."""
    return max(2, (side + 1) // 2)


def margins(rows: Cut, columns: Cut, grid: Grid) -> tuple[int, ...]:
    """What F.pad must add to `b h y x e` (or take away where negative) to leave what the cuts cover."""
    below, right = rows.start + rows.length - grid.y, columns.start + columns.length - grid.x
    return 0, 0, -columns.start, right, -rows.start, below


def pieces(t: Tensor, rows: Cut, columns: Cut) -> Tensor:
    """`b h y x e` -> `(b h Y X) m e`: the rectangles of the cuts, zeros outside the grid."""
    t = F.pad(t, margins(rows, columns, Grid(t.shape[2], t.shape[3])))
    t = t.unfold(2, rows.size, rows.step).unfold(3, columns.size, columns.step)  # b h Y X e K K
    return t.permute(0, 1, 2, 3, 5, 6, 4).reshape(-1, rows.size * columns.size, t.shape[4])


def joined(t: Tensor, rows: Cut, columns: Cut, shape: torch.Size) -> Tensor:
    """`(b h Y X) m e` -> `b h y x e` of this shape: rectangles that lie side by side, from the corner on."""
    b, h, y, x, e = shape
    t = t.view(b, h, rows.number, columns.number, rows.size, columns.size, e).transpose(3, 4)
    return t.reshape(b, h, rows.length, columns.length, e)[:, :, :y, :x]


def gathered(t: Tensor, rows: Cut, columns: Cut, shape: torch.Size) -> Tensor:
    """`(b h Y X) m e` -> `b h y x e` of this shape, the sum of all rectangles: the adjoint of `pieces`.

    The cuts begin at the corner or before it, and cover the grid.
    """
    b, h, y, x, e = shape
    t = t.view(b * h, rows.number, columns.number, rows.size, columns.size, e)
    steps = rows.number + -(-rows.size // rows.step) - 1, columns.number + -(-columns.size // columns.step) - 1
    total = t.new_zeros(b * h, steps[0], rows.step, steps[1], columns.step, e)
    for i, j in product(range(0, rows.size, rows.step), range(0, columns.size, columns.step)):
        part = t[:, :, :, i : i + rows.step, j : j + columns.step].transpose(2, 3)  # (b h) Y step X step e, or less
        near = total[:, i // rows.step :, : part.shape[2], j // columns.step :, : part.shape[4]]
        near[:, : rows.number, :, : columns.number] += part
    total = total.flatten(3, 4).flatten(1, 2).unflatten(0, (b, h))  # b h y x e, from the start of both cuts on
    return total[:, :, -rows.start : y - rows.start, -columns.start : x - columns.start]


def band(products: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """A view of `(B Y X) queries keys`: for each query only the keys that it sees, `B Y block X block side side`."""
    Y, X, K, L = rows.queries.number, columns.queries.number, rows.keys.size, columns.keys.size
    square = rows.block * columns.block * K * L
    shape = (products.shape[0] // (Y * X), Y, rows.block, X, columns.block, rows.side, columns.side)
    steps = (Y * X * square, X * square, columns.block * K * L + L, square, K * L + 1, L, 1)
    return products.as_strided(shape, steps, products.storage_offset())


def logits_of(q: Tensor, k: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """`b h y x e` twice -> `b h count count (side side)`, for the queries of both axes."""
    products = pieces(q, rows.queries, columns.queries) @ pieces(k, rows.keys, columns.keys).mT  # (b h Y X) block² K²
    out = band(products, rows, columns)
    out = out.reshape(*q.shape[:2], rows.queries.length, columns.queries.length, rows.side * columns.side)
    return out[:, :, : rows.count, : columns.count]


def spread(w: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """`b h y x (side side)` -> `(b h Y X) queries keys`: the weights of both axes' queries among zeros."""
    blocks = w.shape[0] * w.shape[1] * rows.queries.number * columns.queries.number
    products = w.new_zeros(blocks, rows.block * columns.block, rows.keys.size * columns.keys.size)
    places = band(products, rows, columns)
    below, right = rows.queries.length - rows.count, columns.queries.length - columns.count
    places.copy_(F.pad(w, (0, 0, 0, right, 0, below)).reshape(places.shape))
    return products


def mixed(w: Tensor, v: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """`b h y x (side side)` and `b h y x e` -> `b h count count e`, for the queries of both axes."""
    out = spread(w, rows, columns) @ pieces(v, rows.keys, columns.keys)  # (b h Y X) block² e
    return joined(out, rows.queries, columns.queries, v.shape)
