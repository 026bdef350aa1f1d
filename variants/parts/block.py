"""Blocks: a mixer and what stands around it, in a transformer and in a residual network."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid, Mixer
from variants.parts.norm import BatchNorm2d
from variants.parts.piece import Piece, out_size

MakeMixer = Callable[[int, Grid], Mixer]
"""Makes the mixer for so many channels on such a grid."""


class Transformer(Piece):
    """x + mix(norm(x)), then x + mlp(norm(x)); the MLP has `inner` hidden channels and GELU (2010.11929, 3.1)."""

    def __init__(
        self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer, eps: float = 1e-6
    ) -> None:
        assert dim == out and stride == 1, "a transformer block changes neither width nor grid"
        super().__init__()
        self.dim, self.inner = dim, inner
        self.mix_norm, self.mix = nn.LayerNorm(dim, eps), mixer(dim, grid)
        self.mlp_norm = nn.LayerNorm(dim, eps)
        self.to_inner, self.to_out = nn.Linear(dim, inner), nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(self.mix_norm(x))
        return x + self.to_out(F.gelu(self.to_inner(self.mlp_norm(x))))

    def macs(self, grid: Grid) -> int:
        return self.mix.macs(grid) + 2 * grid.n * self.dim * self.inner


class Bottleneck(Piece):
    """1 x 1 convolution to `inner` channels, the mixer in place of the 3 x 3 convolution, 1 x 1 back, and a shortcut.

    Batch norm after each, ReLU between (1512.03385, figure 5). A mixer that cannot stride itself is followed by 2 x 2
    mean pooling where the block has stride 2 (1906.05909, section 3.3). A mixer may widen: to `mix.out` channels.
    """

    mixes_inner: ClassVar[bool] = True  # the mixer has the inner width, not the stage's

    def __init__(
        self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer, mix_norm: bool = True
    ) -> None:
        """`mix_norm`: whether batch norm follows the mixer, which may bring its own."""
        super().__init__()
        self.dim, self.out, self.inner, self.stride = dim, out, inner, stride
        self.to_inner, self.in_norm = nn.Conv2d(dim, inner, 1, bias=False), BatchNorm2d(inner)
        self.mix = mixer(inner, grid)
        self.mixed = int(getattr(self.mix, "out", inner))
        self.mix_norm = BatchNorm2d(self.mixed) if mix_norm else nn.Identity()
        self.strides_itself = hasattr(self.mix, "stride")
        if self.strides_itself:
            self.mix.stride = stride  # type: ignore[assignment]  # a mixer with a stride states it as a number
        self.to_out, self.out_norm = nn.Conv2d(self.mixed, out, 1, bias=False), BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if dim != out or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(dim, out, 1, stride, bias=False), BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)  # b d y x, channels last in memory
        z = F.relu(self.in_norm(self.to_inner(x)))
        z = self.mix(z.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.stride > 1 and not self.strides_itself:
            z = F.avg_pool2d(z, self.stride, ceil_mode=True)
        z = self.out_norm(self.to_out(F.relu(self.mix_norm(z))))
        return F.relu(z + self.shortcut(x)).permute(0, 2, 3, 1)  # b y x d

    def grid(self, grid: Grid) -> Grid:
        return out_size(grid, 1, self.stride, 0)

    def macs(self, grid: Grid) -> int:
        after = self.grid(grid).n
        shortcut = 0 if isinstance(self.shortcut, nn.Identity) else after * self.dim * self.out
        return grid.n * self.dim * self.inner + self.mix.macs(grid) + after * self.mixed * self.out + shortcut
