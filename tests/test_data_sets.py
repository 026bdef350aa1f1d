"""Well-known data sets, read from tiny ones in exactly their layouts; and what every data set on disk keeps to."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from suite.data import dataset, masked
from suite.data.labelled import Labelled
from suite.data.masked import Masked
from suite.data.source import IGNORE, MEAN, STD, entropy, held, load
from variants.contract import Grid

SIZE = Grid(8, 8)
COLOURS = [value for i in range(256) for value in (i, 255 - i, i // 2)]  # a palette, as VOC's masks have one


def picture(path: Path, level: int = 100, y: int = 8, x: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (x, y), (level, level, level)).save(path, "PNG" if path.suffix == ".png" else "JPEG")


def mask(path: Path, rows: Sequence[Sequence[int]], palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(rows, np.uint8))
    if palette:
        image.putpalette(COLOURS)
    image.save(path)


def listing(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def halves(left: int, right: int) -> list[list[int]]:
    return [[left] * 4 + [right] * 4] * 8


def pets(root: Path) -> Path:
    """Two breeds, whose numbers follow the alphabet of small letters."""
    stems = {"trainval": ["Bengal_1", "Bengal_2", "american_bulldog_1"], "test": ["american_bulldog_2", "Bengal_13"]}
    for name, found in stems.items():
        listing(root / "annotations" / f"{name}.txt", *(f"{s} {2 if s[0] == 'B' else 1} 1 1" for s in found))
        for stem in found:
            picture(root / "images" / f"{stem}.jpg", 40 if stem[0] == "B" else 200)
            mask(root / "annotations" / "trimaps" / f"{stem}.png", [[2, 2, 3, 1, 1, 1, 1, 1]] * 8)
    listing(root / "annotations" / "list.txt", "#Image CLASS-ID SPECIES BREED ID", "Bengal_1 2 1 1")
    (root / "images" / "Bengal_101.mat").write_bytes(b"as it unpacks")
    return root


def voc(root: Path) -> Path:
    for name, stems in {"train": ["2007_000032", "2007_000039"], "val": ["2007_000033"]}.items():
        listing(root / "ImageSets" / "Segmentation" / f"{name}.txt", *stems)
        for stem in stems:
            picture(root / "JPEGImages" / f"{stem}.jpg")
            mask(root / "SegmentationClass" / f"{stem}.png", [[0, 0, 0, 255, 20, 20, 20, 20]] * 8, palette=True)
    picture(root / "JPEGImages" / "2012_004331.jpg")  # most pictures have no mask
    return root


def ade20k(root: Path) -> Path:
    for folder, name, stems in (("training", "train", "123"), ("validation", "val", "4")):
        for stem in stems:
            picture(root / "images" / folder / f"ADE_{name}_0000000{stem}.jpg")
            mask(root / "annotations" / folder / f"ADE_{name}_0000000{stem}.png", [[0, 0, 1, 1, 1, 150, 150, 150]] * 8)
    return root


def cityscapes(root: Path, numbers: str = "labelIds") -> Path:
    row = [0, 3, 7, 7, 7, 33, 33, 26] if numbers == "labelIds" else [255, 255, 0, 0, 0, 18, 18, 13]
    for split, city in (("train", "aachen"), ("train", "ulm"), ("val", "munster")):
        stem = f"{city}_000000_000019"
        picture(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        mask(root / "gtFine" / split / city / f"{stem}_gtFine_{numbers}.png", [row] * 8)
        picture(root / "gtFine" / split / city / f"{stem}_gtFine_color.png")
    return root


def imagenet(root: Path) -> Path:
    for split, count in (("train", 3), ("val", 2)):
        for number, level in (("n01443537", 200), ("n01440764", 40)):
            for i in range(count):
                picture(root / split / number / f"{split}_{number}_{i}.JPEG", level + i)
    return root


def light(images: torch.Tensor) -> torch.Tensor:
    """The first channel, from 0 to 255."""
    return 255 * (images[:, 0] * STD[0] + MEAN[0])


def test_pets_have_breeds(tmp_path: Path) -> None:
    source = load(f"pets:{pets(tmp_path)}", "classification")
    assert isinstance(source, Labelled)
    assert source.names == ["american_bulldog", "Bengal"]
    assert (source.count("train"), source.count("test"), source.chance(SIZE)) == (3, 2, 0.5)
    images, labels = source.batch("test", [0, 1], SIZE)
    assert torch.equal(light(images)[:, 0, 0] < 100, labels == 1)


def test_pets_have_trimaps(tmp_path: Path) -> None:
    source = load(f"pets:{pets(tmp_path)}", "segmentation")
    assert (source.classes, source.count("train"), source.count("test")) == (2, 3, 2)
    _, target = source.batch("test", [0], SIZE)
    assert target[0, 0].tolist() == [0, 0, IGNORE, 1, 1, 1, 1, 1]
    assert source.chance(SIZE) == pytest.approx(5 / 7 / 2)  # all pet: IoU 5/7 and 0


def test_voc(tmp_path: Path) -> None:
    source = load(f"voc:{voc(tmp_path)}", "segmentation")
    assert (source.classes, source.count("train"), source.count("test")) == (21, 2, 1)
    _, target = source.batch("test", [0], SIZE)
    assert target[0, 0].tolist() == [0, 0, 0, IGNORE, 20, 20, 20, 20]
    assert source.chance(SIZE) == pytest.approx(4 / 7 / 2)


def test_ade20k_begins_at_one(tmp_path: Path) -> None:
    source = load(f"ade20k:{ade20k(tmp_path)}", "segmentation")
    assert (source.classes, source.count("train"), source.count("test")) == (150, 3, 1)
    assert source.batch("test", [0], SIZE)[1][0, 0].tolist() == [IGNORE, IGNORE, 0, 0, 0, 149, 149, 149]


@pytest.mark.parametrize("numbers", ["labelIds", "labelTrainIds"])
def test_cityscapes(tmp_path: Path, numbers: str) -> None:
    source = load(f"cityscapes:{cityscapes(tmp_path, numbers)}", "segmentation")
    assert (source.classes, source.count("train"), source.count("test")) == (19, 2, 1)
    assert source.batch("test", [0], SIZE)[1][0, 0].tolist() == [IGNORE, IGNORE, 0, 0, 0, 18, 18, 13]


def test_cityscapes_scores_nineteen_classes() -> None:
    """The ids that are scored, as the authors' table gives them: from road to bicycle without the rare ones."""
    from suite.data.sources.cityscapes import stands_for

    table = stands_for("labelIds")
    assert len(table) == 34 and sorted(v for v in table.values() if v != 255) == list(range(19))
    assert {name: table[number] for name, number in {"road": 7, "pole": 17, "sky": 23, "train": 31}.items()} == {
        "road": 0, "pole": 5, "sky": 10, "train": 16,
    }  # fmt: skip


