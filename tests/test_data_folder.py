"""Folders of pictures: read with care, split honestly, refused with a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from suite.data import dataset, pictures
from suite.data.labelled import Labelled
from suite.data.masked import Masked
from suite.data.source import IGNORE, MEAN, STD, load
from variants.contract import Grid

SIZE = Grid(8, 8)


def picture(path: Path, colour: object = (200, 100, 50), y: int = 8, x: int = 8, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (x, y), colour).save(path)  # type: ignore[arg-type]
    return path


def mask(path: Path, rows: list[list[int]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(rows, np.uint8)).save(path)
    return path


def classes(root: Path, count: int = 10) -> Path:
    for place in range(count):
        picture(root / "red" / f"{place}.png", (255, 0, 0))
        picture(root / "blue" / f"{place}.jpg", (0, 0, 255))
    return root


def masked(root: Path, count: int = 10) -> Path:
    for place in range(count):
        picture(root / "images" / f"{place}.jpg", (255, 0, 0), y=4, x=8)
        mask(root / "masks" / f"{place}.png", [[0, 0, 0, 0, 1, 1, 1, 255]] * 4)
    return root


def light(images: torch.Tensor) -> torch.Tensor:
    return images * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)


def test_class_folders(tmp_path: Path) -> None:
    source = load(f"folder:{classes(tmp_path)}", "classification")
    assert isinstance(source, Labelled)
    assert (source.classes, source.names, source.chance(SIZE)) == (2, ["blue", "red"], 0.5)
    assert (source.count("train"), source.count("test")) == (16, 4)
    images, labels = source.batch("test", range(4), SIZE)
    assert sorted(labels.tolist()) == [0, 0, 1, 1]
    blue, red = (light(images[labels == label][0])[:, 0, 0] for label in (0, 1))
    torch.testing.assert_close(red, torch.tensor([1.0, 0.0, 0.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(blue, torch.tensor([0.0, 0.0, 1.0]), atol=0.02, rtol=0)


def test_the_first_images_of_a_split_are_a_fair_sample(tmp_path: Path) -> None:
    """As many of either class as chance gives, in an order that does not depend on where the folder lies."""
    sources = [load(f"folder:{classes(tmp_path / place, 100)}", "classification") for place in ("here", "there")]
    labels = [source.batch("train", range(40), SIZE)[1].tolist() for source in sources]
    assert labels[0] == labels[1]
    assert 10 <= sum(labels[0]) <= 30


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    (classes(tmp_path) / "red" / "notes.txt").write_text("hello")
    assert load(f"folder:{tmp_path}", "classification").count("train") == 16


def test_how_much_pictures_grow_is_that_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, y, x in (("red", 8, 30), ("blue", 20, 16)):
        for place in range(5):
            picture(tmp_path / kind / f"{place}.png", y=y, x=x)
    monkeypatch.setattr(dataset, "LOOKED_AT", 1)
    source = load(f"folder:{tmp_path}", "classification")
    assert source.native("train") == 12
    assert [source.upsampled("test", Grid(side, side)) for side in (8, 16)] == [0.75, 1.5]  # the middle of 8 and 16


def test_a_picture_that_is_padded_grows_by_its_longer_side(tmp_path: Path) -> None:
    source = load(f"folder:{masked(tmp_path)}", "segmentation")  # 4 rows, 8 columns
    assert source.native("test") == 4
    assert [source.upsampled("test", size) for size in (Grid(8, 8), Grid(9, 9), Grid(4, 99))] == [1, 1.125, 1]


def test_the_split_does_not_move_when_another_class_grows(tmp_path: Path) -> None:
    def held_out() -> set[str]:
        source = load(f"folder:{tmp_path}", "classification")
        assert isinstance(source, Labelled)
        train, test = ({path for path, _ in source.items[split]} for split in ("train", "test"))
        assert not train & test
        return {path.name for path in test if path.parent.name == "red"}

    classes(tmp_path)
    before = held_out()
    picture(tmp_path / "blue" / "another.png")
    assert held_out() == before and len(before) == 2


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_a_split_on_disk_is_respected(tmp_path: Path, held_out: str) -> None:
    classes(tmp_path / "train", 3)
    classes(tmp_path / held_out, 5)
    source = load(f"folder:{tmp_path}", "classification")
    assert isinstance(source, Labelled)
    assert (source.count("train"), source.count("test")) == (6, 10)
    assert all(held_out in path.parts for path, _ in source.items["test"])


def test_segmentation_pads_and_ignores(tmp_path: Path) -> None:
    source = load(f"folder:{masked(tmp_path)}", "segmentation")
    assert isinstance(source, Masked)
    assert (source.classes, source.count("train"), source.count("test")) == (2, 8, 2)
    assert source.chance(SIZE) == pytest.approx(4 / 7 / 2)  # all ground: IoU 4/7 and 0
    assert source.plateau == pytest.approx(4 / 7 * log(7 / 4) + 3 / 7 * log(7 / 3))
    images, target = source.batch("test", [1], Grid(16, 16))
    assert (target[0, 8:] == IGNORE).all() and (target[0, :8, 14:] == IGNORE).all()
    assert (target[0, :8, :8] == 0).all() and (target[0, :8, 8:14] == 1).all()
    assert light(images)[0, 0, :8].min() > 0.95 and light(images)[0, 0, 8:].abs().max() < 1e-5


def test_segmentation_keeps_a_split_on_disk_and_names_of_classes(tmp_path: Path) -> None:
    masked(tmp_path / "train", 2)
    masked(tmp_path / "val", 3)
    (tmp_path / "classes.txt").write_text("ground\nthing\nunseen\n")
    source = load(f"folder:{tmp_path}", "segmentation")
    assert (source.classes, source.count("train"), source.count("test")) == (3, 2, 3)


def test_classification_crops_the_centre(tmp_path: Path) -> None:
    wide = Image.new("RGB", (30, 10), "white")
    wide.paste("black", (10, 0, 20, 10))
    assert pictures.filled(wide, Grid(10, 10)).max() == 0
    assert pictures.filled(wide, Grid(5, 15)).shape == (5, 15, 3)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("LA", (50, 255), (50, 50, 50)),
        ("I;16", 25700, (100, 100, 100)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, colour: object, expected: tuple[int, ...]) -> None:
    path = picture(tmp_path / "a.png", colour, mode=mode)
    assert pictures.colour(path).getpixel((3, 3)) == expected


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_every_kind_of_picture_is_read(tmp_path: Path, suffix: str) -> None:
    root = classes(tmp_path)
    kept = picture(root / "red" / f"another{suffix.upper()}", (255, 0, 0))
    source = load(f"folder:{root}", "classification")
    assert isinstance(source, Labelled) and 21 == sum(map(len, source.items.values()))
    assert pictures.colour(kept).getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=2)


def test_a_picture_of_real_numbers_is_refused(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.tif", 0.5, mode="F")
    with pytest.raises(ValueError, match=r"a\.tif cannot be read as a picture \(of real numbers"):
        pictures.colour(path)


def test_exif_turns_the_picture_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (12, 6), "white")
    image.paste("black", (0, 0, 6, 6))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "a.jpg", exif=exif)
    upright = pictures.colour(tmp_path / "a.jpg")
    assert upright.size == (6, 12)
    assert pictures.opened(tmp_path / "a.jpg", pictures.upright_size) == Grid(12, 6)
    light = np.asarray(upright)
    assert light[1, 3].max() < 20 and light[10, 3].min() > 235


def broken(path: Path, keep: int = 20) -> None:
    path.write_bytes(path.read_bytes()[:keep])


CLASS_ERRORS: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: [f.unlink() for f in (p / "red").iterdir()], "{p}/red holds no pictures: add PNG or JPEG files, or"),
    (lambda p: (p / "red").rename(p.parent / "red"), "{p} holds one class only, blue: add the folder of another class"),
    (lambda p: (p / "red" / "3.heic").write_text("hello"), "{p}/red/3.heic is of a kind that cannot be read: save it"),
    (lambda p: broken(p / "red" / "3.png"), "{p}/red/3.png cannot be read as a picture "),
    (lambda p: (p / "red" / "3.png").write_text("hello"), "{p}/red/3.png cannot be read as a picture "),
    (lambda p: classes(p / "test", 2), "{p} holds test/ but no train/: add train/, or put all classes side by side"),
    (lambda p: (classes(p / "train"), picture(p / "test/odd/1.png"), picture(p / "test/red/1.png")),
     "{p}/test/odd is a class that {p}/train does not hold: add it there, or take it away"),
    (lambda p: masked(p), "{p} holds images/ and masks/, so it is for segmentation: take that task"),
    (lambda p: [f.unlink() for f in (p / "red").iterdir() if f.stem != "3"], "red/3.png is the only image of its"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "sentence"), CLASS_ERRORS)
def test_refused_class_folders(tmp_path: Path, spoil: Callable[[Path], object], sentence: str) -> None:
    root = classes(tmp_path / "data")
    spoil(root)
    with pytest.raises(ValueError, match="^" + re.escape(sentence.format(p=root))) as caught:
        load(f"folder:{root}", "classification")
    assert "\n" not in str(caught.value)


MASK_ERRORS: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: (p / "masks" / "3.png").unlink(), "{p}/images/3.jpg has no mask of the same name: add it, or take"),
    (lambda p: (p / "images" / "3.jpg").unlink(), "{p}/masks/3.png has no picture of the same name: add it, or take"),
    (lambda p: (p / "masks").rename(p / "labels"), "{p} holds no masks/: segmentation needs pictures in images/ and"),
    (lambda p: [f.unlink() for f in (p / "images").iterdir()], "{p}/images holds no pictures: add PNG or JPEG"),
    (lambda p: mask(p / "masks" / "3.png", [[0, 1]]), "{p}/masks/3.png is 1x2, but {p}/images/3.jpg is 4x8: give both"),
    (lambda p: mask(p / "masks" / "3.png", [[9] * 8] * 4),
     "{p}/masks/3.png holds the number 9, but no mask holds 2: number the classes from 0 without a gap, or list"),
    (lambda p: (mask(p / "masks" / "3.png", [[2] * 8] * 4), (p / "classes.txt").write_text("ground\nthing\n")),
     "{p}/masks/3.png holds the number 2, which stands for no class: mend it"),
    (lambda p: picture(p / "masks" / "3.png", y=4), "{p}/masks/3.png is a picture in mode RGB, not a mask: save class"),
    (lambda p: broken(p / "masks" / "3.png"), "{p}/masks/3.png cannot be read as a picture "),
    (lambda p: broken(p / "images" / "3.jpg"), "{p}/images/3.jpg cannot be read as a picture "),
    (lambda p: [mask(f, [[0] * 7 + [255]] * 4) for f in (p / "masks").iterdir()],
     "the masks, such as {p}/masks/"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "sentence"), MASK_ERRORS)
def test_refused_masks(tmp_path: Path, spoil: Callable[[Path], object], sentence: str) -> None:
    root = masked(tmp_path / "data")
    spoil(root)
    with pytest.raises(ValueError, match="^" + re.escape(sentence.format(p=root))) as caught:
        load(f"folder:{root}", "segmentation")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_missing_and_an_empty_folder(tmp_path: Path, task: str) -> None:
    with pytest.raises(ValueError, match=f"^{tmp_path}/none is not a folder: give the data as folder:PATH"):
        load(f"folder:{tmp_path}/none", task)
    with pytest.raises(ValueError, match=r"^folder: is not a folder: give the data as folder:PATH"):
        load("folder:", task)
    with pytest.raises(ValueError, match=f"^{tmp_path} holds no (class folders: put|images/: segmentation needs)"):
        load(f"folder:{tmp_path}", task)


def test_a_picture_cut_short_is_named_when_it_is_read(tmp_path: Path) -> None:
    root = classes(tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(root / "red" / "3.png")
    broken(root / "red" / "3.png", 4000)
    source = load(f"folder:{root}", "classification")
    with pytest.raises(ValueError, match=r"red/3\.png cannot be read as a picture \(.+\): mend it or take it away$"):
        for split in ("train", "test"):
            source.batch(split, range(source.count(split) or 0), SIZE)


@pytest.mark.parametrize("limit", [60, 30])  # Pillow only warns up to twice its limit, and refuses beyond
def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    root = classes(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=rf"/blue/\d\.jpg has over {limit} pixels: make it smaller or take it away$"):
        load(f"folder:{root}", "classification")
