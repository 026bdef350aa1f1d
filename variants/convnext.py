"""ConvNeXt: a network of large depthwise convolutions, given everything about a transformer but its attention.

    x + γ · W₂ gelu(W₁ norm(z)),  z_i = Σ_o w_o · x_{i+o}     o over the side² offsets of a centred square

Each channel has its own weights w_o, the same ones everywhere; channels meet only in the MLP.

Paper    A ConvNet for the 2020s, Liu et al. 2022 (2201.03545).
Time     side² n d for the mixing; the MLP has 8 n d².
Memory   n d.
Departs  no stochastic depth.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.block import MakeMixer
from variants.parts.downsample import Reduce
from variants.parts.head import Mean
from variants.parts.neighbourhood import centred_side
from variants.parts.piece import Piece
from variants.parts.stem import Patches
from variants.recipe import PYRAMID, Recipe, part


class Depthwise(Mixer):
    """A convolution of side x side places in which every channel is by itself; side is odd."""

    card = Card("ConvNeXt", paper="2201.03545", year=2022, time="side² n d", memory="n d")

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, side: int = 7) -> None:
        super().__init__()
        self.dim, self.side = dim, centred_side(side)
        self.conv = nn.Conv2d(dim, dim, side, padding=side // 2, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # b y x d

    def macs(self, grid: Grid) -> int:
        return grid.n * self.side**2 * self.dim


class MixThenMLP(Piece):
    """x + γ · mlp(norm(mix(x))): one norm and one activation a block, γ learned for each channel (section 2.4)."""

    def __init__(self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer) -> None:
        assert dim == out and stride == 1, "this block changes neither width nor grid"
        super().__init__()
        self.dim, self.inner = dim, inner
        self.mix, self.norm = mixer(dim, grid), nn.LayerNorm(dim, 1e-6)
        self.to_inner, self.to_out = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.scale = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.to_out(F.gelu(self.to_inner(self.norm(self.mix(x)))))

    def macs(self, grid: Grid) -> int:
        return self.mix.macs(grid) + 2 * grid.n * self.dim * self.inner


RECIPE = Recipe(
    mixers=(part(Depthwise),),
    layout=replace(
        PYRAMID,
        stem=part(Patches, patch=4, norm=True, eps=1e-6),
        depths=(3, 3, 9, 3),
        block=part(MixThenMLP),
        downsample=part(Reduce),
    ),
    head=part(Mean, norm="after"),
)

PUBLISHED = {"ConvNeXt-T": RECIPE}  # section 2.2: 96 channels, 3 3 9 3 blocks
