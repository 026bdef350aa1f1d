"""Heads: from the features of all stages, `b y x d` each, to logits. Each normalises what it takes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.norm import BatchNorm2d


class Mean(nn.Module):
    """Classification: the mean over all positions of the last stage, then one linear layer."""

    def __init__(self, widths: tuple[int, ...], classes: int, norm: str = "before", eps: float = 1e-6) -> None:
        """`norm`: layer norm `before` or `after` the mean, or `none`."""
        super().__init__()
        self.dim, self.classes = widths[-1], classes
        self.before = nn.LayerNorm(self.dim, eps) if norm == "before" else nn.Identity()
        self.after = nn.LayerNorm(self.dim, eps) if norm == "after" else nn.Identity()
        self.to_logits = nn.Linear(self.dim, classes)

    def forward(self, features: list[Tensor], size: Grid) -> Tensor:
        """-> `b classes`."""
        pooled = self.before(features[-1]).mean((1, 2))  # b d
        return self.to_logits(self.after(pooled))

    def macs(self, grids: list[Grid], size: Grid) -> int:
        return self.dim * self.classes


class Widened(nn.Module):
    """Classification: a 1 x 1 convolution to `width` channels with batch norm and ReLU, the mean, one linear layer."""

    def __init__(self, widths: tuple[int, ...], classes: int, width: int = 1024) -> None:
        super().__init__()
        self.dim, self.classes, self.width = widths[-1], classes, width
        self.to_width, self.norm = nn.Conv2d(self.dim, width, 1, bias=False), BatchNorm2d(width)
        self.to_logits = nn.Linear(width, classes)

    def forward(self, features: list[Tensor], size: Grid) -> Tensor:
        """-> `b classes`."""
        x = F.relu(self.norm(self.to_width(features[-1].permute(0, 3, 1, 2))))  # b width y x
        return self.to_logits(x.mean((2, 3)))

    def macs(self, grids: list[Grid], size: Grid) -> int:
        return grids[-1].n * self.dim * self.width + self.width * self.classes