def test_where_class_0_is_no_ground_there_is_no_foreground(tmp_path: Path) -> None:
    makers = {"voc": voc, "pets": pets, "ade20k": ade20k, "cityscapes": cityscapes}
    found = {kind: load(f"{kind}:{make(tmp_path / kind)}", "segmentation").ground for kind, make in makers.items()}
    assert found == {"voc": 0, "pets": 0, "ade20k": None, "cityscapes": None}
    assert load(f"pets:{tmp_path / 'pets'}", "classification").ground is None


def test_a_plateau_is_the_entropy_of_what_is_to_be_told_apart(tmp_path: Path) -> None:
    """Of several classes without the ground, so that one alone has none; a pet is told from the ground."""
    makers = {"voc": voc, "pets": pets, "ade20k": ade20k}
    found = {kind: load(f"{kind}:{make(tmp_path / kind)}", "segmentation").plateau for kind, make in makers.items()}
    assert found == {"voc": None, "pets": pytest.approx(entropy([2, 5])), "ade20k": pytest.approx(log(2))}
    assert load(f"pets:{tmp_path / 'pets'}", "classification").plateau == pytest.approx(entropy([2, 1]))


def test_imagenet(tmp_path: Path) -> None:
    source = load(f"imagenet:{imagenet(tmp_path)}", "classification")
    assert isinstance(source, Labelled)
    assert source.names == ["n01440764", "n01443537"]
    assert (source.count("train"), source.count("test")) == (6, 4)
    images, labels = source.batch("test", range(4), SIZE)
    assert torch.equal(light(images)[:, 0, 0] > 100, labels == 1)


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


