"""Exams: what a trained network answers to images that it never saw, of any split and any size, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn

from suite.machine import wait
from suite.record import Metric
from suite.samples import interval_of_median
from suite.training import score
from suite.training.feed import Images
from suite.training.recipe import Schedule
from variants.contract import Grid


@dataclass(frozen=True)
class Exam:
    """Answers as counts `n 3 k`, see score.py, and the seconds that an image took in each batch of so many. To segment,
    also the counts at boundaries.

    To classify, one class stands for all: of 50,000 images and 1,000 classes the counts would be a gigabyte.
    """

    counts: Tensor
    seconds: list[float]
    batch: int
    boundary: Tensor | None = None


def asked(source: Images, split: str) -> int:
    """How many images of a split are examined: all of them, or, where they never end, as many as a schedule says."""
    return source.count(split) or Schedule.test_images


@torch.inference_mode()
def examine(
    network: nn.Module, source: Images, split: str, size: Grid, images: int, batch: int, device: torch.device
) -> Exam | None:
    """The exam on the split's first `images` images, or on all of a smaller split; None if an answer is not finite.

    What is timed is the network alone.
    """
    network.eval()
    n = min(images, source.count(split) or images)
    found, edges, seconds = [], [], []
    for first in range(0, n, batch):
        chosen = range(first, min(first + batch, n))
        pixels, targets = source.batch(split, chosen, size, str(device))
        wait(str(device))
        start = perf_counter()
        logits = network(pixels)  # b k, or b k Y X
        wait(str(device))
        seconds.append((perf_counter() - start) / len(chosen))
        if not logits.isfinite().all():
            return None
        answers = logits.argmax(1)
        counts = score.counts(answers, targets, source.classes).cpu()
        found.append(counts if targets.ndim > 1 else counts.sum(2, keepdim=True))
        if targets.ndim > 1:
            edges.append(score.boundary_counts(answers, targets, source.classes).cpu())
    return Exam(torch.cat(found), seconds, batch, torch.cat(edges) if edges else None)


def metric_of(task: str) -> str:
    """The name of the task's score."""
    return "top1" if task == "classification" else "miou"


def scores(task: str, counts: Tensor, ground: int | None = None, boundary: Tensor | None = None) -> dict[str, Metric]:
    """Metrics of counts `n 3 k`: the task's score with its interval. Beside mIoU that of the counts at boundaries,
    where there are any, and where one class is the ground, how much of the others is right.
    """
    metrics = {metric_of(task): _metric(score.top1(counts) if task == "classification" else score.miou(counts))}
    if boundary is not None and boundary.any():
        metrics["boundary_iou"] = _metric(score.miou(boundary))
    if ground is not None:
        metrics["foreground"] = Metric(score.foreground(counts, ground), "", n=len(counts))
    return metrics


def _metric(found: score.Score) -> Metric:
    return Metric(found.value, "", found.low, found.high, found.n)


def speed(exam: Exam) -> Metric:
    """Images a second of the network alone, at the exam's batch, by the median batch. The first one warms up."""
    seconds = exam.seconds[1:] or exam.seconds
    low, high = interval_of_median(seconds)
    return Metric(1 / median(seconds), "img/s", high and 1 / high, low and 1 / low, len(seconds))
