"""Fourier features of the place, projected to the tokens' channels: an absolute position that fits any grid."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.place import Nowhere


class Fourier(Nowhere):
    """Sines and cosines of the row and of the column as shares of the grid's sides, then one linear layer (2106.09681).

    `features` of each axis; their frequencies fall geometrically from 1 to 1/10000 turns a side.
    """

    name = "fourier"

    def __init__(self, dim: int, grid: Grid, features: int = 32) -> None:
        super().__init__(dim, grid)
        self.dim, self.features = dim, features
        self.to_tokens = nn.Linear(2 * features, dim)
        frequency = 2 * pi * 10000 ** -(torch.arange(0, features, 2) / features)
        self.register_buffer("frequency", frequency, persistent=False)
        self.frequency: Tensor

    def forward(self, x: Tensor) -> Tensor:
        _, y, x_, _ = x.shape
        rows, columns = self._waves(y), self._waves(x_)
        shape = (y, x_, self.features)
        waves = torch.cat([rows[:, None].expand(shape), columns.expand(shape)], -1)  # y x 2features
        return x + self.to_tokens(waves.to(self.to_tokens.weight.dtype))

    def _waves(self, side: int) -> Tensor:
        """`side features`: sines and cosines in turn, places counted from 1 to the side's end."""
        places = torch.arange(1, side + 1, device=self.frequency.device) / (side + 1e-6)
        angles = places[:, None] * self.frequency
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)

    def macs(self, grid: Grid) -> int:
        return grid.n * 2 * self.features * self.dim
