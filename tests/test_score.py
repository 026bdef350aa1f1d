"""Scores: one confusion matrix, and intervals that cover what they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import jaccard_score
from torch import Tensor
from torchmetrics.classification import MulticlassJaccardIndex

from suite.data.source import IGNORE
from suite.training import score
from suite.training.exam import scores


def test_miou_is_that_of_one_confusion_matrix() -> None:
    chance = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 4, (20, 9, 9), generator=chance)  # class 4 never occurs
    answers = torch.where(torch.rand(20, 9, 9, generator=chance) < 0.6, targets, 3)
    targets[torch.rand(20, 9, 9, generator=chance) < 0.2] = IGNORE
    counts = score.counts(answers, targets, 5)
    seen = targets != IGNORE
    found = score.miou(counts)
    assert found.value == pytest.approx(jaccard_score(targets[seen], answers[seen], average="macro"), abs=1e-12)
    theirs = MulticlassJaccardIndex(5, ignore_index=IGNORE)
    theirs.update(answers[:7], targets[:7])
    theirs.update(answers[7:], targets[7:])
    assert found.value == pytest.approx(theirs.compute().item(), abs=1e-6)
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


def discs(centres: list[tuple[float, float]], side: int, teeth: float = 0.0) -> Tensor:
    """`1 Y X`: of two discs of a quarter of the side, classes 1 and 2; their radius waves by so many sides."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    mask = np.zeros((side, side), np.int64)
    for i, (down, right) in enumerate(centres, 1):
        turn = np.arctan2(y - down, x - right)
        mask[np.hypot(y - down, x - right) < 0.22 + teeth * np.sign(np.sin(24 * turn))] = i
    return torch.from_numpy(mask)[None]


def both(answers: Tensor, targets: Tensor) -> tuple[float, float]:
    """mIoU and boundary IoU."""
    counts = (of(answers, targets, 3) for of in (score.counts, score.boundary_counts))
    miou, boundary = (score.miou(images).value for images in counts)
    return miou, boundary


TRUE = [(0.3, 0.3), (0.7, 0.7)]
MOVED = [(0.35, 0.35), (0.75, 0.75)]


def test_boundaries_are_what_an_erosion_takes_away() -> None:
    """By scipy, class by class, as the paper's authors do it, at two sizes, one of them not square."""
    chance = torch.Generator().manual_seed(0)
    for side, cut, width in ((64, 64, 2), (224, 160, 6)):
        targets, answers = (torch.cat([discs(c, side) for c in (TRUE, MOVED)])[..., :cut] for _ in range(2))
        answers = answers.roll((3, 5), (1, 2))
        targets[:, : side // 4, cut // 2 :] = IGNORE
        targets[torch.rand(targets.shape, generator=chance) < 0.01] = IGNORE
        found = score.boundary_counts(answers, targets, 4)
        unseen = (targets == IGNORE).numpy()
        for i, c in ((i, c) for i in range(2) for c in range(4)):
            of = [(labels[i].numpy() == c) & ~unseen[i] for labels in (answers, targets)]
            edges = [
                mask & ~ndimage.binary_erosion(mask | unseen[i], np.ones((3, 3)), iterations=width, border_value=1)
                for mask in of
            ]
            assert found[i, :, c].tolist() == [(edges[0] & edges[1]).sum(), edges[0].sum(), edges[1].sum()]
        assert found[:, :, :3].min() > 0 == found[:, :, 3].max()


def test_a_boundary_is_missed_where_the_area_is_not() -> None:
    assert both(discs(TRUE, 64), discs(TRUE, 64)) == (1.0, 1.0)
    miou, boundary = both(discs(MOVED, 256), discs(TRUE, 256))
    assert miou > 0.6 > 0.3 > boundary, "moved by more than the width"
    miou, boundary = both(discs(TRUE, 256), discs(TRUE, 256, teeth=0.014))
    assert miou > 0.9 > 0.7 > boundary, "smooth where it should be toothed"


def test_what_is_answered_where_nobody_knows_makes_no_boundary() -> None:
    targets = discs(TRUE, 64)
    answers = targets.clone()
    targets[:, 20:40, 20:40] = IGNORE
    answers[:, 25:30, 25:30] = 2
    assert both(answers, targets) == (1.0, 1.0)


def test_boundaries_mean_the_same_at_every_resolution() -> None:
    found = [both(discs(MOVED, side), discs(TRUE, side))[1] for side in (64, 128, 256, 512)]
    assert max(found) - min(found) < 0.05


def test_the_frame_of_an_image_is_no_boundary() -> None:
    nothing = torch.zeros(2, 16, 16, dtype=torch.int64)
    counts = score.boundary_counts(nothing, nothing, 3)
    assert not counts.any()
    assert "boundary_iou" not in scores("segmentation", score.counts(nothing, nothing, 3), boundary=counts)


def test_the_interval_of_boundaries_is_over_images_even_if_few_have_any() -> None:
    targets = torch.zeros(12, 16, 16, dtype=torch.int64)
    targets[:1, 4:9, 4:9] = 1
    answers = targets.roll(1, 2)
    of = score.counts(answers, targets, 2), score.boundary_counts(answers, targets, 2)
    found = scores("segmentation", of[0], boundary=of[1])["boundary_iou"]
    assert (found.low, found.high, found.n) == (found.value, found.value, 12) and 0 < found.value < 1


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_top1_has_the_interval_of_wilson(right: int, n: int, low: float, high: float) -> None:
    answers = torch.arange(n) < right
    found = score.top1(score.counts(answers.long(), torch.ones(n, dtype=torch.int64), 2))
    assert (found.value, found.n) == (right / n, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
