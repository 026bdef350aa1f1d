"""Batch norm that takes any batch. One value a channel deviates from nothing, and torch refuses to train on it.

So a single image on a grid of one place, as small images leave it, is normalised by the running statistics, which then
stay as they are. All else is torch's.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm1d(nn.BatchNorm1d):
    """Over `b d` or `b d n`."""

    def forward(self, x: Tensor) -> Tensor:
        return by_running_values(self, x) if self.training and x.numel() == x.shape[1] else super().forward(x)


class BatchNorm2d(nn.BatchNorm2d):
    """Over `b d y x`."""

    def forward(self, x: Tensor) -> Tensor:
        return by_running_values(self, x) if self.training and x.numel() == x.shape[1] else super().forward(x)


def by_running_values(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """What the norm makes of x in inference."""
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


class ToNorm(nn.Linear):
    """A linear layer before a batch norm, which undoes its scale: small at first, or untrained networks overflow."""
