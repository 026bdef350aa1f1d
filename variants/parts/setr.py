"""The decoders of SETR (2012.15840, section 3.3): Naive, PUP and MLA, each with auxiliary heads.

The features of an isotropic backbone are those after some of its blocks, as the authors chose them for the 24 of
ViT-L. Of a pyramid, Naive and PUP decode the last stage, and MLA aggregates all of them.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.decoder import Answer, Convolved, Pixels, grid_of, macs_of, resized


class Upward(nn.Module):
    """Layer norm; `steps` convolutions, between which the grid doubles, but not beyond the images; a class each."""

    def __init__(self, dim: int, classes: int, width: int, side: int, steps: int) -> None:
        """`side`: of the convolutions, which have `width` channels."""
        super().__init__()
        self.norm = nn.LayerNorm(dim, 1e-6)
        self.steps = nn.ModuleList(Convolved(width if i else dim, width, side) for i in range(steps))
        self.pixels = Pixels(width, classes)

    def forward(self, x: Tensor, size: Grid) -> Tensor:
        """`b y x d` -> `b classes Y X`."""
        x = self.norm(x).permute(0, 3, 1, 2)  # b d y x
        for i, step in enumerate(self.steps):
            x = step(resized(x, doubled(grid_of(x), size)) if i else x)
        return self.pixels(x, size)

    def macs(self, grid: Grid, size: Grid) -> int:
        """Multiply-adds for one image, exact."""
        total = 0
        for i, step in enumerate(self.steps):
            grid = doubled(grid, size) if i else grid
            total += step.macs(grid)  # type: ignore[operator]  # a Convolved
        return total + self.pixels.macs(grid)


class Naive(nn.Module):
    """A 1 x 1 convolution and a linear layer on each place of the last feature, enlarged at once."""

    taps: ClassVar[tuple[float, ...]] = (10 / 24, 15 / 24, 20 / 24, 1.0)
    side: ClassVar[int] = 1  # of the convolutions
    steps: ClassVar[int] = 1
    supervised: ClassVar[slice] = slice(-1)  # the features that an auxiliary head decodes too: all but the last

    def __init__(self, widths: tuple[int, ...], classes: int, width: int = 256) -> None:
        super().__init__()
        self.head = Upward(widths[-1], classes, width, self.side, self.steps)
        self.auxiliary = nn.ModuleList(Upward(w, classes, width, self.side, 1) for w in widths[self.supervised])

    def forward(self, features: list[Tensor], size: Grid) -> Answer:
        """-> `b classes Y X`, at the size of the images; in training one more for each auxiliary head."""
        logits: Tensor = self.head(features[-1], size)
        if not self.training:
            return logits
        return logits, *(h(x, size) for h, x in zip(self.auxiliary, features[self.supervised], strict=True))

    def macs(self, grids: list[Grid], size: Grid) -> int:
        return self.head.macs(grids[-1], size)


class PUP(Naive):
    """Progressive upsampling: four 3 x 3 convolutions, after each of which the grid doubles."""

    side, steps, supervised = 3, 4, slice(None)


class MLA(nn.Module):
    """Multi-level aggregation: each feature projected, added from the last one down, convolved, then all side by side.

    A stream has `width` channels, and half as many once its grid is a quarter of the images' (or as fine as it was,
    where that is finer). An auxiliary head is a linear layer on a stream.
    """

    taps: ClassVar[tuple[float, ...]] = (1 / 4, 1 / 2, 3 / 4, 1.0)

    def __init__(self, widths: tuple[int, ...], classes: int, width: int = 256) -> None:
        super().__init__()
        half = width // 2
        self.norms = nn.ModuleList(nn.LayerNorm(w, 1e-6) for w in widths)
        self.to_width = nn.ModuleList(Convolved(w, width, 1) for w in widths)
        self.mixed = nn.ModuleList(Convolved(width, width, 3) for _ in widths)
        self.first = nn.ModuleList(Convolved(width, half, 3) for _ in widths)
        self.second = nn.ModuleList(Convolved(half, half, 3) for _ in widths)
        self.pixels = Pixels(len(widths) * half, classes)
        self.auxiliary = nn.ModuleList(Pixels(width, classes) for _ in widths)

    def forward(self, features: list[Tensor], size: Grid) -> Answer:
        """-> `b classes Y X`, at the size of the images; in training one more for each auxiliary head."""
        parts = zip(self.norms, self.to_width, features, strict=True)
        streams = [to_width(norm(x).permute(0, 3, 1, 2)) for norm, to_width, x in parts]  # b width y x
        for i in reversed(range(len(streams) - 1)):
            streams[i] = streams[i] + resized(streams[i + 1], grid_of(streams[i]))
        streams = [mix(x) for mix, x in zip(self.mixed, streams, strict=True)]
        quarter = quarter_of(grid_of(streams[0]), size)
        halves = [second(first(x)) for first, second, x in zip(self.first, self.second, streams, strict=True)]
        logits: Tensor = self.pixels(torch.cat([resized(x, quarter) for x in halves], 1), size)
        if not self.training:
            return logits
        return logits, *(head(x, size) for head, x in zip(self.auxiliary, streams, strict=True))

    def macs(self, grids: list[Grid], size: Grid) -> int:
        streams = sum(macs_of(parts, grids) for parts in (self.to_width, self.mixed, self.first, self.second))
        return streams + self.pixels.macs(quarter_of(grids[0], size))


def doubled(grid: Grid, size: Grid) -> Grid:
    """Twice the grid, but no finer than `size`, unless it is that already."""
    return Grid(max(grid.y, min(2 * grid.y, size.y)), max(grid.x, min(2 * grid.x, size.x)))


def quarter_of(grid: Grid, size: Grid) -> Grid:
    """A quarter of the size, or the grid itself where it is finer."""
    return Grid(max(grid.y, size.reduced(4).y), max(grid.x, size.reduced(4).x))
