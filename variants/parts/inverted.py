"""Inverted bottlenecks: wide inside, depthwise there; and the stem, block and head that EfficientViT makes of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.block import MakeMixer
from variants.parts.norm import BatchNorm2d
from variants.parts.piece import Piece, out_size


class Inverted(Piece):
    """1 x 1 convolution to `inner` channels, 3 x 3 depthwise, 1 x 1 to `out` (1801.04381, section 3.3), hard swish.

    Batch norm after each, or after the last alone (`norms` False): the others have biases then. Where `inner` is 0 the
    first convolution is left out: a depthwise separable one remains. `residual`: the input is added.
    """

    def __init__(
        self, dim: int, inner: int, out: int, stride: int = 1, norms: bool = True, residual: bool = True
    ) -> None:
        super().__init__()
        self.dim, self.inner, self.out, self.stride, self.residual = dim, inner, out, stride, residual
        middle = inner or dim
        steps = normed(nn.Conv2d(dim, inner, 1, bias=not norms), norms) if inner else []
        steps += normed(nn.Conv2d(middle, middle, 3, stride, 1, groups=middle, bias=not norms), norms)
        self.layers = nn.Sequential(*steps, nn.Conv2d(middle, out, 1, bias=False), BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # b y x d
        return x + out if self.residual else out

    def grid(self, grid: Grid) -> Grid:
        return out_size(grid, 3, self.stride, 1)

    def macs(self, grid: Grid) -> int:
        middle = self.inner or self.dim
        return grid.n * self.dim * self.inner + self.grid(grid).n * (9 * middle + middle * self.out)


def normed(conv: nn.Conv2d, norm: bool) -> list[nn.Module]:
    """The convolution, batch norm after it if asked for, and hard swish."""
    return [conv, *([BatchNorm2d(conv.out_channels)] if norm else []), nn.Hardswish()]


class InvertedStem(Piece):
    """A 3 x 3 convolution of stride 2, then three stages of inverted bottlenecks, until the image is reduced 16 times.

    Widths double from stage to stage. `depths`: blocks of the first three widths, those that halve the grid among them
    (2205.14756, section 3.2).
    """

    policy = "convolutions that reduce the image 16 times at every resolution"

    def __init__(self, dim: int, depths: tuple[int, int, int] = (1, 2, 3), ratio: int = 4) -> None:
        super().__init__()
        first, second, third = dim // 8, dim // 4, dim // 2
        self.first = first
        self.conv = nn.Sequential(*normed(nn.Conv2d(3, first, 3, 2, 1, bias=False), True))
        blocks = [Inverted(first, 0, first) for _ in range(depths[0])]
        for before, after, depth in ((first, second, depths[1]), (second, third, depths[2])):
            blocks.append(Inverted(before, ratio * before, after, 2, residual=False))
            blocks += [Inverted(after, ratio * after, after) for _ in range(depth - 1)]
        self.blocks = nn.Sequential(*blocks, Inverted(third, ratio * third, dim, 2, norms=False, residual=False))

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        return self.blocks(self.conv(images).permute(0, 2, 3, 1))  # b y x d

    def grid(self, grid: Grid) -> Grid:
        return grid.reduced(16)

    def macs(self, grid: Grid) -> int:
        grid = out_size(grid, 3, 2, 1)
        total = grid.n * 27 * self.first
        for block in self.blocks:
            total += block.macs(grid)  # type: ignore[operator]  # a Piece
            grid = block.grid(grid)  # type: ignore[operator]
        return total


class InvertedBlock(Piece):
    """x + mix(x), then an inverted bottleneck with `inner` channels; no norm before either (2205.14756, figure 5)."""

    def __init__(self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer) -> None:
        assert dim == out and stride == 1, "this block changes neither width nor grid"
        super().__init__()
        self.mix, self.near = mixer(dim, grid), Inverted(dim, inner, dim, norms=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.near(x + self.mix(x))

    def macs(self, grid: Grid) -> int:
        return self.mix.macs(grid) + self.near.macs(grid)


class Halve(Inverted):
    """An inverted bottleneck of stride 2 between stages."""

    def __init__(self, dim: int, out: int, ratio: int = 4) -> None:
        super().__init__(dim, ratio * dim, out, 2, norms=False, residual=False)


class WideMean(nn.Module):
    """Classification: a linear layer to many channels, the mean over all positions, and two layers more.

    `wide` and `hidden`: their channels over those of the last stage.
    """

    def __init__(self, widths: tuple[int, ...], classes: int, wide: float = 6.0, hidden: float = 6.25) -> None:
        super().__init__()
        self.dim, self.classes = widths[-1], classes
        self.wide, self.hidden = round(self.dim * wide), round(self.dim * hidden)
        self.to_wide, self.wide_norm = nn.Linear(self.dim, self.wide, bias=False), BatchNorm2d(self.wide)
        self.to_hidden, self.norm = nn.Linear(self.wide, self.hidden, bias=False), nn.LayerNorm(self.hidden)
        self.to_logits = nn.Linear(self.hidden, classes)

    def forward(self, features: list[Tensor], size: Grid) -> Tensor:
        """-> `b classes`."""
        x = self.wide_norm(self.to_wide(features[-1]).permute(0, 3, 1, 2))  # b wide y x
        x = self.to_hidden(F.hardswish(x).mean((2, 3)))  # b hidden
        return self.to_logits(F.hardswish(self.norm(x)))

    def macs(self, grids: list[Grid], size: Grid) -> int:
        return grids[-1].n * self.dim * self.wide + self.wide * self.hidden + self.hidden * self.classes
