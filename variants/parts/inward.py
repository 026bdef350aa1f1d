"""The products of neighbourhood attention: squares of keys that move inward at the border, to lie in the grid.

    inward_logits(q, k, side)[i, o] = q_i · k_{s(i)+o}         inward_mix(w, v, side)[i] = Σ_o w[i, o] v_{s(i)+o}

s(i) is the corner of the square that i sees, and o counts from it. Where the grid is smaller than the square, the
square is the grid. No side² x n tensor of keys or values is made: see band.py; here the place of each square among the
products of its block is looked up. With a third product, which is summed by key,

    inward_back_mix(w, q, side)[j] = Σ_{i, o: s(i)+o = j} w[i, o] q_i

they are each other's derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from variants.contract import Grid
from variants.parts.band import Cut, block_side, gathered, joined, pieces


@dataclass(frozen=True)
class Line:
    """Along one axis: how many places, the side of a square, blocks of queries, and the keys that each block sees."""

    length: int
    side: int
    queries: Cut
    keys: Cut

    def corners(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """For each place its block, where it lies in that, and where its square begins in the block's stretch."""
        places = torch.arange(self.length, device=device)
        block = places // self.queries.step
        begins = (places - self.side // 2).clamp(0, self.length - self.side)
        return block, places - block * self.queries.step, begins - block * self.keys.step - self.keys.start


def line(length: int, side: int) -> Line:
    """Each place sees `side` places around it or, near an end, the `side` places at that end."""
    if length <= side:
        return Line(length, length, Cut(0, length, length, 1), Cut(0, length, length, 1))
    lines = [in_blocks(length, side, block) for block in range(block_side(side), max(2, side) + 1)]
    return min(lines, key=lambda made: made.queries.number * made.queries.size * made.keys.size)


def in_blocks(length: int, side: int, block: int) -> Line:
    """Blocks of more than side // 2 queries. Where the last one lacks some, all stretches begin so much earlier."""
    r, number = side // 2, -(-length // block)
    more = max(0, r + 1 - (length - block * (number - 1)))
    return Line(length, side, Cut(0, block, block, number), Cut(-r - more, block + 2 * r + more, block, number))


def lines(t: Tensor, side: int) -> tuple[Line, Line]:
    """Of the rows and of the columns of `b h y x e`."""
    return line(t.shape[2], side), line(t.shape[3], side)


def corners(rows: Line, columns: Line, device: torch.device) -> Tensor:
    """`y x`: where in the products of one head, `Y X queries keys`, the square of each place begins."""
    B, C, keys = rows.queries.size, columns.queries.size, rows.keys.size * columns.keys.size
    block, place, key = rows.corners(device)
    down = (block * columns.queries.number * B + place) * C * keys + key * columns.keys.size
    block, place, key = columns.corners(device)
    return down[:, None] + (block * B * C + place) * keys + key


def squares(products: Tensor, rows: Line, columns: Line) -> Tensor:
    """A view of `(b h Y X) queries keys`: what squares begin at each number of a head, `(b h) numbers side side`."""
    blocks, L = rows.queries.number * columns.queries.number, columns.keys.size
    numbers = blocks * products[0].numel()
    begin = numbers - (rows.side - 1) * L - columns.side + 1
    return products.as_strided((len(products) // blocks, begin, rows.side, columns.side), (numbers, 1, L, 1))


def spread(w: Tensor, rows: Line, columns: Line) -> Tensor:
    """`b h y x (side side)` -> `(b h Y X) queries keys`: the weights among zeros."""
    (b, h), Y, X = w.shape[:2], rows.queries, columns.queries
    products = w.new_zeros(b * h * Y.number * X.number, Y.size * X.size, rows.keys.size * columns.keys.size)
    w = w.flatten(0, 1).unflatten(-1, (rows.side, columns.side))  # (b h) y x side side
    squares(products, rows, columns)[:, corners(rows, columns, w.device)] = w
    return products


def keys_of(grid: Grid, side: int) -> int:
    """How many keys each place sees."""
    return min(side, grid.y) * min(side, grid.x)


def places_in_square(length: int, side: int, device: torch.device) -> Tensor:
    """`length`: along one axis, where in its square each place lies."""
    places = torch.arange(length, device=device)
    return places - (places - side // 2).clamp(0, max(length - side, 0))


@torch.library.custom_op("avbench::inward_logits", mutates_args=())
def inward_logits(q: Tensor, k: Tensor, side: int) -> Tensor:
    """`b h y x e` twice -> `b h y x (side side)`; side is odd."""
    rows, columns = lines(q, side)
    products = pieces(q, rows.queries, columns.queries) @ pieces(k, rows.keys, columns.keys).mT  # (b h Y X) B² K²
    out = squares(products, rows, columns)[:, corners(rows, columns, q.device)]  # (b h) y x side side
    return out.view(*q.shape[:4], -1)


@torch.library.custom_op("avbench::inward_mix", mutates_args=())
def inward_mix(w: Tensor, v: Tensor, side: int) -> Tensor:
    """`b h y x (side side)` and `b h y x e` -> `b h y x e`; side is odd."""
    rows, columns = lines(v, side)
    out = spread(w, rows, columns) @ pieces(v, rows.keys, columns.keys)  # (b h Y X) B² e
    return joined(out, rows.queries, columns.queries, v.shape).contiguous()


@torch.library.custom_op("avbench::inward_back_mix", mutates_args=())
def inward_back_mix(w: Tensor, q: Tensor, side: int) -> Tensor:
    """`b h y x (side side)` and `b h y x e` -> `b h y x e`, by key; side is odd."""
    rows, columns = lines(q, side)
    by_key = spread(w, rows, columns).mT @ pieces(q, rows.queries, columns.queries)  # (b h Y X) K² e
    return gathered(by_key, rows.keys, columns.keys, q.shape).contiguous()


@inward_logits.register_fake
def _(q: Tensor, k: Tensor, side: int) -> Tensor:
    return q.new_empty(*q.shape[:4], keys_of(Grid(q.shape[2], q.shape[3]), side))


@inward_mix.register_fake
def _(w: Tensor, v: Tensor, side: int) -> Tensor:
    return v.new_empty(v.shape)


@inward_back_mix.register_fake
def _(w: Tensor, q: Tensor, side: int) -> Tensor:
    return q.new_empty(q.shape)


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.side = inputs[2]


def _logits_backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
    q, k = ctx.saved_tensors
    return inward_mix(g, k, ctx.side), inward_back_mix(g, q, ctx.side), None


def _mix_backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
    w, v = ctx.saved_tensors
    return inward_logits(g, v, ctx.side), inward_back_mix(w, g, ctx.side), None


def _back_mix_backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
    w, q = ctx.saved_tensors
    return inward_logits(q, g, ctx.side), inward_mix(w, g, ctx.side), None


inward_logits.register_autograd(_logits_backward, setup_context=_save)
inward_mix.register_autograd(_mix_backward, setup_context=_save)
inward_back_mix.register_autograd(_back_mix_backward, setup_context=_save)


@register_flop_formula(
    [torch.ops.avbench.inward_logits, torch.ops.avbench.inward_mix, torch.ops.avbench.inward_back_mix]
)
def _flops(first: torch.Size, second: torch.Size, side: int, *_: Any, **__: Any) -> int:
    """Two for each multiply-add of the operator's definition: the keys of each query, times its channels."""
    return 2 * keys_of(Grid(second[2], second[3]), side) * second.numel()
