"""Stems: from an image `b 3 Y X` to tokens `b y x d`. What does not divide is padded with zeros, never cropped.

A stem that does no more than make tokens says how to make finer ones: `finer(patch, **options)` gives the options of
the same stem with tokens of at most `patch` pixels. A stem that does not say it stays as it is.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.norm import BatchNorm2d
from variants.parts.piece import Piece, out_size


def padded(images: Tensor, step: int) -> Tensor:
    """`b 3 Y X`, padded at the bottom and right until `step` divides both sides."""
    return F.pad(images, (0, -images.shape[3] % step, 0, -images.shape[2] % step))


def halvings(patch: int) -> int:
    """The largest power of two, and at least 2, that is no more than `patch`."""
    return max(2, 1 << (patch.bit_length() - 1))


class Patches(Piece):
    """Patches of `patch` x `patch` pixels, one linear projection each (2010.11929, section 3.1)."""

    policy = "patches of {patch} px at every resolution"

    def __init__(self, dim: int, patch: int = 16, norm: bool = False, eps: float = 1e-5) -> None:
        super().__init__()
        self.dim, self.patch = dim, patch
        self.to_tokens = nn.Linear(3 * patch * patch, dim)
        self.norm = nn.LayerNorm(dim, eps) if norm else nn.Identity()

    @classmethod
    def finer(cls, patch: int, /, **options: Any) -> dict[str, Any]:
        return options | {"patch": patch}

    def forward(self, images: Tensor) -> Tensor:
        p, images = self.patch, padded(images, self.patch)
        b, _, Y, X = images.shape
        patches = images.view(b, 3, Y // p, p, X // p, p).permute(0, 2, 4, 1, 3, 5)  # b y x 3 p p
        tokens: Tensor = self.norm(self.to_tokens(patches.reshape(b, Y // p, X // p, 3 * p * p)))
        return tokens

    def grid(self, grid: Grid) -> Grid:
        return grid.reduced(self.patch)

    def macs(self, grid: Grid) -> int:
        return self.grid(grid).n * 3 * self.patch**2 * self.dim


class Reduced(Patches):
    """The image made smaller by interpolation first, then patches."""

    policy = "the image is reduced {factor} times, then patches of {patch} px, at every resolution"

    def __init__(self, dim: int, factor: int = 8, patch: int = 2) -> None:
        super().__init__(dim, patch)
        self.factor = factor

    @classmethod
    def finer(cls, patch: int, /, **options: Any) -> dict[str, Any]:
        within = min(options.get("patch", 2), patch)
        return options | {"patch": within, "factor": patch // within}

    def forward(self, images: Tensor) -> Tensor:
        images = padded(images, self.factor)
        Y, X = images.shape[2] // self.factor, images.shape[3] // self.factor
        return super().forward(F.interpolate(images, (Y, X), mode="bilinear", antialias=True))

    def grid(self, grid: Grid) -> Grid:
        return super().grid(grid.reduced(self.factor))


class Convolutions(Piece):
    """3 x 3 convolutions of stride 2, each with batch norm and ReLU, then one of 1 x 1 (2106.14881, section 4)."""

    policy = "convolutions that reduce the image {reduction} times at every resolution"

    def __init__(self, dim: int, shares: tuple[float, ...] = (1 / 8, 1 / 4, 1 / 2, 1), reduction: int = 16) -> None:
        """`shares` are the widths of the last convolutions over `dim`; there is one for each halving."""
        super().__init__()
        shares = shares[-(reduction.bit_length() - 1) :]
        widths = [3, *(max(8, 8 * round(dim * share / 8)) for share in shares)]
        steps: list[nn.Module] = []
        for before, after in pairwise(widths):
            steps += [nn.Conv2d(before, after, 3, 2, 1, bias=False), BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*steps, nn.Conv2d(widths[-1], dim, 1))
        self.widths, self.dim = widths, dim

    @classmethod
    def finer(cls, patch: int, /, **options: Any) -> dict[str, Any]:
        return options | {"reduction": halvings(patch)}

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        return self.layers(images).permute(0, 2, 3, 1)  # b y x d

    def grid(self, grid: Grid) -> Grid:
        for _ in self.widths[1:]:
            grid = out_size(grid, 3, 2, 1)
        return grid

    def macs(self, grid: Grid) -> int:
        total = 0
        for before, after in pairwise(self.widths):
            grid = out_size(grid, 3, 2, 1)
            total += grid.n * 9 * before * after
        return total + grid.n * self.widths[-1] * self.dim


class ResNetStem(Piece):
    """One 7 x 7 convolution of stride 2, batch norm, ReLU, 3 x 3 max pooling of stride 2 (1512.03385, table 1)."""

    policy = "the stem reduces the image 4 times at every resolution"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.conv = nn.Conv2d(3, dim, 7, 2, 3, bias=False)
        self.norm = BatchNorm2d(dim)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(images.contiguous(memory_format=torch.channels_last))))
        return F.max_pool2d(x, 3, 2, 1).permute(0, 2, 3, 1)  # b y x d

    def grid(self, grid: Grid) -> Grid:
        return out_size(out_size(grid, 7, 2, 3), 3, 2, 1)

    def macs(self, grid: Grid) -> int:
        return out_size(grid, 7, 2, 3).n * 3 * 49 * self.dim