MAKERS = {"pets": pets, "voc": voc, "ade20k": ade20k, "cityscapes": cityscapes, "imagenet": imagenet}
ERRORS: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("pets", "classification", lambda p: gone(p / "annotations/test.txt"),
     "{p} holds no annotations/test.txt: PATH in pets:PATH is the folder with images, annotations/trainval.txt, "),
    ("pets", "classification", lambda p: gone(p / "images/Bengal_2.jpg"),
     "{p}/annotations/trainval.txt asks for {p}/images/Bengal_2.jpg, which is not there: add it, or take it out"),
    ("pets", "segmentation", lambda p: gone(p / "annotations/trimaps/Bengal_2.png"),
     "{p}/images/Bengal_2.jpg asks for {p}/annotations/trimaps/Bengal_2.png, which is not there: add it, or"),
    ("pets", "classification", lambda p: listing(p / "annotations/trainval.txt", "Bengal_1 2 1 1"),
     "{p}/images/american_bulldog_2.jpg is of a breed that {p}/annotations/trainval.txt does not list: add it there"),
    ("pets", "segmentation", lambda p: mask(p / "annotations/trimaps/Bengal_1.png", halves(1, 4)),
     "{p}/annotations/trimaps/Bengal_1.png holds the number 4, which stands for no class: mend it"),
    ("voc", "segmentation", lambda p: listing(p / "ImageSets/Segmentation/val.txt"),
     "{p}/ImageSets/Segmentation/val.txt lists nothing: unpack the data set again"),
    ("voc", "segmentation", lambda p: mask(p / "SegmentationClass/2007_000033.png", halves(0, 21)),
     "{p}/SegmentationClass/2007_000033.png holds the number 21, which stands for no class: mend it"),
    ("voc", "segmentation", lambda p: picture(p / "JPEGImages/2007_000033.jpg", y=9),
     "{p}/SegmentationClass/2007_000033.png is 8x8, but {p}/JPEGImages/2007_000033.jpg is 9x8: give both"),
    ("voc", "segmentation", lambda p: picture(p / "SegmentationClass/2007_000033.png"),
     "{p}/SegmentationClass/2007_000033.png is a picture in mode RGB, not a mask: save class numbers"),
    ("voc", "classification", lambda p: None, "voc holds pictures of several objects each, none for classification"),
    ("ade20k", "segmentation", lambda p: gone(p / "annotations/training/ADE_train_00000001.png"),
     "{p}/images/training/ADE_train_00000001.jpg has no mask of the same name: add it, or take the file away"),
    ("ade20k", "segmentation", lambda p: mask(p / "annotations/training/ADE_train_00000001.png", halves(1, 151)),
     "{p}/annotations/training/ADE_train_00000001.png holds the number 151, which stands for no class: mend it"),
    ("ade20k", "classification", lambda p: None, "ade20k holds masks, no classes for classification: take segm"),
    ("cityscapes", "segmentation", lambda p: emptied(p / "leftImg8bit/val/munster"),
     "{p}/leftImg8bit/val holds no CITY/STEM_leftImg8bit.png: unpack leftImg8bit there"),
    ("cityscapes", "segmentation", lambda p: emptied(p / "gtFine/val/munster"),
     "{p}/leftImg8bit/val/munster/munster_000000_000019_leftImg8bit.png asks for {p}/gtFine/val/munster/munster_"),
    ("imagenet", "classification", lambda p: picture(p / "val/ILSVRC2012_val_00000001.JPEG"),
     "{p}/val/ILSVRC2012_val_00000001.JPEG lies in no class folder: sort the pictures of val/ into the folders"),
    ("imagenet", "classification", lambda p: picture(p / "val/n02/1.JPEG"),
     "{p}/val/n02 is a class that {p}/train does not hold: add it there, or take it away"),
    ("imagenet", "classification", lambda p: (p / "train/n01440764/train_n01440764_1.JPEG").write_bytes(b"no"),
     "{p}/train/n01440764/train_n01440764_1.JPEG cannot be read as a picture "),
    ("imagenet", "segmentation", lambda p: None, "imagenet has classes but no masks for segmentation: take class"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "task", "spoil", "sentence"), ERRORS)
