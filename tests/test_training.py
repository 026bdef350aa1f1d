"""The loop: it learns, its scores are right, it is fair, and it ends as it was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import jaccard_score
from torch import Tensor, nn

from suite.data.source import IGNORE, Source, load
from suite.training import score
from suite.training.loop import examined, learn, seeded, wrongness
from suite.training.recipe import Schedule, optimiser, order, shifted
from variants.contract import Grid

SIZE = Grid(16, 16)


class Tiny(nn.Module):
    """Two convolutions; a class for each image, or for each pixel where `dense`."""

    def __init__(self, classes: int, channels: int = 24, dense: bool = False) -> None:
        super().__init__()
        self.dense = dense
        self.body = nn.Sequential(
            nn.Conv2d(3, channels, 3, 1 if dense else 2, 1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, 1 if dense else 2, 1),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(2 * channels, classes, 1) if dense else nn.Linear(2 * channels * 16, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.body(images)
        logits: Tensor = self.head(features if self.dense else features.flatten(1))
        return logits


@dataclass
class Squares:
    """Segmentation that a pixel decides: what is bright is class 1, and the lower right is IGNORE."""

    name: str = "squares"
    task: str = "segmentation"
    classes: int = 2
    chance: float = 0.5
    shift: float = 0.1
    asked: tuple[int, ...] = ()

    def ceiling(self, size: Grid) -> float | None:
        return 1.0

    def count(self, split: str) -> int | None:
        return 40 if split == "train" else 7

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        if split == "train":
            self.asked += tuple(indices)
        images = [torch.rand(1, size.y, size.x, generator=torch.Generator().manual_seed(i)) for i in indices]
        bright = torch.stack(images).expand(-1, 3, -1, -1)
        target = (bright[:, 0] > 0.5).long()
        target[:, size.y // 2 :, size.x // 2 :] = IGNORE
        return bright.contiguous() * 2 - 1, target


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """scikit-learn's digits as a folder of PNG files."""
    root = tmp_path_factory.mktemp("digits")
    data = load_digits()
    for place, (image, label) in enumerate(zip(data.images, data.target, strict=True)):
        (root / str(label)).mkdir(exist_ok=True)
        Image.fromarray((image * 15.9375).astype("uint8")).save(root / str(label) / f"{place}.png")
    return load(f"folder:{root}", "classification")


def test_a_network_learns_digits_from_a_folder_of_png_files(digits: Source) -> None:
    network = seeded(0, lambda: Tiny(10))
    outcome = learn(network, digits, SIZE, Schedule(images=14000, lr=4e-3, batch=64))
    assert (outcome.status, outcome.metric, outcome.stopped_by) == ("ok", "top1", "images")
    assert outcome.n == digits.count("test") == 359
    assert outcome.images_seen == 14000
    assert outcome.value >= 0.95
    assert outcome.low < outcome.value < outcome.high
    assert outcome.losses[0][1] > 1 > 0.2 > outcome.losses[-1][1]


def test_segmentation_learns_and_scores_the_foreground_too() -> None:
    source = Squares()
    outcome = learn(seeded(0, lambda: Tiny(2, 8, dense=True)), source, SIZE, Schedule(images=800, lr=1e-2, batch=8))
    assert (outcome.status, outcome.metric, outcome.n) == ("ok", "miou", 7)
    assert 0.9 < outcome.low <= outcome.value <= outcome.high <= 1
    assert outcome.more["foreground"] > 0.9


