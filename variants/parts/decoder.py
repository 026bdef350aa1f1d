"""Decoders: from features, `b y x d` each, to a class for every pixel of the images. What all of them share; Linear.

The features are those of all stages. Of a backbone with one stage they are those after several of its blocks, where a
decoder names them in `taps`: as shares of the stage's depth. A decoder with auxiliary heads answers as
`variants.contract.Network` says; its `macs` are those of inference, without them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.norm import BatchNorm2d

Answer = Tensor | tuple[Tensor, ...]


class Convolved(nn.Module):
    """A convolution that keeps the grid, batch norm and ReLU: `b d y x` -> `b out y x`."""

    def __init__(self, dim: int, out: int, side: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(dim, out, side, padding=side // 2, bias=False), BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))

    def macs(self, grid: Grid) -> int:
        """Multiply-adds for one image, exact."""
        return grid.n * self.conv.weight.numel()


class Pixels(nn.Module):
    """The class of each place: one linear layer on `b d y x`, then the size of the images, `b classes Y X`."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.to_logits = nn.Linear(dim, classes)

    def forward(self, x: Tensor, size: Grid) -> Tensor:
        logits = self.to_logits(x.permute(0, 2, 3, 1))  # b y x classes
        return resized(logits.permute(0, 3, 1, 2), size)

    def macs(self, grid: Grid) -> int:
        """Multiply-adds for one image, exact."""
        return grid.n * self.to_logits.weight.numel()


class Linear(nn.Module):
    """Every stage projected linearly, brought to the finest grid and added, then one linear layer.

    With the one stage of an isotropic transformer this is a linear head on each token.
    """

    def __init__(self, widths: tuple[int, ...], classes: int, width: int = 128) -> None:
        super().__init__()
        self.widths, self.classes, self.width = widths, classes, width
        self.norms = nn.ModuleList(nn.LayerNorm(w, 1e-6) for w in widths)
        self.to_width = nn.ModuleList(nn.Linear(w, width) for w in widths)
        self.to_logits = nn.Linear(width, classes)

    def forward(self, features: list[Tensor], size: Grid) -> Tensor:
        """-> `b classes Y X`, at the size of the images."""
        finest = grid_of(features[0].permute(0, 3, 1, 2))
        total = None
        for norm, to_width, x in zip(self.norms, self.to_width, features, strict=True):
            x = resized(to_width(norm(x)).permute(0, 3, 1, 2), finest)  # b width y x
            total = x if total is None else total + x
        assert total is not None, "a backbone has at least one stage"
        logits = self.to_logits(F.gelu(total).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # b classes y x
        return resized(logits, size)

    def macs(self, grids: list[Grid], size: Grid) -> int:
        stages = sum(g.n * w * self.width for g, w in zip(grids, self.widths, strict=True))
        return stages + grids[0].n * self.width * self.classes


def macs_of(parts: nn.ModuleList, grids: Sequence[Grid]) -> int:
    """Multiply-adds of convolutions, each on a grid of its own."""
    return sum(part.macs(grid) for part, grid in zip(parts, grids, strict=True))  # type: ignore[operator]


def grid_of(x: Tensor) -> Grid:
    """The rows and columns of `b d y x`."""
    return Grid(x.shape[2], x.shape[3])


def resized(x: Tensor, grid: Grid) -> Tensor:
    """`b d y x` on another grid, bilinear."""
    return x if grid_of(x) == grid else F.interpolate(x, (grid.y, grid.x), mode="bilinear", align_corners=False)
