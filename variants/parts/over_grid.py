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
        self.table = nn.Parameter(torch.randn(rows, grid.y, grid.x) * deviation)

    def on(self, grid: Grid) -> Tensor:
        """The weights on a grid, `rows n`."""
        table: Tensor = self.table
        y, x = table.shape[1:]
        if (y, x) != (grid.y, grid.x):
            table = F.interpolate(table[None], (grid.y, grid.x), mode="bilinear", antialias=True)[0]
            table = table * (y * x / grid.n) if self.summed else table
        return table.flatten(1)
