"""Weights that belong to places: a learned number for each place of a grid, interpolated on any other grid."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid


class OverGrid(nn.Module):
    """`rows` learned weights for each place of the grid that it is built for: it grows with the resolution.

    On another grid the weights are interpolated. Those that a sum over all places takes are scaled too, so that the
    sum neither grows nor shrinks with the number of places.
    """

    grows: ClassVar[bool] = True

    def __init__(self, rows: int, grid: Grid, deviation: float, summed: bool = False) -> None:
        super().__init__()
        self.summed = summed
        self.decays = rows > 1  # a matrix of weights; one row is the bias of each place
        self.table = nn.Parameter(torch.randn(rows, grid.y, grid.x) * deviation)

    def on(self, grid: Grid) -> Tensor:
        """The weights on a grid, `rows n`."""
        return self.stretched(self.table, (len(self.table), grid.y, grid.x)).flatten(1)

    def stretched(self, table: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`rows y x` of one grid, on another."""
        if table.shape == shape:
            return table
        scale = table[0].numel() / (shape[1] * shape[2]) if self.summed else 1.0
        return F.interpolate(table[None], shape[1:], mode="bilinear", antialias=True)[0] * scale
