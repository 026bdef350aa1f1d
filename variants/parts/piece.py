"""Piece: whatever stands in a row of a backbone and can say what it costs."""

from __future__ import annotations

from torch import nn

from variants.contract import Grid


class Piece(nn.Module):
    """A module that maps `b y x d` to `b y x d`, perhaps on a coarser grid with other channels."""

    def grid(self, grid: Grid) -> Grid:
        """The grid that comes out where this one goes in."""
        return grid

    def macs(self, grid: Grid) -> int:
        """Multiply-adds for one image whose grid goes in, exact."""
        return 0


def out_size(grid: Grid, kernel: int, stride: int, padding: int) -> Grid:
    """The grid that a convolution or a pooling leaves."""
    return Grid(*((side + 2 * padding - kernel) // stride + 1 for side in (grid.y, grid.x)))
