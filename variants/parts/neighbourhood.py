"""The two products of local attention, as operators that never unfold a side² x n tensor of keys or values.

    neighbour_logits(q, k, side)[i, o] = q_i · k_{i+o}         neighbour_mix(w, v, side)[i] = Σ_o w[i, o] v_{i+o}

for the side² offsets o of a centred square; what lies outside the grid counts as zero. Both work on square blocks of
queries, each against the square of keys that the block can see: dense products of a little more than twice the useful
size, of which the useful band is a strided view. They are differentiable, and each is the other's derivative.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from variants.contract import Grid


def block_side(side: int) -> int:
    """Queries of one block along an axis: about half the neighbourhood, where waste and copies balance."""
    return max(2, (side + 1) // 2)


def blocks_of(t: Tensor, block: int, reach: int) -> Tensor:
    """`b h y x e` -> `(b h Y X) m e`: for each block of the grid, its square grown by `reach`, zeros outside."""
    b, h, y, x, e = t.shape
    t = F.pad(t, (0, 0, reach, reach + -x % block, reach, reach + -y % block))
    squares = t.unfold(2, block + 2 * reach, block).unfold(3, block + 2 * reach, block)  # b h Y X e K K
    return squares.permute(0, 1, 2, 3, 5, 6, 4).reshape(-1, (block + 2 * reach) ** 2, e)


def band(products: Tensor, grid: Grid, block: int, side: int) -> Tensor:
    """A view of `(B Y X) block² K²`: for each query only its own neighbourhood, `B Y block X block side side`."""
    Y, X, K = -(-grid.y // block), -(-grid.x // block), block + side - 1
    square = block**2 * K**2
    shape = (products.shape[0] // (Y * X), Y, block, X, block, side, side)
    steps = (Y * X * square, X * square, block * K**2 + K, square, K**2 + 1, K, 1)
    return products.as_strided(shape, steps, products.storage_offset())


@torch.library.custom_op("avbench::neighbour_logits", mutates_args=())
def neighbour_logits(q: Tensor, k: Tensor, side: int) -> Tensor:
    """`b h y x e` twice -> `b h y x (side side)`; side is odd."""
    b, h, y, x, _ = q.shape
    block = block_side(side)
    products = blocks_of(q, block, 0) @ blocks_of(k, block, side // 2).mT  # (b h Y X) block² K²
    out = band(products, Grid(y, x), block, side)
    return out.reshape(b, h, y + -y % block, x + -x % block, side**2)[:, :, :y, :x].contiguous()


@torch.library.custom_op("avbench::neighbour_mix", mutates_args=())
def neighbour_mix(w: Tensor, v: Tensor, side: int) -> Tensor:
    """`b h y x (side side)` and `b h y x e` -> `b h y x e`; side is odd."""
    b, h, y, x, e = v.shape
    block = block_side(side)
    squares = blocks_of(v, block, side // 2)  # (b h Y X) K² e
    spread = w.new_zeros(len(squares), block**2, squares.shape[1])
    places = band(spread, Grid(y, x), block, side)
    places.copy_(F.pad(w, (0, 0, 0, -x % block, 0, -y % block)).view(places.shape))
    out = (spread @ squares).view(b, h, *places.shape[1:4:2], block, block, e).transpose(3, 4)  # b h Y block X block e
    return out.reshape(b, h, y + -y % block, x + -x % block, e)[:, :, :y, :x].contiguous()


def transposed(w: Tensor, side: int) -> Tensor:
    """`b h y x (side side)`: the weight that i gives to i+o, found at i+o under the offset -o."""
    b, h, y, x, _ = w.shape
    r = side // 2
    w = F.pad(w, (0, 0, r, r, r, r))  # b h y+2r x+2r side²
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
