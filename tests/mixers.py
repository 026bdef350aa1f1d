"""Small mixers in float64, every number of them drawn, and what the tests of their slow forms share."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from suite.count import dispatched_macs
from variants.contract import Grid, Mixer, Position
from variants.recipe import POSITIONS, part

GRIDS = [Grid(1, 1), Grid(1, 7), Grid(5, 3), Grid(9, 8)]
POSITION_NAMES = ["none", *POSITIONS]
Place = tuple[int, int]  # row, column


def built(make: Any, grid: Grid, position: str = "none", dim: int = 16, heads: int = 2, **options: Any) -> Any:
    """The mixer alone, every number of it drawn anew."""
    module = make(dim, heads, grid, POSITIONS.get(position, part(Position)), **options).eval()
    for name, t in module.state_dict().items():
        if name.endswith("running_var"):
            t.uniform_(0.5, 1.5)
        elif t.dtype.is_floating_point and "frequency" not in name:
            t.normal_(0.0, 0.4)
    return module


def image(grid: Grid, dim: int = 16, b: int = 2) -> Tensor:
    return torch.randn(b, grid.y, grid.x, dim)


def places(grid: Grid) -> list[Place]:
    return list(product(range(grid.y), range(grid.x)))


def same(a: Tensor, b: Tensor) -> None:
    assert a.shape == b.shape
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def affine(norm: Any, t: Tensor, channel: int) -> Tensor:
    """What a batch norm does to one channel when nothing trains."""
    scale = norm.weight[channel] / (norm.running_var[channel] + norm.eps).sqrt()
    return (t - norm.running_mean[channel]) * scale + norm.bias[channel]


def counted(mixer: Mixer, grid: Grid, dim: int) -> int:
    """What torch counts of a mixer on the meta device."""
    return dispatched_macs(mixer, torch.empty(1, grid.y, grid.x, dim, device="meta"))
