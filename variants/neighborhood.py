"""Neighbourhood attention: each place attends to the side x side places nearest to it, as many at the border as inside.

    out_i = Σ_j softmax_j(q_i · k_j / √e + position_{j-i}) v_j     j over the side² places around i

At the border the square moves inward until it lies in the grid, so that no query sees less than another; its query is
then no longer in its middle. In between, tokens are made and merged by overlapping 3 x 3 convolutions.

Paper    Neighborhood Attention Transformer, Hassani et al. 2022 (2204.07143).
Time     4 n d² for the projections, 2 n side² d for the mixing: linear in n.
Memory   n d, and the weights: h n side² numbers.
Departs  a grid smaller than the square is the square, where NAT pads the grid; no stochastic depth.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.block import Transformer
from variants.parts.head import Mean
from variants.parts.inward import inward_logits, inward_mix, keys_of, places_in_square
from variants.parts.neighbourhood import centred_side
from variants.parts.overlapping import Overlapping, Tokenizer
from variants.parts.position import RelativeBias
from variants.recipe import PYRAMID, Recipe, part


class Neighborhood(Mixer):
    """Attention in the square of side x side places around each place, moved inward at the border; side is odd."""

    card = Card("Neighbourhood attention", paper="2204.07143", year=2022, time="n side² d", memory="n (d + h side²)")
    takes = frozenset({"none", "bias", "query", "rotary"})
    policy = "neighbourhoods of {side} x {side} places, moved inward at the border, at every resolution"

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, side: int = 7) -> None:
        super().__init__()
        self.dim, self.heads, self.side = dim, heads, centred_side(side)
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.position = position(heads, dim // heads, Grid(1, 1), self.offsets(Grid(side, side)))

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q, k, v = self.to_qkv(x).view(b, y, x_, 3, self.heads, -1).unbind(3)  # b y x h e, three times
        q, k = self.position.turn(q) * (d // self.heads) ** -0.5, self.position.turn(k)
        bias = self.position.logits(q[..., None, None, :], self.offsets(Grid(y, x_)))  # ... h 1 offsets, or None
        q, k, v = (t.permute(0, 3, 1, 2, 4) for t in (q, k, v))  # b h y x e
        logits = inward_logits(q, k, self.side)  # b h y x side²
        if bias is not None:
            logits = logits + (self.of_query(bias, Grid(y, x_)) if bias.dim() > 3 else self.of_place(bias, Grid(y, x_)))
        out = inward_mix(logits.softmax(-1), v, self.side)  # b h y x e
        return self.to_out(out.permute(0, 2, 3, 1, 4).reshape(b, y, x_, d))

    def offsets(self, grid: Grid) -> Grid:
        """How many offsets there are between a query and its keys, along each axis."""
        return Grid(2 * min(self.side, grid.y) - 1, 2 * min(self.side, grid.x) - 1)

    def of_place(self, bias: Tensor, grid: Grid) -> Tensor:
        """`h 1 offsets` -> `h y x side²`: for each place what is said of the keys in its square."""
        rows, columns = (self.of_axis(length, bias.device) for length in (grid.y, grid.x))  # y side, x side
        bias = bias.view(self.heads, self.offsets(grid).y, -1).index_select(1, rows.flatten())  # h (y side) columns
        bias = bias.index_select(2, columns.flatten()).unflatten(1, rows.shape).unflatten(3, columns.shape)
        return bias.transpose(2, 3).flatten(-2)

    def of_query(self, bias: Tensor, grid: Grid) -> Tensor:
        """`b y x h 1 offsets` -> `b h y x side²`, where every query says its own."""
        rows, columns = (self.of_axis(length, bias.device) for length in (grid.y, grid.x))  # y side, x side
        bias = bias.squeeze(-2).permute(0, 3, 1, 2, 4).unflatten(-1, (self.offsets(grid).y, -1))  # b h y x rows columns
        bias = bias.gather(-2, rows[:, None, :, None].expand(*bias.shape[:4], -1, bias.shape[-1]))
        return bias.gather(-1, columns[:, None].expand(*bias.shape[:5], -1)).flatten(-2)

    def of_axis(self, length: int, device: torch.device) -> Tensor:
        """`length side`: along one axis, the offset of each key from each place, counted from the smallest one."""
        side = min(self.side, length)
        return torch.arange(side, device=device) - places_in_square(length, side, device)[:, None] + side - 1

    def macs(self, grid: Grid) -> int:
        mixing = 2 * keys_of(grid, self.side) * self.dim + self.position.macs(Grid(1, 1), self.offsets(grid))
        return grid.n * (4 * self.dim**2 + mixing)


RECIPE = Recipe(
    mixers=(part(Neighborhood),),
    layout=replace(
        PYRAMID,
        stem=part(Tokenizer),
        widths=(64, 128, 256, 512),
        depths=(3, 4, 18, 5),
        block=part(Transformer, eps=1e-5),
        downsample=part(Overlapping),
        ratio=3.0,
    ),
    position=part(RelativeBias),
)

PUBLISHED = {
    # table 2: heads of 32 channels in every stage
    "NAT-T": replace(RECIPE, layout=replace(RECIPE.layout, heads=(2, 4, 8, 16)), head=part(Mean, eps=1e-5))
}
