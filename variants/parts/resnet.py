"""A residual network as a stem: group norm and standardised weights, as in BiT (1912.11370) and the hybrids of ViT."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.piece import Piece


class Standardised(nn.Conv2d):
    """A convolution whose filters have mean 0 and variance 1 (1903.10520), padded so that a stride of s leaves ⌈y/s⌉.

    Where the padding is odd, the greater part is at the bottom and the right.
    """

    def __init__(self, dim: int, out: int, side: int, stride: int = 1) -> None:
        super().__init__(dim, out, side, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * torch.rsqrt(variance + 1e-8)
        side, stride = self.kernel_size[0], self.stride[0]
        return F.conv2d(same(x, side, stride), weight, stride=stride)

    def macs(self, grid: Grid) -> int:
        """Multiply-adds where so many places go in."""
        return grid.reduced(self.stride[0]).n * self.weight.numel()


def same(x: Tensor, side: int, stride: int, value: float = 0.0) -> Tensor:
    """`b d y x`, padded for a kernel of side x side that is to leave ⌈y/stride⌉ rows and ⌈x/stride⌉ columns."""
    total = [max(side - (length % stride or stride), 0) for length in x.shape[2:]]
    return F.pad(x, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2), value=value)


def normed(dim: int) -> nn.GroupNorm:
    """Group norm of 32 groups, or of as many of them as divide the channels and hold two or more each."""
    return nn.GroupNorm(math.gcd(32, dim // 2), dim)


class Residual(Piece):
    """1 x 1, 3 x 3 and 1 x 1 convolutions and a shortcut, on `b d y x`."""

    def __init__(self, dim: int, out: int, stride: int) -> None:
        super().__init__()
        inner = out // 4
        self.to_inner, self.in_norm = Standardised(dim, inner, 1), normed(inner)
        self.conv, self.conv_norm = Standardised(inner, inner, 3, stride), normed(inner)
        self.to_out, self.out_norm = Standardised(inner, out, 1), normed(out)
        self.shortcut: nn.Module = nn.Identity()
        if dim != out or stride != 1:
            self.shortcut = nn.Sequential(Standardised(dim, out, 1, stride), normed(out))

    def forward(self, x: Tensor) -> Tensor:
        z = F.relu(self.in_norm(self.to_inner(x)))
        z = F.relu(self.conv_norm(self.conv(z)))
        return F.relu(self.out_norm(self.to_out(z)) + self.shortcut(x))

    def grid(self, grid: Grid) -> Grid:
        return grid.reduced(self.conv.stride[0])

    def macs(self, grid: Grid) -> int:
        at = ((m, grid) for m in self.modules() if isinstance(m, Standardised) and m is not self.to_out)
        return sum(m.macs(g) for m, g in at) + self.to_out.macs(self.grid(grid))


class ResNetFeatures(Piece):
    """The features of a residual network of `depths` blocks a stage, one token for each place (2010.11929, 3.1).

    Its first convolution has `share` times the transformer's channels; stages have 4, 8, 16, ... times as many.
    """

    policy = "tokens are features of a ResNet with {depths} blocks a stage, at every resolution"

    def __init__(self, dim: int, depths: tuple[int, ...] = (2, 2, 2, 2), share: float = 1 / 6) -> None:
        super().__init__()
        width = 8 * max(1, round(dim * share / 8))
        self.conv, self.norm = Standardised(3, width, 7, 2), normed(width)
        blocks, before = [], width
        for i, depth in enumerate(depths):
            for j in range(depth):
                blocks.append(Residual(before, 4 * width * 2**i, 2 if i and not j else 1))
                before = 4 * width * 2**i
        self.blocks = nn.ModuleList(blocks)
        self.to_tokens = nn.Linear(before, dim)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(images.contiguous(memory_format=torch.channels_last))))
        x = F.max_pool2d(same(x, 3, 2, -math.inf), 3, 2)
        for block in self.blocks:
            x = block(x)
        return self.to_tokens(x.permute(0, 2, 3, 1))  # b y x d

    def grid(self, grid: Grid) -> Grid:
        grid = grid.reduced(2).reduced(2)
        for block in self.blocks:
            grid = block.grid(grid)  # type: ignore[operator]  # a Residual
        return grid

    def macs(self, grid: Grid) -> int:
        total, at = self.conv.macs(grid), grid.reduced(2).reduced(2)
        for block in self.blocks:
            total, at = total + block.macs(at), block.grid(at)  # type: ignore[operator]  # a Residual
        return total + at.n * self.to_tokens.weight.numel()
