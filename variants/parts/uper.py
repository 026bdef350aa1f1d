"""UPerNet: pyramid pooling of the coarsest feature and a feature pyramid over all of them (1807.10221, section 3.2)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.decoder import Answer, Convolved, Pixels, grid_of, macs_of, resized

POOLS = (1, 2, 3, 6)  # sides of the grids to which pyramid pooling takes the mean (1612.01105, section 3.2)


class UPer(nn.Module):
    """Every feature in `width` channels, added from the coarsest down; all of them on the finest grid, side by side.

    The features of an isotropic backbone, which share one grid, are first resized to a 4th, 8th, 16th and 32nd of the
    images, as is usual for transformers without stages. One auxiliary head decodes the last feature but one.
    """

    taps: ClassVar[tuple[float, ...]] = (1 / 4, 1 / 2, 3 / 4, 1.0)

    def __init__(self, widths: tuple[int, ...], classes: int, width: int = 512) -> None:
        super().__init__()
        *finer, last = widths
        self.norms = nn.ModuleList(nn.LayerNorm(w) for w in widths)
        self.pooled = nn.ModuleList(Convolved(last, width, 1) for _ in POOLS)
        self.coarsest = Convolved(last + len(POOLS) * width, width, 3)
        self.to_width = nn.ModuleList(Convolved(w, width, 1) for w in finer)
        self.smooth = nn.ModuleList(Convolved(width, width, 3) for _ in finer)
        self.fused = Convolved(len(widths) * width, width, 3)
        self.pixels = Pixels(width, classes)
        self.auxiliary = Auxiliary(widths[-2], classes, width // 2)

    def forward(self, features: list[Tensor], size: Grid) -> Answer:
        """-> `b classes Y X`, at the size of the images; in training those of the auxiliary head too."""
        grids = levels([Grid(*x.shape[1:3]) for x in features], size)
        normed = (norm(x).permute(0, 3, 1, 2) for norm, x in zip(self.norms, features, strict=True))
        *finer, last = (scaled(x, grid) for x, grid in zip(normed, grids, strict=True))  # b d y x
        above = self.coarsest(torch.cat([last, *self.pools(last)], 1))  # b width y x
        pyramid = [above]
        for to_width, smooth, x in reversed(list(zip(self.to_width, self.smooth, finer, strict=True))):
            above = to_width(x) + resized(above, grid_of(x))
            pyramid.insert(0, smooth(above))
        fused = self.fused(torch.cat([resized(x, grids[0]) for x in pyramid], 1))
        logits: Tensor = self.pixels(fused, size)
        return (logits, self.auxiliary(finer[-1], size)) if self.training else logits

    def pools(self, x: Tensor) -> list[Tensor]:
        """`b d y x` -> `b width y x` for each side of POOLS: what the mean over each of its regions says."""
        means = (F.adaptive_avg_pool2d(x, side) for side in POOLS)
        return [resized(to_width(mean), grid_of(x)) for to_width, mean in zip(self.pooled, means, strict=True)]

    def macs(self, grids: list[Grid], size: Grid) -> int:
        *finer, last = levels(grids, size)
        pooled = macs_of(self.pooled, [Grid(side, side) for side in POOLS])
        pyramid = macs_of(self.to_width, finer) + self.coarsest.macs(last) + macs_of(self.smooth, finer)
        return pooled + pyramid + self.fused.macs(finer[0]) + self.pixels.macs(finer[0])


class Auxiliary(nn.Module):
    """A 3 x 3 convolution to `width` channels, then a class for each place."""

    def __init__(self, dim: int, classes: int, width: int) -> None:
        super().__init__()
        self.conv, self.pixels = Convolved(dim, width, 3), Pixels(width, classes)

    def forward(self, x: Tensor, size: Grid) -> Tensor:
        """`b d y x` -> `b classes Y X`."""
        return self.pixels(self.conv(x), size)


def levels(grids: list[Grid], size: Grid) -> list[Grid]:
    """The grids as they are, or a 4th, 8th, 16th ... of the images where all are the same."""
    return [size.reduced(4 * 2**i) for i in range(len(grids))] if len(set(grids)) == 1 else grids


def scaled(x: Tensor, grid: Grid) -> Tensor:
    """`b d y x` on another grid: the mean where it is coarser, bilinear where it is finer."""
    return F.adaptive_avg_pool2d(x, (grid.y, grid.x)) if grid.n < grid_of(x).n else resized(x, grid)
