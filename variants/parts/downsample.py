"""Downsampling between the stages of a pyramid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.piece import Piece


class Merge(Piece):
    """Patch merging: each 2 x 2 tokens are concatenated, normalised and projected (2103.14030, section 3.1)."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.dim, self.out = dim, out
        self.norm = nn.LayerNorm(4 * dim)
        self.to_out = nn.Linear(4 * dim, out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]  # b y/2 x/2 d, four times, columns outermost
        return self.to_out(self.norm(torch.cat(corners, -1)))

    def grid(self, grid: Grid) -> Grid:
        return grid.reduced(2)

    def macs(self, grid: Grid) -> int:
        return grid.reduced(2).n * 4 * self.dim * self.out


class Reduce(Piece):
    """Layer norm, then a 2 x 2 convolution of stride 2 (2201.03545, section 2.6, "separate downsampling layers")."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.dim, self.out = dim, out
        self.norm = nn.LayerNorm(dim, 1e-6)
        self.to_out = nn.Conv2d(dim, out, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(self.norm(x), (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        return self.to_out(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # b y/2 x/2 d

    def grid(self, grid: Grid) -> Grid:
        return grid.reduced(2)

    def macs(self, grid: Grid) -> int:
        return grid.reduced(2).n * 4 * self.dim * self.out
