"""The products of neighbourhood attention: squares of keys that move inward at the border, to lie in the grid.

    inward_logits(q, k, side)[i, o] = q_i · k_{s(i)+o}         inward_mix(w, v, side)[i] = Σ_o w[i, o] v_{s(i)+o}

s(i) is the corner of the square that i sees, and o counts from it. Where the grid is smaller than the square, the
square is the grid. No side² x n tensor of keys or values is made. With a third product, which is summed by key,

    inward_back_mix(w, q, side)[j] = Σ_{i, o: s(i)+o = j} w[i, o] q_i

they are each other's derivatives.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from variants.contract import Grid
from variants.parts.band import Axis, block_side, gather, logits_of, mixed, part_of, pieces, spread


def inward(length: int, side: int) -> list[Axis]:
    """Each place sees `side` places around it or, near an end, the `side` places at that end."""
    if length <= side:
        return [Axis(0, length, 0, length, length, moves=False)]
    r, last = side // 2, length - side
    start = Axis(0, r, 0, side, max(r, 1), moves=False)
    end = Axis(last + r + 1, side - 1 - r, last, side, max(side - 1 - r, 1), moves=False)
    return [axis for axis in (start, Axis(r, last + 1, 0, side, block_side(side)), end) if axis.count]


def zones(grid: Grid, side: int) -> list[tuple[Axis, Axis]]:
    """Inside, edges and corners: nine at most, in each of which all squares move alike."""
    return list(product(inward(grid.y, side), inward(grid.x, side)))


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
    grid = Grid(q.shape[2], q.shape[3])
    out = q.new_empty(*q.shape[:4], keys_of(grid, side))
    for axes in zones(grid, side):
        part_of(out, *axes).copy_(logits_of(q, k, *axes))
    return out


@torch.library.custom_op("avbench::inward_mix", mutates_args=())
def inward_mix(w: Tensor, v: Tensor, side: int) -> Tensor:
    """`b h y x (side side)` and `b h y x e` -> `b h y x e`; side is odd."""
    out = torch.empty_like(v, memory_format=torch.contiguous_format)
    for axes in zones(Grid(v.shape[2], v.shape[3]), side):
        part_of(out, *axes).copy_(mixed(w, v, *axes))
    return out


@torch.library.custom_op("avbench::inward_back_mix", mutates_args=())
def inward_back_mix(w: Tensor, q: Tensor, side: int) -> Tensor:
    """`b h y x (side side)` and `b h y x e` -> `b h y x e`, by key; side is odd."""
    out = torch.zeros_like(q, memory_format=torch.contiguous_format)
    for rows, columns in zones(Grid(q.shape[2], q.shape[3]), side):
        by_key = spread(w, rows, columns).mT @ pieces(q, rows.queries, columns.queries)  # (b h Y X) K² e
        gather(out, by_key, rows.keys, columns.keys)
    return out


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
