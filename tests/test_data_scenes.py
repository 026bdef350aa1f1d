"""What holds of every family: scenes are a pure function of their index, look the same at every size, and are one
description of image, mask, class, boxes and caption."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from suite.data.dice import Dice
from suite.data.scene import FADING, Scene, draw
from suite.data.source import IGNORE, Source, load, names_in
from suite.data.sources.scenes import FAMILIES, Scenes, family_named
from suite.data.told import boxes, captions
from suite.data.words import COLOURS, PLACES, SHAPES
from variants.contract import Grid

NAMES = names_in(FAMILIES)
SMALL, BOXED = Grid(64, 64), Grid(256, 256)


def source(family: str, seed: int = 0) -> Source:
    return load(f"scenes:{family}", family_named(family).TASK, seed)


class Heard(TorchDispatchMode):
    """The names of torch's operators, as they are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def drawn(source: Source, first: int, device: str = "cpu") -> None:
    """Two images of every split."""
    for split in ("train", "test", *source.further):
        source.batch(split, range(first, first + 2), Grid(16, 16), device)


def quiet(family: str, split: str, n: int) -> Scene:
    """Scenes without noise, which is drawn anew at every size."""
    return replace(Scenes(family, 0).scene(split, range(n)), noise=None)


def alone(scene: Scene, place: int) -> Scene:
    """One layer, white on black."""
    layer = scene.layers[place]
    white = replace(layer, colour=torch.ones_like(layer.colour), stripes=None)
    return replace(scene, ground=torch.zeros_like(scene.ground), layers=(white,))


def numbers(part: Any) -> list[Tensor]:
    """All tensors of a description."""
    if is_dataclass(part):
        part = tuple(getattr(part, field.name) for field in fields(part))
    if isinstance(part, tuple):
        return [tensor for inner in part for tensor in numbers(inner)]
    return [part] if isinstance(part, Tensor) else []


def test_the_dice_fall_as_they_always_did() -> None:
    thrown = Dice("cue train 0", [0, 7]).throw(2)
    assert (thrown * 2**24).long().tolist() == [[5202008, 12911712], [13039542, 10487374]]


@pytest.mark.parametrize("family", NAMES)
def test_a_later_batch_waits_for_nothing(family: str) -> None:
    """Whatever is made of numbers of Python's (`lift_fresh`), or becomes some, waits for the device on CUDA.

    The dice of each split are made of NumPy's, and sent without waiting.
    """
    scenes = source(family)
    drawn(scenes, 0)
    with Heard() as heard:
        drawn(scenes, 2)
    assert heard.names.count("lift_fresh") == len(("train", "test", *scenes.further))
    assert not {"_local_scalar_dense", "nonzero"} & set(heard.names)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("family", NAMES)