def test_the_same_seed_gives_the_same_training_and_another_seed_another() -> None:
    def losses(seed: int) -> list[tuple[int, float]]:
        network = seeded(seed, lambda: Tiny(2, 8, dense=True))
        return learn(network, Squares(), SIZE, Schedule(images=200, batch=10, seed=seed)).losses

    torch.manual_seed(123)
    first = losses(0)
    torch.manual_seed(321)
    state = torch.get_rng_state()
    assert losses(0) == first != losses(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_design_sees_the_same_images_in_the_same_order() -> None:
    sources = Squares(), Squares()
    for source, channels in zip(sources, (4, 8), strict=True):
        learn(Tiny(2, channels, dense=True), source, SIZE, Schedule(images=90, batch=8, seed=3))
    assert sources[0].asked == sources[1].asked
    assert len(sources[0].asked) == 90
    assert sorted(sources[0].asked[:40]) == sorted(sources[0].asked[40:80]) == list(range(40))
    assert sources[0].asked[:40] != sources[0].asked[40:80]


def test_order() -> None:
    assert list(islice(order(None, 5), 4)) == [0, 1, 2, 3]
    assert list(islice(order(9, 1), 18)) == list(islice(order(9, 1), 18)) != list(islice(order(9, 2), 18))


def test_minutes_end_the_training_and_the_cosine_with_it() -> None:
    heard: list[float] = []
    schedule = Schedule(images=10**9, minutes=0.5 / 60, batch=8)
    outcome = learn(Tiny(2, 8, dense=True), Squares(), SIZE, schedule, progress=heard.append)
    assert outcome.status == "ok" and outcome.stopped_by == "minutes"
    assert 0 < outcome.images_seen < 10**6 and outcome.images_seen % 8 == 0
    assert heard == sorted(heard) and heard[-1] == 1.0 and len(heard) == outcome.images_seen / 8


def test_progress_and_rate() -> None:
    schedule = Schedule(images=1000, minutes=10, lr=1.0, warmup=0.1)
    assert schedule.progress(500, 60) == 0.5 and schedule.progress(100, 300) == 0.5
    assert schedule.progress(2000, 0) == 1.0
    assert [schedule.rate(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.0, 0.5, 0.0])
    assert schedule.rate(0.05) == pytest.approx(0.5 * 0.9938, abs=1e-3)
    assert Schedule(images=0, minutes=2).progress(10**9, 60) == 0.5


@pytest.mark.parametrize("poison", ["loss", "weights"])
def test_what_is_not_finite_is_a_status(poison: str) -> None:
    network = Tiny(2, 4, dense=True)
    if poison == "loss":
        network.head.bias.data.fill_(float("nan"))
    images, lr = (400, 1e-3) if poison == "loss" else (8, 1e30)
    outcome = learn(network, Squares(), SIZE, Schedule(images=images, lr=lr, batch=8, warmup=0))
    assert outcome.status == "nan" and outcome.n == 0
    assert isnan(outcome.value) and isnan(outcome.low) and isnan(outcome.high)
    assert outcome.images_seen == (128 if poison == "loss" else 8)  # one look at the losses later
    assert all(not isnan(loss) for _, loss in outcome.losses)


def test_vectors_and_tables_of_positions_do_not_decay() -> None:
    class Table(nn.Module):
        grows = True

        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(torch.zeros(1, 4, 4, 8))

    network = nn.ModuleDict({"linear": nn.Linear(8, 8), "norm": nn.LayerNorm(8), "table": Table()})
    frozen = nn.Linear(3, 3).requires_grad_(False)
    network["frozen"] = frozen
    decayed, spared = optimiser(network, Schedule(images=1, weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    assert [p.shape for p in decayed["params"]] == [(8, 8)]
    assert sorted(tuple(p.shape) for p in spared["params"]) == [(1, 4, 4, 8), (8,), (8,), (8,)]


def test_shifts_move_image_and_mask_together() -> None:
    images, targets = Squares().batch("train", range(6), SIZE)
    chance = torch.Generator().manual_seed(0)
    moved, masks = shifted(images, targets, 0.125, chance, IGNORE)
    assert moved.shape == images.shape and not torch.equal(moved, images)
    inner = masks[:, 2:-2, 2:-2]
    seen = inner != IGNORE
    assert torch.equal((moved[:, 0, 2:-2, 2:-2] > 0)[seen].long(), inner[seen])
    same, labels = shifted(images, torch.arange(6), 0.0, chance, IGNORE)
    assert same is images and labels.tolist() == list(range(6))


def test_the_loss_leaves_out_what_is_ignored() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(2, 4, 4, dtype=torch.int64)
    targets[1] = IGNORE
    torch.testing.assert_close(wrongness(logits, targets), nn.functional.cross_entropy(logits[:1], targets[:1]))
    assert wrongness(logits, torch.full_like(targets, IGNORE)) == 0


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
    thing = seen & (targets > 0)
    assert score.foreground(counts) == pytest.approx((answers == targets)[thing].double().mean().item())


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


def test_the_test_set_may_be_cut_and_batches_do_not_matter(digits: Source) -> None:
    network = seeded(1, lambda: Tiny(10))
    cut, whole = (
        examined(network, digits, SIZE, Schedule(images=1, batch=batch, test_images=n), torch.device("cpu"))
        for batch, n in ((7, 50), (64, 1000))
    )
    assert cut is not None and whole is not None
    assert cut.shape == (50, 3, 10) and torch.equal(cut, whole[:50])


def test_seeded_leaves_the_generator_alone() -> None:
    state = torch.get_rng_state()
    first, second, third = (seeded(seed, lambda: Tiny(2)) for seed in (1, 1, 2))
    assert torch.equal(first.head.weight, second.head.weight)
    assert not torch.equal(first.head.weight, third.head.weight)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"images": 0}, "training has no end: give a number of images or of minutes"),
        ({"images": 1, "batch": 0}, "training takes batches of at least one image"),
        ({"images": 1, "test_images": 0}, "training takes batches of at least one image, and at least one test image"),
    ],
)
def test_refused_schedules(options: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence):
        Schedule(**options)  # type: ignore[arg-type]


def test_refused_dtype_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"^training runs in float32 only, not in int8: take the dtype float32$"):
        learn(Tiny(2), Squares(), SIZE, Schedule(images=1), dtype="int8")
    with pytest.raises(ValueError, match=r"^this machine has no CUDA device that torch can use: take the device cpu"):
        learn(Tiny(2), Squares(), SIZE, Schedule(images=1), device="cuda")
