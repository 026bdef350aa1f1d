"""When a plateau is left: on curves that are known, with noise that must not look like learning; and of which curve."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import exp, log

import pytest
import torch
from test_training import Squares, Tiny, learn

from suite.data.source import IGNORE, load
from suite.record import Metric
from suite.training import cell
from suite.training.loop import Training, foreground, seeded
from suite.training.plateau import left, noise
from suite.training.recipe import Schedule

PLATEAU = log(4)


def curve(level: Callable[[float], float], deviation: float, seed: int, points: int = 100) -> list[tuple[int, float]]:
    """Points of 80 images whose loss is the level, at a share of the training, and normal noise."""
    chance = random.Random(seed)
    return [(80 * i, level(i / points) + chance.gauss(0, deviation)) for i in range(1, points + 1)]


@pytest.mark.parametrize("deviation", [0.001, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("points", [8, 32, 100])
def test_noise_about_the_plateau_seldom_leaves_it(deviation: float, points: int) -> None:
    wrong = sum(left(curve(lambda share: PLATEAU, deviation, seed, points), PLATEAU) is not None for seed in range(400))
    assert wrong <= 8, "2 in 100"


def test_a_loss_that_falls_to_its_plateau_never_left_it() -> None:
    start = [curve(lambda share: PLATEAU * (1 + exp(-20 * share)), 0.03, seed) for seed in range(100)]
    assert [left(one, PLATEAU) for one in start] == [None] * 100
    assert left(curve(lambda share: 0.99 * PLATEAU, 0.001, 0), PLATEAU) is None, "a little less than understood"


@pytest.mark.parametrize("deviation", [0.001, 0.05, 0.1])
@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
def test_a_drop_is_found_where_it_is(at: float, deviation: float) -> None:
    found = [left(curve(lambda s: PLATEAU if s <= at else 0.6, deviation, seed), PLATEAU) for seed in range(50)]
    assert all(images is not None and abs(images - 8000 * at) <= 3 * 80 for images in found)


def test_a_slow_fall_is_found_once_it_is_more_than_noise() -> None:
    found = [left(curve(lambda s: PLATEAU * (1.5 - s), 0.03, seed), PLATEAU) for seed in range(50)]
    assert all(images is not None and 0.5 * 8000 <= images <= 0.65 * 8000 for images in found)


def test_who_comes_back_has_not_left_and_a_spike_is_no_return() -> None:
    quiet = [(i, 1.0 if i < 40 else 0.5) for i in range(100)]
    assert left(quiet, 1.0) == 40
    assert left([(i, 9.0 if i in (60, 61, 80) else y) for i, y in quiet], 1.0) == 40
    assert left([(i, 1.0 if 60 <= i < 70 else y) for i, y in quiet], 1.0) == 70
    assert left([(i, 1.0 if i >= 95 else y) for i, y in quiet], 1.0) is None


def test_a_curve_of_few_points_is_judged_as_a_whole() -> None:
    assert left([], 1.0) is None
    assert left([(32, 1.2)], 1.0) is None
    assert left([(256, 0.9), (512, 0.7), (640, 0.6)], 1.0) == 512
    assert left([(256, 0.99), (512, 0.98), (640, 0.99)], 1.0) is None


def test_noise_is_what_no_line_explains() -> None:
    found = [noise([y for _, y in curve(lambda share: 3 - 2 * share, 0.05, seed)]) for seed in range(50)]
    assert sum(found) / 50 == pytest.approx(0.05, rel=0.1)
    assert noise([3.0, 2.0, 1.0, 0.0]) == 0.0 == noise([1.0, 2.0])


def test_a_record_judges_the_loss_among_objects_where_there_is_one() -> None:
    flat = [(i, 0.69) for i in range(100)]
    fallen = [(i, 0.69 if i < 40 else 0.1) for i in range(100)]
    cue, gone = load("scenes:cue", "segmentation"), {"images_to_leave": Metric(40, "images")}
    assert cell.left(cue, Training(losses=flat, foreground_losses=fallen)) == {"never_left": Metric(0.0, "")} | gone
    assert cell.left(cue, Training(losses=fallen, foreground_losses=flat)) == {"never_left": Metric(1.0, "")}
    assert cell.left(cue, Training(losses=fallen)) == {"never_left": Metric(0.0, "")} | gone
    assert cell.left(Squares(), Training(losses=fallen)) == {}  # type: ignore[arg-type]  # all that is asked


def test_telling_objects_apart_has_a_curve_of_its_own() -> None:
    """Of pixels that are no ground, without the probability of the ground: it cannot be above that of all of them."""
    chance = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(2, 3, 4, 4, generator=chance), torch.randint(0, 3, (2, 4, 4), generator=chance)
    targets[0, 0] = IGNORE
    thing = (targets != IGNORE) & (targets != 1)
    left = logits.softmax(1)[:, [0, 2]]
    right = (left / left.sum(1, keepdim=True)).movedim(1, -1)[thing].gather(1, targets[thing, None] // 2)
    for answer in (logits, (logits, 3 * logits)):
        wrong, pixels = foreground(answer, targets, 1).tolist()
        assert (wrong, pixels) == (pytest.approx(-right.log().sum().item(), rel=1e-5), thing.sum())

    def curve(at_once: int = 0) -> Training:
        network = seeded(0, lambda: Tiny(3, 8, dense=True))
        return learn(network, Squares(classes=3, ground=0), Schedule(images=640, lr=1e-2, batch=8, at_once=at_once))

    whole, parts = curve(), curve(3)
    assert [n for n, _ in whole.foreground_losses] == [n for n, _ in whole.losses]
    assert whole.foreground_losses[0][1] > 4 * whole.foreground_losses[-1][1]
    pairs = zip(whole.foreground_losses, parts.foreground_losses, strict=True)
    assert all(one == (other[0], pytest.approx(other[1], rel=1e-3)) for one, other in pairs)
    assert learn(Tiny(2, 8, dense=True), Squares(ground=0), Schedule(images=8, batch=8)).foreground_losses == []
