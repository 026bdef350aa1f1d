"""The two products of local attention, as operators that never unfold a side² x n tensor of keys or values.

    neighbour_logits(q, k, side)[i, o] = q_i · k_{i+o}         neighbour_mix(w, v, side)[i] = Σ_o w[i, o] v_{i+o}

for the side² offsets o of a centred square; what lies outside the grid counts as zero. They are differentiable, and
each is the other's derivative.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from variants.contract import Grid
from variants.parts.band import Axis, block_side, logits_of, mixed

AT_ONCE = 2**17  # numbers of q or v on the CPU; their rectangles of keys are some six times as many
AT_ONCE_ELSEWHERE = 2**26  # on CUDA a part is a launch, and each launch costs what small parts take to compute


def centred(length: int, side: int) -> Axis:
    """Each place sees `side` places around it."""
    return Axis(length, -(side // 2), side, block_side(side))


def centred_side(side: int) -> int:
    """The side of a square that is centred on a place. ValueError if it is even."""
    if side % 2 == 0:
        raise ValueError(f"a square around a place needs a centre: choose an odd side, not {side}")
    return side


def in_turn(t: Tensor) -> Iterator[tuple[slice, slice]]:
    """Images and heads of `b h y x e`: on the CPU so few at once that what is cut from them stays in the caches."""
    b, h = t.shape[:2]
    most = AT_ONCE if t.device.type == "cpu" else AT_ONCE_ELSEWHERE
    heads = min(h, max(1, most // t[0, 0].numel()))
    images = min(b, max(1, most // t[0].numel()))
    for i, j in product(range(0, b, images), range(0, h, heads)):
        yield slice(i, i + images), slice(j, j + heads)


@torch.library.custom_op("avbench::neighbour_logits", mutates_args=())
def neighbour_logits(q: Tensor, k: Tensor, side: int) -> Tensor:
    """`b h y x e` twice -> `b h y x (side side)`; side is odd."""
    axes, out = (centred(q.shape[2], side), centred(q.shape[3], side)), q.new_empty(*q.shape[:4], side**2)
    for some in in_turn(q):
        out[some] = logits_of(q[some], k[some], *axes)
    return out


@torch.library.custom_op("avbench::neighbour_mix", mutates_args=())
def neighbour_mix(w: Tensor, v: Tensor, side: int) -> Tensor:
    """`b h y x (side side)` and `b h y x e` -> `b h y x e`; side is odd."""
    axes, out = (centred(v.shape[2], side), centred(v.shape[3], side)), v.new_empty(v.shape)
    for some in in_turn(v):
        out[some] = mixed(w[some], v[some], *axes)
    return out


def transposed(w: Tensor, side: int) -> Tensor:
    """`b h y x (side side)`: the weight that i gives to i+o, found at i+o under the offset -o."""
    if side == 1:
        return w
    b, h, y, x, _ = w.shape
    r = side // 2
    w = F.pad(w, (0, 0, r, r, r, r)).contiguous()  # b h y+2r x+2r side²
    per_image, per_head, per_row, per_column, _ = w.stride()
    steps = (per_image, per_head, per_row, per_column, per_row - side, per_column - 1)
    return w.as_strided((b, h, y, x, side, side), steps, w.storage_offset() + side**2 - 1).flatten(-2)


@neighbour_logits.register_fake
def _(q: Tensor, k: Tensor, side: int) -> Tensor:
    return q.new_empty(*q.shape[:4], side**2)


@neighbour_mix.register_fake
def _(w: Tensor, v: Tensor, side: int) -> Tensor:
    return v.new_empty(v.shape)


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.side = inputs[2]


def _logits_backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
    q, k = ctx.saved_tensors
    return neighbour_mix(g, k, ctx.side), neighbour_mix(transposed(g, ctx.side), q, ctx.side), None


def _mix_backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
    w, v = ctx.saved_tensors
    return neighbour_logits(g, v, ctx.side), neighbour_mix(transposed(w, ctx.side), g, ctx.side), None


neighbour_logits.register_autograd(_logits_backward, setup_context=_save)
neighbour_mix.register_autograd(_mix_backward, setup_context=_save)


@register_flop_formula([torch.ops.avbench.neighbour_logits, torch.ops.avbench.neighbour_mix])
def _flops(first: torch.Size, second: torch.Size, side: int, *_: Any, **__: Any) -> int:
    """Two for each multiply-add of the operator's definition: side² keys for each query."""
    return 2 * side**2 * second.numel()


def inside(grid: Grid, side: int, device: torch.device) -> Tensor:
    """`y x (side side)`: which neighbours of each place lie in the grid."""
    steps = torch.arange(side, device=device) - side // 2
    rows = torch.arange(grid.y, device=device)[:, None] + steps  # y side
    columns = torch.arange(grid.x, device=device)[:, None] + steps  # x side
    rows, columns = (rows >= 0) & (rows < grid.y), (columns >= 0) & (columns < grid.x)
    return (rows[:, None, :, None] & columns[:, None]).flatten(2)
