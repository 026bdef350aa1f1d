"""The recipe that every design learns by: AdamW, cosine with a warm-up, decay of weight matrices only.

    rate(p) = lr · min(p / warm-up, 1) · (1 + cos(π p)) / 2        p from 0 to 1, the progress of the training

Progress is the larger of two shares, of the images and of the minutes, so whichever runs out, the cosine has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

import torch
from torch import nn


@dataclass(frozen=True)
class Schedule:
    """How much to train, and how. 0 images or 0 minutes sets no such limit; one of them must."""

    images: int
    minutes: float = 0.0
    lr: float = 1e-3
    batch: int = 64
    at_once: int = 0  # images of a batch that pass through the network together; 0: all of them
    augment: str = "shift"  # what happens to an image first, see augment.py
    seed: int = 0  # of the order of images, of augmentation, and of anything by chance inside the network
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the training
    clip: float = 1.0  # largest norm of the gradient
    test_images: int = 400  # where images never end: an interval of ± 5 points or less
    field_images: int = 4  # of the test, over which an effective field is averaged

    def __post_init__(self) -> None:
        if self.images <= 0 and self.minutes <= 0:
            raise ValueError("training has no end: give a number of images or of minutes")
        if self.batch < 1 or self.test_images < 1 or self.at_once < 0:
            raise ValueError("training takes batches of at least one image, and at least one test image")

    def progress(self, images: float, seconds: float) -> float:
        """How much of the training is over, from 0 to 1."""
        shares = [images / self.images] if self.images > 0 else []
        shares += [seconds / (60 * self.minutes)] if self.minutes > 0 else []
        return min(max(shares), 1.0)

    def rate(self, progress: float) -> float:
        """The learning rate."""
        warm = min(progress / self.warmup, 1.0) if self.warmup > 0 else 1.0
        return self.lr * warm * (1 + cos(pi * progress)) / 2


def optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """AdamW in two groups. Not decayed: norms, biases and every other vector, and tables of positions, which is what
    `grows` with the grid, unless it says that it `decays`.
    """
    growing = [m for m in network.modules() if getattr(m, "grows", False) and not getattr(m, "decays", False)]
    tables = {id(p) for m in growing for p in m.parameters()}
    decayed, spared = list[nn.Parameter](), list[nn.Parameter]()
    for name, p in network.named_parameters():
        if p.requires_grad:
            (spared if p.ndim < 2 or name.endswith("bias") or id(p) in tables else decayed).append(p)
    groups = [{"params": decayed, "weight_decay": schedule.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=schedule.lr, betas=(0.9, 0.95), fused=True)
