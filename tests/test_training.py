"""The loop: it learns, its scores are right, it is fair, and it ends as it was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

from suite.data.source import IGNORE, Source, load
from suite.training.exam import Exam, examine, scores
from suite.training.feed import Feed, Images, order, shifted
from suite.training.loop import Training, prepared, seeded, train
from suite.training.objective import wrongness
from suite.training.recipe import Schedule
from variants.contract import Grid

SIZE, CPU = Grid(16, 16), torch.device("cpu")


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
    ground: int | None = None
    plateau: float | None = None
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


class Doubled(Squares):
    """The same in float64."""

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        images, targets = super().batch(split, indices, size, device)
        return images.double(), targets


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """scikit-learn's digits as a folder of PNG files."""
    root = tmp_path_factory.mktemp("digits")
    data = load_digits()
    for place, (image, label) in enumerate(zip(data.images, data.target, strict=True)):
        (root / str(label)).mkdir(exist_ok=True)
        Image.fromarray((image * 15.9375).astype("uint8")).save(root / str(label) / f"{place}.png")
    return load(f"folder:{root}", "classification")


def learn(network: nn.Module, source: Images, schedule: Schedule, **options: Any) -> Training:
    """A training on one CPU in float32."""
    return train(prepared("cpu", "float32"), network, source, SIZE, schedule, **options)[1]


def exam(network: nn.Module, source: Images, images: int = 400, batch: int = 16) -> Exam:
    """The answers to the test images."""
    found = examine(network, source, "test", SIZE, images, batch, CPU)
    assert found is not None
    return found


def test_a_network_learns_digits_from_a_folder_of_png_files(digits: Source) -> None:
    network = seeded(0, lambda: Tiny(10))
    training = learn(network, digits, Schedule(images=14000, lr=4e-3, batch=64))
    assert (training.status, training.stopped_by, training.images) == ("ok", "images", 14000)
    assert training.losses[0][1] > 1 > 0.2 > training.losses[-1][1]
    found = scores("classification", exam(network, digits).counts)
    assert found["top1"].n == digits.count("test") == 359
    assert found["top1"].value >= 0.95
    assert (found["top1"].low or 1) < found["top1"].value < (found["top1"].high or 0)


def test_segmentation_learns_and_scores_the_foreground_too() -> None:
    network = seeded(0, lambda: Tiny(2, 8, dense=True))
    learn(network, Squares(), Schedule(images=800, lr=1e-2, batch=8))
    found = scores("segmentation", exam(network, Squares()).counts, ground=0)
    assert found["miou"].n == 7
    assert 0.9 < (found["miou"].low or 0) <= found["miou"].value <= (found["miou"].high or 0) <= 1
    assert found["foreground"].value > 0.9


