"""Objective: what a training is about. The loop is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

from torch import Tensor
from torch.nn import functional

from suite.data.source import IGNORE, left_out
from suite.step import Loss
from suite.training.feed import Feed, Images


@dataclass(frozen=True)
class Objective:
    """Where batches come from, what is wrong with an answer, and how much is wrong with a blind guess."""

    feed: Callable[..., Feed]  # takes what Feed takes
    wrong: Loss  # summed over the targets that are not IGNORE
    guess: float  # by target
    ground: int | None = None  # a class whose pixels have no part in a second curve, see loop.py


def labels(source: Images) -> Objective:
    """To name what the source's images or their pixels are."""
    return Objective(Feed, wrongness, log(max(source.classes, 2)), left_out(source.ground, source.classes))


def wrongness(logits: Tensor, targets: Tensor) -> Tensor:
    """The summed cross-entropy of what is not IGNORE."""
    return functional.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
