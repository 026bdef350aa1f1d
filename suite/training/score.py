"""Scores with 95 % intervals: top-1 by Wilson, mIoU and boundary IoU by a bootstrap over images.

Counts. An image's answer is kept as `3 k`, for each of k classes: pixels (or the one image) that are right, that were
answered so, that are so. Their sums over the test set are all that mIoU needs of its one confusion matrix:

    IoU = right / (answered + true - right)     the mean over the classes that were answered or are true at all

Boundary IoU (Cheng et al. 2021, 2103.16562) is the same of other counts: only pixels at the boundary of their own
region count, of the answered one as answered, of the true one as true, and of both as right. At a boundary are pixels
within WIDTH of the image's diagonal (at least one pixel) of another class, along rows and along columns: a share of
the image, so that it means the same at every resolution. Neither the frame of the image nor what is IGNORE makes a
boundary: there is nothing to be found there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt

import torch
from torch import Tensor
from torch.nn import functional

from suite.data.source import IGNORE

Z = 1.959963984540054  # of a normal distribution, 95 % lie within
RESAMPLES = 1000
LEAST = torch.iinfo(torch.int32).min  # of no label, nor of minus one
WIDTH = 0.02  # of the diagonal: the paper's, section 5


@dataclass(frozen=True)
class Score:
    value: float
    low: float
    high: float
    n: int  # images


def counts(answers: Tensor, targets: Tensor, classes: int) -> Tensor:
    """`b ...` of answers and of targets -> `b 3 k` in int64: right, answered, true. IGNORE counts nowhere."""
    return _sums(answers.masked_fill(targets == IGNORE, IGNORE), targets, classes)


def boundary_counts(answers: Tensor, targets: Tensor, classes: int) -> Tensor:
    """`b Y X` of answers and of targets -> `b 3 k` in int64: the counts of the pixels at boundaries."""
    width = max(1, round(WIDTH * hypot(*targets.shape[1:])))
    answers = answers.masked_fill(targets == IGNORE, IGNORE)
    return _sums(at_boundary(answers, width), at_boundary(targets, width), classes)


def at_boundary(labels: Tensor, width: int) -> Tensor:
    """`b Y X`: the labels where one of another class lies within `width` rows and columns; else IGNORE."""
    either = torch.stack(
        [labels, -labels], 1
    ).int()  # b 2 Y X: of the largest of both, the second is the smallest label
    either = either.masked_fill((labels == IGNORE)[:, None], LEAST)
    highest, lowest = _largest(_largest(either, width).mT, width).mT.unbind(1)
    return labels.masked_fill(highest == -lowest, IGNORE)


def _largest(numbers: Tensor, width: int) -> Tensor:
    """Of each place of the last axis, the largest number within so many: of 1, 2, 4 ... places, then of all of them."""
    found, places, wanted = functional.pad(numbers, (width, width), value=LEAST), 1, 2 * width + 1
    while places < wanted:
        step = min(places, wanted - places)
        found = torch.maximum(found[..., :-step], found[..., step:])
        places += step
    return found


def _sums(answers: Tensor, targets: Tensor, classes: int) -> Tensor:
    """The counts of what is not IGNORE: in both for what is right, in its own for what is answered and what is true."""
    b = len(targets)
    answers, targets = answers.reshape(b, -1), targets.reshape(b, -1)
    row = torch.arange(b, device=targets.device)[:, None] * classes
    found = targets.masked_fill(answers != targets, IGNORE), answers, targets
    parts = [torch.bincount((row + of)[of != IGNORE], minlength=b * classes).view(b, -1) for of in found]
    return torch.stack(parts, 1)


def top1(images: Tensor) -> Score:
    """The share of images that are right, of counts `n 3 k`, with Wilson's interval."""
    n, share = len(images), images[:, 0].sum().item() / len(images)
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return Score(share, max(middle - half, 0.0), min(middle + half, 1.0), n)


def miou(images: Tensor) -> Score:
    """The mean intersection over union of counts `n 3 k`, with the interval of RESAMPLES samples of n images.

    Samples in which nothing is counted, as of images of which few have a boundary, are left out.
    """
    n = len(images)
    chance = torch.Generator().manual_seed(n)
    sums = images.double().flatten(1)  # n (3 k)
    drawn = (torch.randint(n, (n,), generator=chance) for _ in range(RESAMPLES))
    resampled = torch.stack([one.bincount(minlength=n).double() @ sums for one in drawn])  # s (3 k): whole numbers
    samples = mean_iou(resampled.view(RESAMPLES, *images.shape[1:]))
    low, high = samples.nanquantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
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