def test_the_same_seed_gives_the_same_training_and_another_seed_another() -> None:
    def losses(seed: int) -> list[tuple[int, float]]:
        network = seeded(seed, lambda: Tiny(2, 8, dense=True))
        return learn(network, Squares(), Schedule(images=200, batch=10, seed=seed)).losses

    torch.manual_seed(123)
    first = losses(0)
    torch.manual_seed(321)
    state = torch.get_rng_state()
    assert losses(0) == first != losses(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_design_sees_the_same_images_in_the_same_order() -> None:
    sources = Squares(), Squares()
    for source, channels in zip(sources, (4, 8), strict=True):
        learn(Tiny(2, channels, dense=True), source, Schedule(images=90, batch=8, seed=3))
    assert sources[0].asked == sources[1].asked
    assert len(sources[0].asked) == 90
    assert sorted(sources[0].asked[:40]) == sorted(sources[0].asked[40:80]) == list(range(40))
    assert sources[0].asked[:40] != sources[0].asked[40:80]


def test_order() -> None:
    assert list(islice(order(None, 5), 4)) == [0, 1, 2, 3]
    assert list(islice(order(9, 1), 18)) == list(islice(order(9, 1), 18)) != list(islice(order(9, 2), 18))


def test_processes_share_each_batch_and_its_shifts() -> None:
    schedule = Schedule(images=44, batch=8)
    whole, *shares = (Feed(Squares(), SIZE, schedule, CPU, i, n) for i, n in ((0, 1), (0, 2), (1, 2)))
    for _ in range(6):
        images, targets = whole.batch()
        for i, share in enumerate(shares):
            part, wanted = share.batch()
            assert torch.equal(part, images[i::2]) and torch.equal(wanted, targets[i::2])
    assert [feed.images for feed in (whole, *shares)] == [44, 44, 44]


def test_a_batch_in_parts_is_the_batch() -> None:
    def learnt(at_once: int, images: int = 48) -> Tensor:
        network = seeded(0, lambda: Tiny(2, 8, dense=True)).double()
        learn(network, Doubled(), Schedule(images=images, batch=8, at_once=at_once))
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    torch.testing.assert_close(learnt(3), learnt(0), rtol=1e-12, atol=1e-12)
    assert (learnt(0) - learnt(0, 40)).abs().max() > 1e-6


def test_bfloat16_trains_with_weights_in_float32() -> None:
    network = seeded(0, lambda: Tiny(2, 8, dense=True))
    seen: list[torch.dtype] = []
    network.body[0].register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    model, training = train(
        prepared("cpu", "bfloat16"), network, Squares(), SIZE, Schedule(images=800, lr=1e-2, batch=8)
    )
    assert training.status == "ok" and set(seen) == {torch.bfloat16}
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    found = examine(model, Squares(), "test", SIZE, 400, 8, CPU)
    assert found is not None and scores("segmentation", found.counts)["miou"].value > 0.9


def test_minutes_end_the_training_and_the_cosine_with_it() -> None:
    heard: list[float] = []
    schedule = Schedule(images=10**9, minutes=0.5 / 60, batch=8)
    training = learn(Tiny(2, 8, dense=True), Squares(), schedule, progress=heard.append)
    assert training.status == "ok" and training.stopped_by == "minutes"
    assert 0 < training.images < 10**6 and training.images % 8 == 0
    assert heard == sorted(heard) and heard[-1] == 1.0 and heard[0] < 1.0


def test_progress_and_rate() -> None:
    schedule = Schedule(images=1000, minutes=10, lr=1.0, warmup=0.1)
    assert schedule.progress(500, 60) == 0.5 and schedule.progress(100, 300) == 0.5
    assert schedule.progress(2000, 0) == 1.0
    assert [schedule.rate(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.0, 0.5, 0.0])
    assert schedule.rate(0.05) == pytest.approx(0.5 * 0.9938, abs=1e-3)
    assert Schedule(images=0, minutes=2).progress(10**9, 60) == 0.5


def test_a_loss_that_is_not_finite_is_a_status_one_look_later() -> None:
    network = Tiny(2, 4, dense=True)
    network.head.bias.data.fill_(float("nan"))
    training = learn(network, Squares(), Schedule(images=400, batch=8))
    assert (training.status, training.stopped_by, training.images) == ("nan", "nan", 128)


def test_a_training_that_ends_far_above_a_guess_has_diverged() -> None:
    network = seeded(0, lambda: Tiny(2, 4, dense=True))
    network.head.bias.data.copy_(torch.tensor([20.0, 0.0]))  # sure of the wrong class
    training = learn(network, Squares(), Schedule(images=16, lr=1e-6, batch=8))
    assert (training.status, training.images) == ("diverged", 16)


def test_auxiliary_heads_teach_but_are_no_part_of_the_curve() -> None:
    """They change what the step does to the weights, and neither the loss that is kept nor what counts as diverged."""

    class Helped(Tiny):
        def forward(self, images: Tensor) -> Any:
            logits = super().forward(images)
            return (logits, *(30 * logits for _ in range(4))) if self.training else logits

    plain, helped = (seeded(0, lambda kind=kind: kind(2, 4, dense=True)) for kind in (Tiny, Helped))
    trainings = [learn(network, Squares(), Schedule(images=8, lr=1e-2, batch=8)) for network in (plain, helped)]
    assert trainings[0].losses == trainings[1].losses
    assert trainings[1].status == "ok"
    assert not torch.equal(plain.head.weight, helped.head.weight)


def test_shifts_move_image_and_mask_together() -> None:
    images, targets = Squares().batch("train", range(6), SIZE)
    steps = torch.randint(0, 5, (6, 2), generator=torch.Generator().manual_seed(0))
    moved, masks = shifted(images, targets, steps, 2)
    assert moved.shape == images.shape and not torch.equal(moved, images)
    inner = masks[:, 2:-2, 2:-2]
    seen = inner != IGNORE
    assert torch.equal((moved[:, 0, 2:-2, 2:-2] > 0)[seen].long(), inner[seen])
    same, labels = shifted(images, torch.arange(6), steps, 0)
    assert same is images and labels.tolist() == list(range(6))


def test_the_loss_leaves_out_what_is_ignored() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(2, 4, 4, dtype=torch.int64)
    targets[1] = IGNORE
    torch.testing.assert_close(wrongness(logits, targets) / 16, nn.functional.cross_entropy(logits[:1], targets[:1]))
    assert wrongness(logits, torch.full_like(targets, IGNORE)) == 0


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
    with pytest.raises(ValueError, match=r"^training runs in float32 or bfloat16, not in float16: choose one of these"):
        prepared("cpu", "float16")
    with pytest.raises(ValueError, match=r"^this machine has no CUDA device that torch can use: take the device cpu"):
        prepared("cuda", "float32")
