"""Scenes are a pure function of their index, look the same at every size, and leak nothing."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from suite.data.families import cue, grating
from suite.data.scene import FADING, FINEST, draw
from suite.data.source import IGNORE, load
from suite.data.sources.scenes import Scenes
from variants.contract import Grid

FAMILIES = [("grating", "classification"), ("cue", "segmentation")]
SMALL = Grid(64, 64)


@pytest.mark.parametrize(("family", "task"), FAMILIES)
def test_an_image_depends_on_its_index_alone(family: str, task: str) -> None:
    source = load(f"scenes:{family}", task)
    images, targets = source.batch("test", range(13), SMALL)
    for order in ([12, 3, 7], [5], list(range(12, -1, -1))):
        again, targets_again = source.batch("test", order, SMALL)
        assert torch.equal(again, images[order])
        assert torch.equal(targets_again, targets[order])


@pytest.mark.parametrize(("family", "task"), FAMILIES)
def test_family_split_seed_and_index_each_decide_the_image(family: str, task: str) -> None:
    def first(split: str, seed: int, index: int) -> torch.Tensor:
        return load(f"scenes:{family}", task, seed).batch(split, [index], SMALL)[0]

    images = [first("train", 0, 0), first("test", 0, 0), first("train", 1, 0), first("train", 0, 1)]
    assert all(not torch.equal(a, b) for i, a in enumerate(images) for b in images[:i])
    assert torch.equal(images[0], first("train", 0, 0))


@pytest.mark.parametrize(("family", "task"), FAMILIES)
@pytest.mark.parametrize("size", [Grid(16, 16), Grid(33, 17), Grid(48, 96), Grid(1, 1)], ids=str)
def test_every_size_has_images_and_targets(family: str, task: str, size: Grid) -> None:
    source = load(f"scenes:{family}", task)
    images, targets = source.batch("train", range(3), size)
    assert images.shape == (3, 3, size.y, size.x) and images.dtype == torch.float32 and images.isfinite().all()
    assert targets.shape == ((3,) if task == "classification" else (3, size.y, size.x)) and targets.dtype == torch.int64
    assert 0 <= targets.min() and targets.max() < source.classes


def test_a_wide_image_holds_the_square_scene_in_its_middle() -> None:
    scene = Scenes("cue", 0).scene("train", range(4))
    (image, mask), (wide, wide_mask) = draw(scene, SMALL), draw(scene, Grid(64, 128))
    torch.testing.assert_close(wide[:, :, :, 32:96], image, rtol=0, atol=1e-4)
    assert torch.equal(wide_mask[:, :, 32:96], mask)
    torch.testing.assert_close(wide[:, :, :, :32], scene.ground[:, :, None, None].expand(4, 3, 64, 32))


@pytest.mark.parametrize("family", ["grating", "cue"])
def test_the_same_scene_at_64_and_512_agrees(family: str) -> None:
    scene = Scenes(family, 0).scene("test", range(12))
    small, mask = draw(scene, SMALL)
    large, large_mask = draw(scene, Grid(512, 512))
    seen = torch.ones(12, dtype=torch.bool)
    if family == "grating":
        seen = scene.layers[0].stripes.wave.norm(dim=1) < FADING * 64
        assert 3 <= seen.sum() <= 9
    error = (functional.avg_pool2d(large, 8) - small)[seen].abs()
    assert error.mean() < 0.002  # of the range from black to white
    assert error.max() < 0.2  # at the tips of triangles; elsewhere a straight edge is near to what covers a pixel
    votes = functional.one_hot(large_mask).permute(0, 3, 1, 2).float()
    share = functional.avg_pool2d(votes, 8)  # b k 64 64
    clear = share.amax(1) > 0.75
    assert clear.float().mean() > 0.9
    assert (share.argmax(1) != mask)[clear].float().mean() < 1e-4  # again the tips


def test_masks_agree_with_the_image() -> None:
    scene = Scenes("cue", 3).scene("test", range(32))
    image, mask = draw(scene, Grid(128, 128))
    cue_colour = image[:, :, 2, 2]
    inner = -functional.max_pool2d(-mask.float(), 3, 1, 1) == functional.max_pool2d(mask.float(), 3, 1, 1)
    far = (image - cue_colour[:, :, None, None]).abs().amax(1)
    assert (far[inner & (mask == 1)] < cue.SHADE + 1e-4).all()
    assert (far[inner & (mask == 2)] > 2 * cue.SHADE).all()
    patch = round(cue.PATCH * 128)
    assert (mask[:, :patch, :patch] == 0).all() and (far[:, :patch, :patch] < 1e-5).all()
    rest = functional.max_pool2d(mask.float(), 9, 1, 4) == 0
    rest[:, : patch + 1, : patch + 1] = False
    assert (image.amax(1) - image.amin(1))[rest].max() < 1e-6  # the ground is grey
    assert (image.amax(1) - image.amin(1))[mask > 0].min() > 0.05


def test_objects_neither_touch_nor_leave_the_image() -> None:
    image, mask = draw(Scenes("cue", 1).scene("train", range(64)), Grid(96, 96))
    coloured = (image.amax(1) - image.amin(1)) > 0.05
    coloured[:, :25, :25] = False
    for layer in Scenes("cue", 1).scene("train", range(64)).layers[1:]:
        reach = layer.shape.radius.flatten()[:, None]
        assert ((layer.centre - reach >= 0) & (layer.centre + reach <= 1)).all()
    assert IGNORE not in mask.unique()


def test_classes_are_balanced() -> None:
    labels = Scenes("grating", 0).scene("train", range(4000)).label
    assert (labels.bincount(minlength=4) / 4000 - 0.25).abs().max() < 0.03  # 4 standard errors
    _, mask = draw(Scenes("cue", 0).scene("train", range(1000)), Grid(32, 32))
    share = mask.flatten().bincount(minlength=3) / mask.numel()
    assert abs(share[1] / (share[1] + share[2]) - 0.5) < 0.03
    assert share[1:].sum() > 0.1


@pytest.mark.parametrize(("side", "expected"), [(224, 0.749), (512, 0.877), (1024, 0.984), (8, 0.25), (4096, 1.0)])
def test_the_ceiling_of_grating(side: int, expected: float) -> None:
    source = load("scenes:grating", "classification")
    assert source.ceiling(Grid(side, side)) == pytest.approx(expected, abs=5e-4)
    assert source.ceiling(Grid(2 * side, side)) == source.ceiling(Grid(side, side))
    assert source.chance == 0.25


def test_the_ceiling_of_grating_is_the_share_of_visible_stripes() -> None:
    waves = Scenes("grating", 5).scene("test", range(4000)).layers[0].stripes.wave.norm(dim=1)
    seen = (waves < FINEST * 224).float().mean().item()
    assert seen + (1 - seen) / 4 == pytest.approx(grating.ceiling(Grid(224, 224)), abs=0.025)


def test_stripes_too_fine_for_the_pixels_leave_no_trace() -> None:
    scene = Scenes("grating", 0).scene("test", range(64))
    layer = scene.layers[0]
    hidden = layer.stripes.wave.norm(dim=1) > FINEST * 64
    image, mask = draw(scene, SMALL)
    plain = layer.colour[:, :, None, None].expand_as(image)
    inside = -functional.max_pool2d(-mask.float(), 5, 1, 2) == 1
    error = ((image - plain).abs().amax(1) * inside).flatten(1).amax(1)
    assert 10 < hidden.sum() < 54
    assert (error[hidden] < 1e-6).all()
    assert (error[layer.stripes.wave.norm(dim=1) < FADING * 64] > 0.1).all()


def test_the_chance_of_cue_is_what_a_coin_scores() -> None:
    from suite.training import score

    source = load("scenes", "segmentation")
    _, mask = source.batch("test", range(1000), Grid(32, 32))
    coin = torch.randint(1, 3, mask.shape, generator=torch.Generator().manual_seed(0))
    counts = score.counts(torch.where(mask > 0, coin, 0), mask, 3)
    assert score.miou(counts).value == pytest.approx(source.chance, abs=0.01)
    assert score.foreground(counts) == pytest.approx(0.5, abs=0.01)


def test_defaults_by_task() -> None:
    assert load("scenes", "classification").name == "scenes:grating"
    assert load("scenes", "segmentation").name == "scenes:cue"
    assert load("scenes", "segmentation").count("train") is None


@pytest.mark.parametrize(
    ("name", "task", "sentence"),
    [
        ("scene", "classification", "unknown data scene: take scenes"),
        ("", "classification", "unknown data : take digits or folder or scenes"),
        ("scenes:gratings", "classification", "unknown family of scenes gratings: take grating"),
        ("scenes:cue", "classification", "scenes:cue is not for classification: take scenes:grating"),
        ("scenes", "detection", "unknown task detection: take one of classification, segmentation"),
        ("digits", "segmentation", "digits has classes but no masks for segmentation: take scenes, or folder:PATH"),
        ("digits:7", "classification", "digits takes no detail, so digits:7 means nothing: take digits"),
    ],
)
def test_refusals(name: str, task: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace("(", r"\(")):
        load(name, task)
