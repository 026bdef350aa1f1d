"""Places: absolute positions, added to the tokens after the stem, in some designs at the start of each stage too."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.piece import Piece


class Nowhere(Piece):
    """Tokens that are not told where they are."""

    name: ClassVar[str] = "none"
    grows: ClassVar[bool] = False

    def __init__(self, dim: int, grid: Grid) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """`b y x d` -> `b y x d`."""
        return x

    def macs(self, grid: Grid) -> int:
        """Multiply-adds of making what is added, once for a whole batch."""
        return 0


class Learned(Nowhere):
    """A learned vector for each place of the grid; on another grid, the table is interpolated (2010.11929, 3.2)."""

    name, grows = "learned", True
    policy = "the learned table of places is made for each resolution, and interpolated to others"

    def __init__(self, dim: int, grid: Grid) -> None:
        super().__init__(dim, grid)
        self.table = nn.Parameter(torch.randn(1, grid.y, grid.x, dim) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stretched(self.table, (1, *x.shape[1:]))

    def stretched(self, table: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`1 y x d` of one grid, on another."""
        if table.shape == shape:
            return table
        table = F.interpolate(table.permute(0, 3, 1, 2), shape[1:3], mode="bicubic", antialias=True)
        return table.permute(0, 2, 3, 1)


class SinCos(Nowhere):
    """Sines and cosines of the row and the column, half of the channels each (1706.03762, 3.5, in two dimensions).

    Frequencies fall geometrically from 1 to 1/10000 radians a token.
    """

    name = "sincos"

    def __init__(self, dim: int, grid: Grid) -> None:
        super().__init__(dim, grid)
        if dim % 4:
            raise ValueError(f"sin-cos positions need a width that 4 divides, not {dim}")
        self.register_buffer("frequency", 10000 ** -torch.linspace(0, 1, dim // 4 + 1)[:-1], persistent=False)
        self.frequency: Tensor

    def forward(self, x: Tensor) -> Tensor:
        _, y, x_, d = x.shape
        rows, columns = (self._waves(torch.arange(side, device=x.device), x.dtype) for side in (y, x_))
        shape = (y, x_, d // 2)
        return x + torch.cat([rows[:, None].expand(shape), columns[None].expand(shape)], -1)  # b y x d

    def _waves(self, places: Tensor, dtype: torch.dtype) -> Tensor:
        angles = places[:, None] * self.frequency
        return torch.cat([angles.sin(), angles.cos()], -1).to(dtype)  # side d/2
