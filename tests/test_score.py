"""Scores: one confusion matrix, and intervals that cover what they should."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import jaccard_score

from suite.data.source import IGNORE
from suite.training import score


def test_miou_is_that_of_one_confusion_matrix() -> None:
    chance = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 4, (20, 9, 9), generator=chance)  # class 4 never occurs
    answers = torch.where(torch.rand(20, 9, 9, generator=chance) < 0.6, targets, 3)
    targets[torch.rand(20, 9, 9, generator=chance) < 0.2] = IGNORE
    counts = score.counts(answers, targets, 5)
    seen = targets != IGNORE
    found = score.miou(counts)
    assert found.value == pytest.approx(jaccard_score(targets[seen], answers[seen], average="macro"), abs=1e-12)
    assert found.low < found.value < found.high and found.n == 20
    for ground in (0, 2):
        thing = seen & (targets != ground)
        assert score.foreground(counts, ground) == pytest.approx((answers == targets)[thing].double().mean().item())


def test_the_bootstrap_covers_what_it_should() -> None:
    chance = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(40):
        targets = torch.randint(0, 2, (40, 25), generator=chance)
        answers = torch.where(torch.rand(40, 25, generator=chance) < 0.8, targets, 1 - targets)
        found = score.miou(score.counts(answers, targets, 2))
        hits += found.low <= 0.4 / 0.6 <= found.high
    assert 33 <= hits <= 40


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_top1_has_the_interval_of_wilson(right: int, n: int, low: float, high: float) -> None:
    answers = torch.arange(n) < right
    found = score.top1(score.counts(answers.long(), torch.ones(n, dtype=torch.int64), 2))
    assert (found.value, found.n) == (right / n, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