def test_a_later_batch_does_not_wait_for_cuda(family: str) -> None:
    scenes = source(family)
    drawn(scenes, 0, "cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn(scenes, 2, "cuda")
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("family", NAMES)
def test_an_image_depends_on_its_index_alone(family: str) -> None:
    images, targets = source(family).batch("test", range(13), SMALL)
    for order in ([12, 3, 7], [5], list(range(12, -1, -1))):
        again, targets_again = source(family).batch("test", order, SMALL)
        assert torch.equal(again, images[order])
        assert torch.equal(targets_again, targets[order])


@pytest.mark.parametrize("family", NAMES)
def test_a_description_does_not_depend_on_its_batch(family: str) -> None:
    """To the last bit, though torch rounds some functions otherwise in the rest of a tensor that fills no vector."""
    scenes = Scenes(family, 0)
    whole = numbers(scenes.scene("train", range(512)))
    for batch, images in ((16, 512), (17, 512), (31, 512), (1, 64)):
        parts = [range(images)[first : first + batch] for first in range(0, images, batch)]
        found = zip(*(numbers(scenes.scene("train", part)) for part in parts), strict=True)
        assert all(torch.equal(torch.cat(some), every[:images]) for some, every in zip(found, whole, strict=True))


def sums() -> list[float]:
    """Of the images and targets of every family."""
    batches = [source(family).batch("train", [3, 1], Grid(48, 64)) for family in NAMES]
    return [t.double().sum().item() for batch in batches for t in batch]


def test_another_process_draws_the_same() -> None:
    command = [sys.executable, "-c", "from test_data_scenes import sums; print(sums())"]
    told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(sums())


@pytest.mark.parametrize("family", NAMES)
def test_family_split_seed_and_index_each_decide_the_image(family: str) -> None:
    def first(split: str, seed: int, index: int) -> Tensor:
        return source(family, seed).batch(split, [index], SMALL)[0]

    cases = [("train", 0, 0), ("test", 0, 0), ("train", 1, 0), ("train", 0, 1)]
    cases += [(split, 0, 0) for split in source(family).further]
    images = [first(*case) for case in cases]
    assert all(not torch.equal(a, b) for i, a in enumerate(images) for b in images[:i])
    assert torch.equal(images[0], first("train", 0, 0))


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("size", [Grid(16, 16), Grid(33, 17), Grid(48, 96), Grid(1, 1)], ids=str)
def test_every_size_has_images_and_targets(family: str, size: Grid) -> None:
    drawn = source(family)
    images, targets = drawn.batch("train", range(3), size)
    assert images.shape == (3, 3, size.y, size.x) and images.dtype == torch.float32 and images.isfinite().all()
    shape = (3,) if drawn.task == "classification" else (3, size.y, size.x)
    assert targets.shape == shape and targets.dtype == torch.int64 and IGNORE not in targets
    assert 0 <= targets.min() and targets.max() < drawn.classes


@pytest.mark.parametrize("family", NAMES)
def test_drawing_never_waits_for_a_value(family: str) -> None:
    """On a device without values whatever asks for one fails: so on CUDA nothing makes the host wait."""
    images, targets = source(family).batch("train", range(3), SMALL, "meta")
    assert images.is_meta and targets.is_meta and images.shape == (3, 3, 64, 64)


@pytest.mark.parametrize("family", NAMES)
def test_2048_pixels(family: str) -> None:
    images, _ = source(family).batch("test", [0], Grid(2048, 2048))
    assert images.shape == (1, 3, 2048, 2048) and images.isfinite().all()


@pytest.mark.parametrize("family", NAMES)
def test_a_wide_image_holds_the_square_scene_in_its_middle(family: str) -> None:
    scene = quiet(family, "train", 4)
    (image, mask), (wide, wide_mask) = draw(scene, SMALL), draw(scene, Grid(64, 128))
    torch.testing.assert_close(wide[:, :, :, 32:96], image, rtol=0, atol=1e-4)
    assert torch.equal(wide_mask[:, :, 32:96], mask)
    torch.testing.assert_close(wide[:, :, :, :32], scene.ground[:, :, None, None].expand(4, 3, 64, 32))


@pytest.mark.parametrize("family", NAMES)
def test_the_same_scene_at_64_and_512_agrees(family: str) -> None:
    scene = quiet(family, "test", 12)
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


@pytest.mark.parametrize("family", NAMES)
def test_image_and_mask_are_the_layers_one_over_the_other(family: str) -> None:
    scene = quiet(family, "test", 8)
    scene = replace(scene, layers=tuple(replace(layer, stripes=None) for layer in scene.layers))
    image, mask = draw(scene, BOXED)
    light, label = scene.ground[:, :, None, None].expand_as(image), torch.zeros_like(mask)
    for place, layer in enumerate(scene.layers):
        cover = draw(alone(scene, place), BOXED)[0][:, :1]
        light = torch.lerp(light, layer.colour[:, :, None, None].expand_as(light), cover)
        label = torch.where(cover[:, 0] > 0.5, layer.label[:, None, None], label)
    torch.testing.assert_close(image, light, rtol=0, atol=1e-5)
    assert torch.equal(mask, label)


@pytest.mark.parametrize("family", NAMES)
def test_boxes_are_as_tight_as_what_is_drawn(family: str) -> None:
    scene = quiet(family, "test", 8)
    found = boxes(scene)
    objects = [place for place, layer in enumerate(scene.layers) if layer.name]
    assert objects and found.edges.shape == (8, len(objects), 4)
    for column, place in enumerate(objects):
        cover = draw(alone(scene, place), BOXED)[0][:, 0] > 0.5  # b Y X
        assert torch.equal(cover.flatten(1).any(1), found.present[:, column])
        for edges, covered in zip(found.pixels(BOXED)[:, column], cover, strict=True):
            if covered.any():
                y, x = covered.nonzero(as_tuple=True)
                drawn = torch.stack([y.min(), x.min(), y.max() + 1, x.max() + 1])
                assert (drawn - edges).abs().max() < 1.5  # pixels; a sharp tip covers less than half of its last one


def test_boxes_in_a_wide_image_are_cut_at_its_borders() -> None:
    found = boxes(Scenes("cue", 0).scene("test", range(2)))
    square, wide = found.pixels(SMALL), found.pixels(Grid(64, 128))
    torch.testing.assert_close(wide - square, torch.tensor([0.0, 32, 0, 32]).expand_as(square))
    moved = replace(found, edges=found.edges - 0.5).pixels(SMALL)
    assert moved.min() == 0 and (moved <= square).all()


@pytest.mark.parametrize("family", NAMES)
def test_captions_say_what_is_described(family: str) -> None:
    scene = Scenes(family, 1).scene("train", range(16))
    shapes, colours = list(SHAPES), list(COLOURS)
    for i, caption in enumerate(captions(scene)):
        told = []
        for layer in scene.layers:
            if layer.name and layer.is_present[i]:
                words = [shapes[layer.name.shape[i]]]
                words[:0] = [colours[layer.name.colour[i]]] if layer.name.colour[i] >= 0 else []
                y, x = ((boxes(replace(scene, layers=(layer,))).edges[i, 0].view(2, 2).mean(0) * 3).long()).tolist()
                words += ["with", "a", colours[layer.name.core[i]], "core"] if layer.name.core is not None else []
                told.append(f"a {' '.join(words)} {PLACES[y][x]}")
        assert caption == ", ".join(told)


def test_captions_without_objects_and_in_one_example() -> None:
    scene = Scenes("cue", 0).scene("train", range(2))
    assert captions(replace(scene, layers=scene.layers[:1])) == ["nothing", "nothing"]
    assert boxes(replace(scene, layers=())).edges.shape == (2, 0, 4)
    assert captions(replace(scene, layers=scene.layers[:2]))[0] == "a cyan hexagon at the bottom"


@pytest.mark.parametrize("family", NAMES)
def test_groups_have_places_and_names(family: str) -> None:
    drawn = source(family)
    group = drawn.group("test", range(2000))
    assert group.shape == (2000,) and group.dtype == torch.int64
    assert torch.equal(drawn.group("test", [1999, 4]), group[[1999, 4]])
    count = group.bincount(minlength=max(len(drawn.groups), 1))
    assert len(count) == max(len(drawn.groups), 1) and count.min() > 200
    names = ["train", "test", *drawn.further, *drawn.groups]
    assert len(set(names)) == len(names)


def test_defaults_by_task() -> None:
    assert load("scenes", "classification").name == "scenes:grating"
    assert load("scenes", "segmentation").name == "scenes:cue"
    assert load("scenes", "segmentation").count("train") is None


@pytest.mark.parametrize(
    ("name", "task", "sentence"),
    [
        ("scene", "classification", "unknown data scene: take scenes"),
        ("", "classification", "unknown data : take .*digits or folder or "),
        ("scenes:gratings", "classification", "unknown family of scenes gratings: take grating"),
        ("scenes:cue", "classification", "scenes:cue is not for classification: take scenes:acuity or "),
        ("scenes", "detection", "unknown task detection: take one of classification, segmentation"),
        ("digits", "segmentation", "digits has classes but no masks for segmentation: take scenes, or folder:PATH"),
        ("digits:7", "classification", "digits takes no detail, so digits:7 means nothing: take digits"),
    ],
)
def test_refusals(name: str, task: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace("(", r"\(")):
        load(name, task)
