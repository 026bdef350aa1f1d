"""Scores with 95 % intervals: top-1 by Wilson, mIoU by a bootstrap over images.

Counts. An image's answer is kept as `3 k`, for each of k classes: pixels (or the one image) that are right, that were
answered so, that are so. Their sums over the test set are all that mIoU needs of its one confusion matrix:

    IoU = right / (answered + true - right)     the mean over the classes that were answered or are true at all
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from suite.data.source import IGNORE

Z = 1.959963984540054  # of a normal distribution, 95 % lie within
RESAMPLES = 1000


@dataclass(frozen=True)
class Score:
    value: float
    low: float
    high: float
    n: int  # images


def counts(answers: Tensor, targets: Tensor, classes: int) -> Tensor:
    """`b ...` of answers and of targets -> `b 3 k` in int64: right, answered, true. IGNORE counts nowhere."""
    b = len(targets)
    answers, targets = answers.reshape(b, -1), targets.reshape(b, -1)
    counted = targets != IGNORE
    row = torch.arange(b, device=targets.device)[:, None] * classes
    chosen = (counted & (answers == targets), row + targets), (counted, row + answers), (counted, row + targets)
    return torch.stack([torch.bincount(place[where], minlength=b * classes).view(b, -1) for where, place in chosen], 1)


def top1(images: Tensor) -> Score:
    """The share of images that are right, of counts `n 3 k`, with Wilson's interval."""
    n, share = len(images), images[:, 0].sum().item() / len(images)
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return Score(share, max(middle - half, 0.0), min(middle + half, 1.0), n)


def miou(images: Tensor) -> Score:
    """The mean intersection over union of counts `n 3 k`, with the interval of RESAMPLES samples of n images."""
    n = len(images)
    chance = torch.Generator().manual_seed(n)
    sums = images.double().flatten(1)  # n (3 k)
    drawn = (torch.randint(n, (n,), generator=chance) for _ in range(RESAMPLES))
    resampled = torch.stack([one.bincount(minlength=n).double() @ sums for one in drawn])  # s (3 k): whole numbers
    samples = mean_iou(resampled.view(RESAMPLES, *images.shape[1:]))
    low, high = samples.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Score(mean_iou(images.sum(0, keepdim=True).double()).item(), low, high, n)


def mean_iou(sums: Tensor) -> Tensor:
    """`s 3 k` of sums -> `s`: mIoU of each. NaN where nothing was counted."""
    right, answered, true = sums.unbind(1)
    union = answered + true - right  # s k
    return (right / union).nan_to_num().sum(1) / (union > 0).sum(1)


def foreground(images: Tensor, ground: int) -> float:
    """Of the pixels of all classes but the ground, the share that is right: an easy ground hides no answer in it."""
    sums = images.sum(0)  # 3 k
    right, _, true = (sums.sum(1) - sums[:, ground]).tolist()
    return right / true if true else 0.0
