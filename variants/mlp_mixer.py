"""MLP-Mixer: an MLP over the places, the same for every channel, mixes tokens without attention.

    out = W₂ gelu(W₁ x + b₁) + b₂          W₁: m x n, W₂: n x m, over places; m = d / 2

W₁, W₂ and b₂ have a column or row for each place. They are built for the grid of each resolution, so they grow with
it; on another grid they are interpolated, and W₁ is scaled, so that a sum over places keeps its size.

Paper    MLP-Mixer: An all-MLP Architecture for Vision, Tolstikhin et al. 2021 (2105.01601).
Time     2 n m d: linear in n, because m is not tied to n.
Memory   n d, and 2 n m parameters.
Departs  nothing at the grid that it is built for; the paper does not say how to go to another.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.over_grid import OverGrid
from variants.recipe import ISOTROPIC, Recipe, part


class TokenMLP(Mixer):
    """The token-mixing MLP, its hidden width `share` of the channels."""

    card = Card("MLP-Mixer", paper="2105.01601", year=2021, time="n m d", memory="n (d + m)")
    policy = "the weights over places are made for each resolution, and interpolated to others"
    fixed_heads = 0  # all channels share the weights

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, share: float = 0.5) -> None:
        super().__init__()
        self.dim, self.hidden = dim, max(1, int(dim * share))
        self.to_hidden = OverGrid(self.hidden, grid, grid.n**-0.5, summed=True)
        self.hidden_bias = nn.Parameter(torch.zeros(self.hidden))
        self.to_places = OverGrid(self.hidden, grid, self.hidden**-0.5)
        self.place_bias = OverGrid(1, grid, 0)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        grid, channels = Grid(y, x_), x.reshape(b, y * x_, d).mT  # b d n
        hidden = F.gelu(F.linear(channels, self.to_hidden.on(grid), self.hidden_bias))  # b d m
        out = F.linear(hidden, self.to_places.on(grid).mT, self.place_bias.on(grid)[0])  # b d n
        return out.mT.reshape(b, y, x_, d)

    def macs(self, grid: Grid) -> int:
        return 2 * grid.n * self.hidden * self.dim


RECIPE = Recipe(mixers=(part(TokenMLP),), layout=ISOTROPIC)
