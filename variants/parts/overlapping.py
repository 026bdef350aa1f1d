"""Tokens made and merged by 3 x 3 convolutions of stride 2, which overlap (2204.07143, section 3.3)."""

from __future__ import annotations

from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.piece import Piece, out_size


class Overlapping(Piece):
    """Between the stages of a pyramid: one convolution without bias, then layer norm."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.dim, self.out = dim, out
        self.conv, self.norm = nn.Conv2d(dim, out, 3, 2, 1, bias=False), nn.LayerNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # b y/2 x/2 d

    def grid(self, grid: Grid) -> Grid:
        return out_size(grid, 3, 2, 1)

    def macs(self, grid: Grid) -> int:
        return self.grid(grid).n * 9 * self.dim * self.out


class Tokenizer(Piece):
    """A stem: one convolution to half of the channels, one to all, then layer norm."""

    policy = "overlapping convolutions that reduce the image 4 times at every resolution"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.inner = dim, dim // 2
        self.to_inner, self.to_tokens = nn.Conv2d(3, self.inner, 3, 2, 1), nn.Conv2d(self.inner, dim, 3, 2, 1)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.to_tokens(self.to_inner(images)).permute(0, 2, 3, 1))  # b y x d

    def grid(self, grid: Grid) -> Grid:
        return out_size(out_size(grid, 3, 2, 1), 3, 2, 1)

    def macs(self, grid: Grid) -> int:
        return out_size(grid, 3, 2, 1).n * 9 * 3 * self.inner + self.grid(grid).n * 9 * self.inner * self.dim
