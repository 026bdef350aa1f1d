"""Learning from masked patches first: what is hidden, what is to be filled in, by whom, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from fakes import find
from narrow import shrunk
from test_accuracy_cell import CASE, measured
from test_plan import CALIBRATIONS, LIMITS, axes, pretend
from test_training import CPU, Squares
from torch import Tensor, nn

from avbench.find import find as found
from avbench.find import names
from suite.data.source import IGNORE, load
from suite.forms import shaped
from suite.plan import plan
from suite.training import cell
from suite.training.loop import prepared, seeded, train
from suite.training.masked import Filling, Masked, hidden, masked, patch_side, pixels, refusal, squares
from suite.training.recipe import Schedule
from variants.contract import Grid
from variants.recipe import step

FIRST = replace(CASE, pretrain_images=160, train_images=160, patch=4)
SIZE = Grid(24, 40)


def contours(images: int, size: Grid = SIZE) -> Tensor:
    return load("scenes:contour", "segmentation").batch("train", range(images), size)[0]


def test_of_each_image_the_same_share_of_patches_is_replaced_by_its_mean() -> None:
    images, patches = contours(6), hidden(6, SIZE, 8, torch.Generator().manual_seed(0))
    assert patches.shape == (6, 3, 5) and patches.sum((1, 2)).tolist() == [9] * 6
    assert len({tuple(one.flatten().tolist()) for one in patches}) > 1
    shown, targets = masked(images, patches, 8)
    there = patches.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None].expand_as(images)
    assert torch.equal(shown[~there], images[~there]) and torch.equal(targets == IGNORE, ~there)
    torch.testing.assert_close(shown[there], images.mean((2, 3), keepdim=True).expand_as(images)[there])
    deviation = (images - images.mean((2, 3), keepdim=True)).square().mean((1, 2, 3), keepdim=True).sqrt()
    torch.testing.assert_close((shown + targets * deviation)[there], images[there])


def test_the_mean_is_wrong_by_one() -> None:
    images = contours(400)
    _, targets = masked(images, hidden(400, SIZE, 8, torch.Generator().manual_seed(0)), 8)
    counted = (targets != IGNORE).sum()
    assert squares(torch.zeros_like(images), targets) / counted == pytest.approx(1.0, abs=0.03)
    assert squares(torch.full_like(images, 0.1), targets) > squares(torch.zeros_like(images), targets)
    assert squares(targets, targets) == 0


def test_an_image_of_one_colour_has_nothing_to_learn_from() -> None:
    _, targets = masked(torch.full((1, 3, 8, 8), 0.3), torch.ones(1, 2, 2, dtype=torch.bool), 4)
    assert targets.abs().max() < 1


def test_processes_share_each_batch_and_what_it_hides() -> None:
    schedule = Schedule(images=24, batch=8)
    whole, *shares = (Masked(4, Squares(), Grid(16, 16), schedule, CPU, i, n) for i, n in ((0, 1), (0, 2), (1, 2)))
    for _ in range(3):
        images, targets = whole.batch()
        for i, share in enumerate(shares):
            part, wanted = share.batch()
            assert torch.equal(part, images[i::2]) and torch.equal(wanted, targets[i::2])


@pytest.mark.parametrize(
    ("size", "token", "side"),
    [(64, 0, 16), (64, 8, 8), (224, 0, 32), (224, 8, 32), (512, 0, 64), (1024, 8, 128), (96, 12, 12)],
)
def test_a_patch_is_an_eighth_of_the_side_or_a_token(size: int, token: int, side: int) -> None:
    assert patch_side(Grid(2 * size, size), token) == side


@pytest.mark.parametrize("name", names())
def test_no_token_of_any_design_is_hidden_in_part(name: str) -> None:
    for patch in (0, 8, 4):
        stem = shaped(found(name), "", "", patch).layout.stem  # type: ignore[attr-defined]  # a Recipe
        if hasattr(stem.make, "finer"):  # others are networks of convolutions
            assert patch_side(Grid(64, 64), patch) % step(stem) == 0


@pytest.mark.parametrize("name", names())
def test_every_design_fills_in_and_all_of_its_backbone_learns(name: str) -> None:
    network = shrunk(found(name)).build("classification", 3, Grid(32, 64))
    filling = Filling(network.backbone, Grid(32, 64)).train()
    nn.init.normal_(filling.to_pixels.weight)
    filled = filling(torch.randn(2, 3, 32, 64))
    assert filled.shape == (2, 3, 32, 64)
    filled.square().sum().backward()
    assert [n for n, p in filling.named_parameters() if p.grad is None] == []


def test_the_last_features_are_filled_in_whatever_the_decoder_takes() -> None:
    network = found("vit").with_decoder("mla").build("segmentation", 3, Grid(40, 56))
    filling = Filling(network.backbone, Grid(40, 56))
    assert filling.side == 14 and filling(torch.randn(1, 3, 40, 56)).shape == (1, 3, 40, 56)
    assert not filling(torch.randn(1, 3, 40, 56)).any(), "it begins as the constant guess"


def test_hidden_stripes_are_filled_in_better_than_by_any_constant() -> None:
    size, source = Grid(16, 16), load("scenes:grating", "classification")
    network = seeded(0, lambda: find("convnet").build("classification", 4, size))
    filling, schedule = Filling(network.backbone, size), Schedule(images=640, lr=3e-3, batch=16)
    _, training = train(prepared("cpu", "float32"), filling, source, size, schedule, objective=pixels(4))
    assert training.status == "ok"
    assert training.losses[-1][1] < 0.75 < training.losses[0][1] < 1


def test_the_record_tells_both_phases() -> None:
    record = measured(**vars(FIRST))
    before, metrics = record.notes["pretraining"], record.metrics
    assert (record.status, before["stopped_by"], before["images"], before["guess"]) == ("ok", "images", 160, 1.0)
    assert before["losses"][-1][0] == 160 and before["losses"][-1][1] < 1
    assert record.notes["losses"][-1][0] == 160 and record.notes["stopped_by"] == "images"
    assert metrics["images_seen"].value == 320 and metrics["train_seconds"].value > before["seconds"]
    assert metrics["top1"].value != measured(**vars(replace(FIRST, pretrain_images=0))).metrics["top1"].value


def test_labels_are_learnt_by_the_backbone_that_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict[str, Tensor]] = []

    def spied(fabric: Any, network: nn.Module, *given: Any) -> Any:
        begun.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        found = train(fabric, network, *given)
        begun.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return found

    monkeypatch.setattr(cell, "train", spied)
    assert measured(**vars(FIRST)).status == "ok"
    at_first, filled, taken, _ = begun
    for name in (name for name in taken if name.startswith("backbone.")):
        assert torch.equal(taken[name], filled[name]), name
    assert not torch.equal(taken["backbone.0.weight"], at_first["backbone.0.weight"])
    assert "to_pixels.weight" not in taken


def test_what_goes_wrong_before_any_label_is_a_status() -> None:
    record = measured(**vars(replace(FIRST, lr=1e6)))
    assert record.status in ("nan", "diverged") and record.metrics == {}
    assert record.reason.startswith("on masked patches, the loss")
    assert record.notes["pretraining"]["stopped_by"] == record.status


def test_a_plan_counts_both_phases() -> None:
    def seconds(**learning: Any) -> float:
        asked = replace(axes(32, metrics="accuracy"), patch=8)
        asked = replace(asked, learning=replace(asked.learning, **learning))
        (planned,) = plan([find("convnet")], asked, CALIBRATIONS, LIMITS, pretend).cases
        assert planned.case.pretrain_images == learning.get("pretrain_images", 0)
        return planned.seconds

    both = seconds(images=1000, minutes=0, pretrain_images=2000)
    assert both == pytest.approx(seconds(images=3000, minutes=0)) and both > seconds(images=1000, minutes=0)
    many = 10**12
    assert seconds(images=many, minutes=1, pretrain_images=many) == pytest.approx(seconds(images=many, minutes=2))


def test_one_patch_is_not_hidden() -> None:
    case, design = replace(FIRST, patch=0), find("convnet")
    said = "one patch of 16 pixels is the whole image: give a smaller --patch, or leave out --pretrain-images"
    assert refusal(case, design) == said
    assert refusal(replace(case, patch=8), design) == refusal(replace(case, pretrain_images=0), find("tiny")) == ""


def test_who_does_not_tell_its_backbone_does_not_apply() -> None:
    asked = replace(axes(32, metrics="accuracy"), patch=8, learning=replace(axes(32).learning, pretrain_images=1))
    able, unable = plan([find("convnet"), find("tiny")], asked, CALIBRATIONS, LIMITS, pretend).cases
    assert (able.status, unable.status) == ("ok", "not_applicable")
    assert unable.reason == "tiny does not tell its backbone: leave out --pretrain-images"
