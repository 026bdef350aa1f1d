"""A transformer block with a third step between its two: each token meets its neighbours by convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.block import MakeMixer
from variants.parts.norm import BatchNorm2d
from variants.parts.piece import Piece


class NearTransformer(Piece):
    """x + mix(norm(x)), x + near(norm(x)), x + mlp(norm(x)), what is added scaled by channel (2106.09681, section 3.3).

    `near`: two depthwise 3 x 3 convolutions, GELU and batch norm between ("local patch interaction"). `scale`: what
    the scales begin with (LayerScale, 2103.17239).
    """

    def __init__(
        self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer, eps: float = 1e-6,
        scale: float = 1.0,
    ) -> None:  # fmt: skip
        assert dim == out and stride == 1, "a transformer block changes neither width nor grid"
        super().__init__()
        self.dim, self.inner = dim, inner
        self.mix_norm, self.near_norm, self.mlp_norm = (nn.LayerNorm(dim, eps) for _ in range(3))
        self.mix_scale, self.near_scale, self.mlp_scale = (nn.Parameter(torch.full((dim,), scale)) for _ in range(3))
        self.mix = mixer(dim, grid)
        first, second = (nn.Conv2d(dim, dim, 3, padding=1, groups=dim) for _ in range(2))
        self.near = nn.Sequential(first, nn.GELU(), BatchNorm2d(dim), second)
        self.to_inner, self.to_out = nn.Linear(dim, inner), nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix_scale * self.mix(self.mix_norm(x))
        x = x + self.near_scale * self.near(self.near_norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.mlp_scale * self.to_out(F.gelu(self.to_inner(self.mlp_norm(x))))

    def macs(self, grid: Grid) -> int:
        return self.mix.macs(grid) + grid.n * self.dim * (2 * 9 + 2 * self.inner)
