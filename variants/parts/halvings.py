"""Halvings: a stem of 3 x 3 convolutions that halve the image one after another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.norm import BatchNorm2d
from variants.parts.piece import Piece, out_size
from variants.parts.stem import halvings


class Halvings(Piece):
    """Four 3 x 3 convolutions of stride 2 with batch norm, GELU between them (2106.09681, section 3.3).

    Their widths double: an eighth, a quarter, a half and all of the tokens' channels. A smaller reduction leaves out
    the first ones.
    """

    policy = "convolutions that reduce the image {reduction} times at every resolution"

    def __init__(self, dim: int, reduction: int = 16) -> None:
        super().__init__()
        self.reduction = reduction
        self.widths = [3, *(dim >> i for i in reversed(range(reduction.bit_length() - 1)))]
        steps: list[nn.Module] = []
        for before, after in zip(self.widths, self.widths[1:], strict=False):
            steps += [nn.Conv2d(before, after, 3, 2, 1, bias=False), BatchNorm2d(after), nn.GELU()]
        self.layers = nn.Sequential(*steps[:-1])

    @classmethod
    def finer(cls, patch: int, /, **options: Any) -> dict[str, Any]:
        return options | {"reduction": halvings(patch)}

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        return self.layers(images).permute(0, 2, 3, 1)  # b y x d

    def grid(self, grid: Grid) -> Grid:
        return grid.reduced(self.reduction)

    def macs(self, grid: Grid) -> int:
        total = 0
        for before, after in zip(self.widths, self.widths[1:], strict=False):
            grid = out_size(grid, 3, 2, 1)
            total += grid.n * 9 * before * after
        return total
