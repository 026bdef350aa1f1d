"""An accuracy case becomes a record: scores with what they lie between, the search for a rate, and what went wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import ConvNet, find
from PIL import Image

from avbench.find import find as avbench_find
from suite.case import Case
from suite.data.source import load
from suite.field import effective
from suite.measure import Bench, designed
from suite.record import Record
from suite.training import cell, search
from suite.training.keep import Keep
from suite.training.loop import seeded
from suite.training.search import SEED, VALIDATION, Searching, Tried
from variants.contract import Grid

CASE = Case(
    "accuracy", "convnet", "isotropic", "none", "classification", 10, 16, 16, mode="train", batch=16, data="digits",
    train_images=640, lr=3e-3, seed=1,
)  # fmt: skip


def measured(keep: Keep = Keep(), **changes: Any) -> Record:  # noqa: B008  # frozen
    return Bench(find).measure(replace(CASE, **changes), keep=keep)


def test_a_record_holds_the_score_and_what_it_lies_between() -> None:
    record = measured()
    assert (record.status, record.reason) == ("ok", "")
    metrics, source = record.metrics, load("digits", "classification")
    top1 = metrics["top1"]
    assert 0.3 < top1.value < 1 and top1.n == metrics["test_images"].value == 359
    assert (top1.low or 1) < top1.value < (top1.high or 0)
    assert metrics["chance"].value == source.chance(Grid(16, 16)) and "ceiling" not in metrics
    assert (metrics["native"].value, metrics["upsampled_x"].value) == (8, 2)
    assert (metrics["images_seen"].value, metrics["lr"].value, metrics["never_left"].value) == (640, 3e-3, 0)
    assert metrics["images_to_leave"].value in (512, 640) and record.notes["plateau_loss"] == pytest.approx(
        log(10), 1e-3
    )
    assert not {"boundary_iou", "boundary_chance"} & set(metrics) and "foreground_losses" not in record.notes
    assert metrics["train_ms_per_image"].value == pytest.approx(1e3 * metrics["train_seconds"].value / 640)
    assert metrics["images_per_s"].value == pytest.approx(1e3 / metrics["train_ms_per_image"].value)
    assert metrics["test_img_s"].value > 0
    assert record.notes["stopped_by"] == "images" and record.notes["losses"][-1][0] == 640
    assert Record.from_json(record.to_json()).metrics == metrics


def test_the_effective_field_is_that_of_the_same_images_before_and_after_training(tmp_path: Path) -> None:
    case = replace(CASE, design="vit", position="learned", patch=4, widths=(16,), train_images=320)
    record = Bench(avbench_find).measure(case, keep=Keep(str(tmp_path), weights=True))
    network = seeded(1, lambda: designed(case, avbench_find).build("classification", 10, Grid(16, 16))).eval()
    images, _ = load("digits", "classification").batch("test", range(4), Grid(16, 16))
    found = {"before": effective(network, images)}
    (path,) = (tmp_path / "checkpoints").glob("*.final.pt")
    network.load_state_dict(torch.load(path, weights_only=True)["state"]["network"])
    found["after"] = effective(network, images)
    assert found["before"] != found["after"]
    for when, shares in found.items():
        assert tuple(record.metrics[f"effective_{of}_{when}"].value for of in ("tokens", "pixels")) == shares
    assert record.metrics["effective_tokens_after"].unit == "of tokens" and "no_field" not in record.notes


def test_batch_norms_settle_before_training_and_keep_what_they_learnt_after(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[torch.Tensor] = []

    def watched(network: Any, images: torch.Tensor) -> tuple[float, float]:
        assert not network.training and len(images) == 4
        norms.append(network.backbone[1].running_mean.clone())
        return 0.5, 0.5

    monkeypatch.setattr(cell, "effective", watched)
    monkeypatch.setattr(ConvNet, "layers", lambda network: list(network.backbone), raising=False)
    measured(train_images=160)
    network = seeded(1, lambda: find("convnet").build("classification", 10, Grid(16, 16)))
    images, _ = load("digits", "classification").batch("test", range(4), Grid(16, 16))
    torch.testing.assert_close(norms[0], network.backbone[0](images).mean((0, 2, 3)))  # type: ignore[index, operator]
    assert not torch.allclose(norms[0], norms[1])


@pytest.mark.parametrize("knows", [False, True])
def test_a_field_that_is_unknown_takes_nothing_from_the_score(knows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(network: Any, images: torch.Tensor) -> tuple[float, float]:
        raise MemoryError("no room")

    if knows:
        monkeypatch.setattr(ConvNet, "layers", lambda network: list(network.backbone), raising=False)
    monkeypatch.setattr(cell, "effective", too_large)
    record = measured(train_images=160)
    why = "the memory ran out (MemoryError: no room)" if knows else "the design does not tell its layers"
    assert (record.status, record.notes["no_field"]) == ("ok", why) and "top1" in record.metrics
    assert not [name for name in record.metrics if name.startswith("effective")]


def test_segmentation_of_scenes_has_a_ceiling_and_a_plateau() -> None:
    record = measured(design="tiny", data="scenes:cue", task="segmentation", classes=3, train_images=32)
    metrics = record.metrics
    assert metrics["ceiling"].value == 1.0
    assert metrics["never_left"].value == 1.0, "32 images teach nothing"
    assert "images_to_leave" not in metrics and len(record.notes["foreground_losses"]) == 1
    assert {"miou", "boundary_iou", "foreground"} < set(metrics)
    boundary = metrics["boundary_iou"]
    assert boundary.n == 400 and (boundary.low or 1) < boundary.value < (boundary.high or 0)
    assert metrics["boundary_chance"].value == metrics["chance"].value


def test_groups_and_further_splits_have_scores_of_their_own() -> None:
    legend = measured(design="tiny", data="scenes:legend", task="segmentation", classes=5, train_images=16).metrics
    groups = [name for name in legend if name.startswith("miou_")]
    assert groups == [f"miou_{group}" for group in load("scenes:legend", "segmentation").groups] != []
    assert sum(legend[name].n for name in groups) == legend["test_images"].value
    relation = measured(design="tiny", data="scenes:relation", classes=8, train_images=16).metrics
    splits = [name for name in relation if name.startswith("top1_")]
    assert splits == [f"top1_{split}" for split in load("scenes:relation", "classification").further] != []
    assert {relation[name].n for name in splits} == {400}


def test_a_test_set_that_ends_is_examined_whole(tmp_path: Path) -> None:
    for split, count in (("train", 2), ("test", 201)):
        for number in range(2):
            folder = tmp_path / split / "ab"[number]
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("L", (4, 4), 255 * number).save(folder / f"{i}.png")
    found = measured(data=f"folder:{tmp_path}", classes=2, train_images=16).metrics
    assert (found["top1"].n, found["test_images"].value) == (402, 402)


def test_the_same_case_gives_the_same_record_but_for_its_times() -> None:
    def timeless(record: Record) -> dict[str, Any]:
        seconds = {"train_seconds", "train_ms_per_image", "images_per_s", "test_img_s"}
        return {"notes": record.notes} | {k: v for k, v in record.metrics.items() if k not in seconds}

    torch.manual_seed(99)
    first = measured(train_images=160)
    assert timeless(measured(train_images=160)) == timeless(first) != timeless(measured(train_images=160, seed=2))


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"design": "nan"}, "nan", "the loss or the answers are not finite: lower the rate"),
        ({"lr": 1e6, "train_images": 32}, "diverged", "the loss ended far above that of a blind guess: lower the rate"),
        ({"data": "nowhere"}, "error", "unknown data nowhere"),
        ({"dtype": "float16"}, "error", "training runs in float32 or bfloat16, not in float16"),
    ],
)
def test_what_went_wrong_is_a_status(changes: dict[str, Any], status: str, said: str) -> None:
    record = measured(**changes)
    assert (record.status, record.metrics) == (status, {})
    assert said in record.reason


def test_the_search_picks_a_rate_once_for_all_seeds(tmp_path: Path) -> None:
    keep, told = Keep(str(tmp_path)), list[float]()
    case = replace(CASE, lr=0.0, lrs=(1e-6, 3e-3, 1e6))
    record = Bench(find, told.append).measure(case, keep=keep)
    tried = {one["lr"]: one for one in record.notes["search"]}
    assert [one["status"] == "ok" for one in tried.values()] == [True, True, False]
    assert tried[3e-3]["value"] > tried[1e-6]["value"] + 0.2
    assert tried[3e-3]["images"] == tried[1e-6]["images"] == 640 > tried[1e6]["images"]
    assert record.metrics["lr"].value == 3e-3 and record.notes["rate_at_edge"] is False
    assert told == sorted(told) and told[-1] == 1.0
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [f"{case.id}.pt"]  # until it is recorded
    (file,) = (tmp_path / "searches").iterdir()
    file.write_text(json.dumps(json.loads(file.read_text())[:1]))  # as if the search had been cut short
    again = Bench(find).measure(replace(case, seed=5), keep=keep)
    assert [one["value"] for one in again.notes["search"]] == [one["value"] for one in tried.values()]
    assert again.metrics["top1"].value != record.metrics["top1"].value


def test_a_search_without_a_sound_rate_has_no_accuracy() -> None:
    record = measured(lr=0.0, lrs=(1e6, 1e7), train_images=32)
    assert record.status in ("nan", "diverged") and record.metrics == {}
    assert record.reason == "every rate failed: choose smaller ones"


def test_the_best_rate() -> None:
    tried = [Tried(1.0, "ok", 0.5), Tried(2.0, "ok", 0.7), Tried(4.0, "ok", 0.7), Tried(8.0, "nan", 0.9)]
    chosen = search.best(tried)
    assert chosen == tried[1] and not search.is_at_edge(tried, chosen)
    assert search.is_at_edge(tried[1:], tried[1])
    assert search.best(tried[3:]) is None


def test_a_search_never_sees_test_images_nor_trains_on_validation() -> None:
    source = load("digits", "classification")
    searching = Searching(source)
    parts = searching.places["train"] + searching.places[VALIDATION]
    assert sorted(parts) == list(range(source.count("train") or 0))
    assert len(searching.places[VALIDATION]) == round(0.2 * len(parts))
    images, _ = searching.batch(VALIDATION, [0], Grid(8, 8))
    assert torch.equal(images, source.batch("train", searching.places[VALIDATION][:1], Grid(8, 8))[0])
    endless = [Searching(load("scenes:cue", "segmentation", seed)) for seed in (0, SEED)]
    drawn = [s.batch(split, [0], Grid(16, 16))[0] for s in endless for split in ("train", VALIDATION, "test")]
    assert len({tuple(image.flatten().tolist()) for image in drawn}) == 6


def one_picture(root: Path) -> dict[str, Any]:
    """What makes a case segment a folder with one picture to train and one to test."""
    for split, kind in product(("train", "test"), ("images", "masks")):
        (folder := root / split / kind).mkdir(parents=True)
        Image.fromarray(np.array([[0] * 8 + [1] * 8] * 16, np.uint8)).save(folder / "one.png")
    return {"design": "tiny", "data": f"folder:{root}", "task": "segmentation", "classes": 2}


def test_a_folder_has_no_ground_so_no_foreground_is_scored(tmp_path: Path) -> None:
    metrics = measured(**one_picture(tmp_path), train_images=16).metrics
    assert "miou" in metrics and "foreground" not in metrics
    assert metrics["boundary_chance"].value == 0.0


def test_one_picture_is_too_few_for_a_search(tmp_path: Path) -> None:
    record = measured(**one_picture(tmp_path), lrs=(1e-3, 2e-3))
    assert record.status == "error" and "add pictures, or leave out --lr-search" in record.reason


def test_validation_takes_no_more_of_a_large_set_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    source = load("digits", "classification")
    monkeypatch.setattr(source, "count", lambda split: 10_000)
    large = Searching(source)
    assert (large.count("train"), large.count(VALIDATION)) == (9_600, 400)


def test_seeds_share_a_search_and_other_networks_have_their_own() -> None:
    assert search.name_of(CASE) == search.name_of(replace(CASE, seed=7, tests=("32",)))
    assert search.name_of(CASE) != search.name_of(replace(CASE, height=32))


def test_weights_stay_where_they_are_asked_for(tmp_path: Path) -> None:
    record = measured(Keep(str(tmp_path), weights=True), train_images=32)
    (path,) = (tmp_path / "checkpoints").glob("*.final.pt")
    assert path.name == f"{record.id}.final.pt"
    weights = torch.load(path, weights_only=True)["state"]["network"]
    network = find("convnet").build("classification", 10, Grid(16, 16))
    network.load_state_dict(weights)
    assert measured(Keep(str(tmp_path / "other")), train_images=32).status == "ok"
    assert not list((tmp_path / "other").rglob("*.final.pt"))


def test_weights_that_cannot_be_written_take_no_training_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoints").write_text("no folder, as a full disk has no room")
    assert measured(Keep(str(tmp_path), weights=True), train_images=32).status == "ok"
    assert "final.pt: " in capsys.readouterr().err