def test_refusals(tmp_path: Path, kind: str, task: str, spoil: Callable[[Path], object], sentence: str) -> None:
    root = MAKERS[kind](tmp_path / "data")
    spoil(root)
    with pytest.raises(ValueError, match="^" + re.escape(sentence.format(p=root))) as caught:
        load(f"{kind}:{root}", task)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_folder_that_is_none(tmp_path: Path, kind: str) -> None:
    task = "classification" if kind == "imagenet" else "segmentation"
    with pytest.raises(ValueError, match=f"^{tmp_path}/none is not a folder: give the data as {kind}:PATH"):
        load(f"{kind}:{tmp_path}/none", task)
    with pytest.raises(ValueError, match=rf"^{tmp_path} holds no .*: PATH in {kind}:PATH is the folder with"):
        load(f"{kind}:{tmp_path}", task)


# ------------------------------------------------------------------------------------- what every data set keeps to


def test_what_is_not_looked_at_is_refused_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large sets are not read whole at the start, but no wrong number or size gets by."""
    monkeypatch.setattr(masked, "CHECKED", 1)
    root = voc(tmp_path)
    first, second = (pair[1] for pair in load(f"voc:{root}", "segmentation").items["train"])  # type: ignore[attr-defined]
    mask(second, halves(0, 21))
    source = load(f"voc:{root}", "segmentation")
    source.batch("train", [0], SIZE)
    with pytest.raises(ValueError, match=rf"^{second} holds the number 21, which stands for no class: mend it$"):
        source.batch("train", [1], SIZE)
    mask(second, [[0] * 8])
    with pytest.raises(ValueError, match=rf"^{second} is 1x8, but .* is 8x8: give both the same rows and columns$"):
        source.batch("train", [1], SIZE)
    mask(first, halves(0, 21))
    with pytest.raises(ValueError, match=f"^{first} holds the number 21"):
        load(f"voc:{root}", "segmentation")


def test_a_picture_is_read_once_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each size for itself; and what does not fit is read again, to the same result."""
    one = 8 * 8 * 4  # bytes of a picture and its mask
    monkeypatch.setattr(dataset, "ROOM", 2 * one)
    root, read = ade20k(tmp_path), []
    source = load(f"ade20k:{root}", "segmentation")
    assert isinstance(source, Masked)
    made = source.example
    monkeypatch.setattr(source, "example", lambda p, *rest: (read.append(p), made(p, *rest))[1])
    first = source.batch("train", [0, 1, 2, 0], SIZE)
    assert len(read) == 3 and len(source.kept[SIZE]) == 2
    again = source.batch("train", [0, 1, 2, 0], SIZE)
    assert len(read) == 4
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])


def test_pictures_of_another_size_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "ROOM", 8 * 8 * 4)
    source = load(f"ade20k:{ade20k(tmp_path)}", "segmentation")
    assert isinstance(source, Masked)
    source.batch("train", [0, 1], Grid(4, 4))
    assert {size: len(kept) for size, kept in source.kept.items()} == {Grid(4, 4): 2}
    source.batch("train", [0, 1], SIZE)
    assert {size: len(kept) for size, kept in source.kept.items()} == {SIZE: 1}
    assert source.room == 0
    source.batch("train", [1], Grid(4, 4))
    assert {size: len(kept) for size, kept in source.kept.items()} == {Grid(4, 4): 1}
    assert source.room == 8 * 8 * 4 - 4 * 4 * 4


def test_what_is_kept_leaves_room_for_a_process_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    infinite = dataset.free_bytes()
    assert infinite > 10**8
    own = psutil.Process().memory_info().data
    monkeypatch.setattr(resource, "getrlimit", lambda which: (own + 10**8, -1))
    assert dataset.free_bytes() == pytest.approx(10**8, abs=2 * 10**7)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1, -1))
    assert dataset.free_bytes() == 0


def test_the_next_case_on_the_same_data_reads_nothing_again(tmp_path: Path) -> None:
    root = imagenet(tmp_path)
    assert held(f"imagenet:{root}", "classification", 0) is held(f"imagenet:{root}", "classification", 0)


def test_threads_change_nothing(tmp_path: Path) -> None:
    source, other = (load(f"imagenet:{imagenet(tmp_path)}", "classification") for _ in range(2))
    alone = source.batch("train", range(6), SIZE)
    torch.set_num_threads(3)
    try:
        together = other.batch("train", range(6), SIZE)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(alone[0], together[0]) and torch.equal(alone[1], together[1])
