"""A gated block: the mixer works in a wider space, and a second branch decides how much of it comes back."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.block import MakeMixer
from variants.parts.piece import Piece


class Gated(Piece):
    """x + W (silu(gate) ∘ mix(value)), gate and value projected from norm(x) to `inner` channels each; no MLP."""

    mixes_inner: ClassVar[bool] = True

    def __init__(self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer) -> None:
        assert dim == out and stride == 1, "a gated block changes neither width nor grid"
        super().__init__()
        self.dim, self.inner = dim, inner
        self.norm, self.to_both = nn.LayerNorm(dim), nn.Linear(dim, 2 * inner)
        self.mix, self.to_out = mixer(inner, grid), nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.to_both(self.norm(x)).chunk(2, -1)  # b y x inner, twice
        return x + self.to_out(F.silu(gate) * self.mix(value))

    def macs(self, grid: Grid) -> int:
        return self.mix.macs(grid) + grid.n * 3 * self.dim * self.inner
