"""Augmentation changes images and masks alike, is drawn by seed and step alone, and is refused where it would lie."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from report_fakes import learnt
from sweeps import CALIBRATIONS, axes, pretend
from test_accuracy_cell import CASE, measured
from test_training import CPU, SIZE, Squares, Tiny, learn
from torch import Tensor

from avbench.planning import told
from avbench.request import Request
from reports.frame import tidy
from suite.axes import Limits
from suite.data.source import IGNORE, MEAN, STD, load
from suite.plan import plan
from suite.training import search
from suite.training.augment import named
from suite.training.feed import Feed, shifted
from suite.training.loop import seeded
from suite.training.recipe import Schedule
from variants.contract import Grid

ALL = "shift+flip+crop+color"


class Blocks(Squares):
    """Segmentation of a bright block in the left half; the lower right is IGNORE. Nothing in it is on the edge."""

    def batch(self, split, indices, size, device="cpu"):  # type: ignore[no-untyped-def]
        targets = torch.zeros(len(indices), size.y, size.x, dtype=torch.int64)
        targets[:, size.y // 4 : size.y // 2, 2 : size.x // 3] = 1
        targets[:, 3 * size.y // 4 :, 3 * size.x // 4 :] = IGNORE
        light = torch.where(targets == 1, 0.9, torch.where(targets == IGNORE, 0.1, 0.5))[:, None].expand(-1, 3, -1, -1)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        return (light - mean) / std, targets


def feed(augment: str, source: Squares | None = None, seed: int = 0, process: int = 0, processes: int = 1) -> Feed:
    schedule = Schedule(images=44, batch=8, augment=augment, seed=seed)
    return Feed(source or Blocks(), Grid(48, 48), schedule, CPU, process, processes)


def light_of(images: Tensor) -> Tensor:
    """The first channel, from 0 to 1."""
    return images[:, 0] * STD[0] + MEAN[0]


def test_a_shift_is_what_it_always_was_and_needs_no_kornia(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia", None)
    source, chance = Squares(), torch.Generator().manual_seed(3)
    steps = torch.randint(0, 2 * 5 + 1, (8, 2), generator=chance)
    images, targets = feed("shift", source, seed=3).batch()
    plain, masks = feed("none", seed=3, source=source).batch()
    for found, wanted in zip((images, targets), shifted(plain, masks, steps, 5), strict=True):
        assert torch.equal(found, wanted)
    assert not torch.equal(images, plain) and torch.equal(
        plain, source.batch("train", source.asked[:8], Grid(48, 48))[0]
    )
    with pytest.raises(ImportError):
        feed("flip")


def test_a_flip_mirrors_every_second_image_and_its_mask() -> None:
    images, targets = Blocks().batch("train", range(44), Grid(48, 48))
    found = feed("flip")
    batches = [found.batch() for _ in range(6)]
    after, masks = (torch.cat(parts) for parts in zip(*batches, strict=True))
    flipped = (masks[:, :, 40:] == 1).any((1, 2))
    assert 10 < flipped.sum() < 34
    torch.testing.assert_close(after, torch.where(flipped[:, None, None, None], images.flip(3), images))
    assert torch.equal(masks, torch.where(flipped[:, None, None], targets.flip(2), targets))


def test_a_crop_enlarges_image_and_mask_together() -> None:
    found = feed("crop")
    images, masks = (torch.cat(parts) for parts in zip(*(found.batch() for _ in range(6)), strict=True))
    light = light_of(images)
    sure = {1: light > 0.85, IGNORE: light < 0.12, 0: (light - 0.5).abs() < 1e-4}
    for label, where in sure.items():
        assert where.sum() > 500 and (masks[where] == label).all()
    assert set(masks.unique().tolist()) == {IGNORE, 0, 1}
    area = (masks == 1).flatten(1).sum(1)
    assert area.max() > 1.5 * 12 * 14 and len(area.unique()) > 20


def test_colours_change_and_neither_places_nor_masks_do() -> None:
    before, targets = Blocks().batch("train", range(8), Grid(48, 48))
    images, masks = feed("color").batch()
    assert torch.equal(masks, targets)
    light = light_of(images)
    for label in (0, 1, IGNORE):
        inside = [part[mask == label] for part, mask in zip(light, masks, strict=True)]
        assert all(float(part.max() - part.min()) < 1e-5 for part in inside)
        assert len({round(float(part[0]), 3) for part in inside}) > 4
    assert light.min() > -1e-5 and light.max() < 1 + 1e-5 and images.dtype == before.dtype


def test_what_a_shift_left_open_stays_open_through_all_of_them() -> None:
    source = Blocks(shift=0.4)
    images, masks = feed(ALL, source).batch()
    assert images.isfinite().all() and masks.dtype == torch.int64
    assert set(masks.unique().tolist()) == {IGNORE, 0, 1}
    assert (masks == IGNORE).float().mean() > (source.batch("train", [0], Grid(48, 48))[1] == IGNORE).float().mean()


def test_classes_stay() -> None:
    digits = load("digits", "classification")
    images, labels = Feed(digits, SIZE, Schedule(images=44, batch=8, augment="crop+color"), CPU).batch()
    plain, wanted = Feed(digits, SIZE, Schedule(images=44, batch=8), CPU).batch()
    assert images.shape == plain.shape and not torch.equal(images, plain) and torch.equal(labels, wanted)


def test_seed_and_step_alone_decide() -> None:
    def batches(seed: int = 0, global_seed: int = 0) -> list[Tensor]:
        torch.manual_seed(global_seed)
        found = feed(ALL, seed=seed)
        return [found.batch()[0] for _ in range(3)]

    first = batches()
    state = torch.get_rng_state()
    assert all(map(torch.equal, first, batches(global_seed=7)))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[0], batches(seed=1)[0])
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state), "torch's own generator went on"


def test_a_feed_goes_on_as_if_nothing_had_happened() -> None:
    whole, again = feed(ALL), feed(ALL)
    for _ in range(2):
        whole.batch()
    again.restore(whole.state())
    for _ in range(3):
        assert all(map(torch.equal, whole.batch(), again.batch()))


def test_processes_share_what_was_drawn_for_a_batch() -> None:
    whole, *shares = (feed(ALL, process=i, processes=n) for i, n in ((0, 1), (0, 2), (1, 2)))
    for _ in range(6):
        images, targets = whole.batch()
        for i, part in enumerate(shares):
            some, wanted = part.batch()
            assert torch.equal(some, images[i::2]) and torch.equal(wanted, targets[i::2])


def test_a_training_learns_from_augmented_images_the_same_way_twice() -> None:
    def trained() -> tuple[list[tuple[int, float]], Tensor]:
        network = seeded(0, lambda: Tiny(2, 8, dense=True))
        losses = learn(network, Squares(), Schedule(images=96, lr=1e-2, batch=8, augment="shift+flip")).losses
        return losses, network.head.weight

    (losses, weight), (same, other) = trained(), trained()
    assert losses == same and torch.equal(weight, other)


def test_names_have_one_spelling() -> None:
    assert [named(text) for text in ("color+shift", " flip + flip", "none", ALL)] == [
        "shift+color",
        "flip",
        "none",
        ALL,
    ]
    for text in ("", "none+flip", "flip,crop", "rotate"):
        with pytest.raises(
            ValueError, match=r"no augmentation: join some of shift, flip, crop, color by \+, or take none"
        ):
            named(text)


def test_what_would_lie_is_refused() -> None:
    def asked(augment: str, data: str) -> str:
        return Request(augment=augment, data=data, device="cpu", task="classification").axes().learning.augment

    assert asked("color+crop+shift", "digits") == "shift+crop+color"
    assert asked("none", "scenes:grating") == "none"
    with pytest.raises(
        ValueError, match=r"^--augment flip may change what images of digits mean: choose of shift, crop, col"
    ):
        asked("shift+flip", "digits")
    with pytest.raises(
        ValueError, match=r"^--augment color may change what .* scenes:relation mean: choose of shift, none$"
    ):
        asked("color", "digits,scenes:relation")


def test_without_kornia_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia", None)
    with pytest.raises(ValueError, match=r"^--augment crop needs the library kornia: pip install kornia$"):
        Request(augment="crop", data="digits", device="cpu", task="classification").axes()
    Request(augment="none", data="digits", device="cpu", task="classification").axes()


def test_a_record_says_how_its_images_were_augmented(tmp_path: Path) -> None:
    plain, augmented = measured(train_images=64), measured(train_images=64, augment="crop+color")
    assert (plain.status, augmented.status) == ("ok", "ok") and augmented.case.augment == "crop+color"
    assert plain.notes["losses"] != augmented.notes["losses"]
    assert len({replace(CASE, augment=name).id for name in ("none", "shift", "flip", "shift+flip")}) == 4
    assert search.name_of(CASE) != search.name_of(replace(CASE, augment="flip"))
    assert told(replace(CASE, augment="flip")) == "accuracy augment flip" and told(CASE) == "accuracy"


def test_cases_that_were_made_before_there_was_a_choice_keep_their_ids() -> None:
    assert CASE.id == "1ad939a9dacb6076" and CASE.augment == "shift"


def test_a_report_names_every_augmentation_but_the_usual_one() -> None:
    usual, flipped = learnt("vit", 0.5, 0.6), learnt("vit", 0.7, 0.8, augment="shift+flip")
    for records, settings in (
        (usual, {""}),
        (flipped, {"augment shift+flip"}),
        (usual + flipped, {"", "augment shift+flip"}),
    ):
        frame = tidy(records)
        assert set(frame["setting"]) == settings
        assert len(frame[frame["metric"] == "top1"]) == len(settings)


def test_a_plan_counts_what_augmenting_takes() -> None:
    from fakes import find

    def seconds(augment: str) -> float:
        asked = axes(256, metrics="accuracy")
        learning = replace(asked.learning, augment=augment, minutes=0.0, images=10_000, most=None)
        return plan([find("tiny")], replace(asked, learning=learning), CALIBRATIONS, Limits(1e6), pretend).seconds

    assert seconds("shift") == seconds("none")
    assert seconds("flip+color") - seconds("shift") == pytest.approx(10_000 * 256**2 * 1.9e-7)
