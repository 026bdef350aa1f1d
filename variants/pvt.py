"""Spatial reduction: every place is a query, but keys and values come from a coarser grid.

    A = softmax(q k̂ᵀ / √e)     out = A v̂     k̂, v̂ of norm(W · r x r places), r = 8, 4, 2, 1 from stage to stage

so that early stages, which have most places, see as many keys as the last one.

Paper    Pyramid Vision Transformer, Wang et al. 2021 (2102.12122).
Time     3 n d² + 2 n d² / r² for the projections and the reduction, 2 n² d / r² for the mixing.
Memory   n d: the fused kernel never stores A.
Departs  no class token in the last stage: the head takes the mean over all positions; squares that reach beyond the
         grid are filled with zeros; in a layout of one stage r = 2, which is that of a stage with tokens of 16 pixels.
"""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.block import Transformer
from variants.parts.piece import Piece
from variants.parts.place import Learned
from variants.parts.stem import Patches
from variants.recipe import PYRAMID, Recipe, part


class SpatialReduction(Mixer):
    """Attention of all places to a grid that is `reduction` times coarser along each axis."""

    card = Card("Spatial reduction", paper="2102.12122", year=2021, time="n² d / r²", memory="n d")
    takes = frozenset({"none"})  # a key is made of r² places, so it has no offset of its own
    pads_with_zeros = True
    policy = "keys of {reduction} x {reduction} places at every resolution"

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, reduction: int = 1) -> None:
        super().__init__()
        self.dim, self.heads, self.reduction = dim, heads, reduction
        self.to_q, self.to_kv, self.to_out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        if reduction > 1:
            self.to_coarse, self.norm = nn.Conv2d(dim, dim, reduction, reduction), nn.LayerNorm(dim, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q = self.to_q(x).view(b, y * x_, self.heads, -1).transpose(1, 2)  # b h n e
        k, v = self.to_kv(self.coarse(x)).view(b, -1, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)  # b h m e
        out = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(out.transpose(1, 2).reshape(b, y, x_, d))

    def coarse(self, x: Tensor) -> Tensor:
        """`b y x d` -> `b y/r x/r d`: r x r places become one; where they reach beyond the grid, zeros."""
        r = self.reduction
        if r == 1:
            return x
        x = F.pad(x, (0, 0, 0, -x.shape[2] % r, 0, -x.shape[1] % r))
        return self.norm(self.to_coarse(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))

    def macs(self, grid: Grid) -> int:
        m, area = grid.reduced(self.reduction).n, self.reduction**2
        coarse = m * area * self.dim**2 if area > 1 else 0
        return 2 * (grid.n + m) * self.dim**2 + coarse + 2 * grid.n * m * self.dim


class Embedding(Piece):
    """Between stages: each 2 x 2 tokens become one by a linear projection, then layer norm (section 3.2)."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.dim, self.out = dim, out
        self.to_out, self.norm = nn.Conv2d(dim, out, 2, 2), nn.LayerNorm(out, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        return self.norm(self.to_out(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # b y/2 x/2 d

    def grid(self, grid: Grid) -> Grid:
        return grid.reduced(2)

    def macs(self, grid: Grid) -> int:
        return grid.reduced(2).n * 4 * self.dim * self.out


RECIPE = Recipe(
    mixers=(part(SpatialReduction, reduction=2),),
    early=tuple(part(SpatialReduction, reduction=r) for r in (8, 4, 2, 1)),
    layout=replace(
        PYRAMID,
        stem=part(Patches, patch=4, norm=True, eps=1e-6),
        widths=(64, 128, 320, 512),
        depths=(2, 2, 2, 2),
        block=part(Transformer),
        downsample=part(Embedding),
        ratios=(8.0, 8.0, 4.0, 4.0),
        places=True,
        head_width=64,
    ),
    place=part(Learned),
)

PUBLISHED = {"PVT-Tiny": replace(RECIPE, layout=replace(RECIPE.layout, heads=(1, 2, 5, 8)))}  # table 1
