"""`cityscapes:PATH`: Cityscapes (Cordts et al. 2016) with its fine annotations, as it unpacks.

    leftImg8bit/train/CITY/STEM_leftImg8bit.png
    gtFine/train/CITY/STEM_gtFine_labelIds.png         34 numbers, of which 19 classes are scored
    gtFine/train/CITY/STEM_gtFine_labelTrainIds.png    those 19 from 0, and 255; taken where they are

and likewise val/, on which is tested, since the masks of test/ are not published.
"""

from __future__ import annotations

from pathlib import Path

from suite.data.layout import partner, root_of
from suite.data.masked import Masked
from suite.data.pictures import VOID
from suite.data.source import OtherTask, Source

IDS = 34
SCORED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # road, sidewalk, ... bicycle
FOLDERS = {"train": "train", "test": "val"}


def source(detail: str, task: str, seed: int) -> Source:
    """The pictures and masks; the seed changes nothing. ValueError says what is missing."""
    if task != "segmentation":
        raise OtherTask(f"cityscapes holds masks, no classes for {task}: take segmentation")
    holds = [f"{kind}/{folder}" for kind in ("leftImg8bit", "gtFine") for folder in FOLDERS.values()]
    root = root_of("cityscapes", detail, holds)
    numbers = "labelTrainIds" if next((root / "gtFine").glob("*/*/*_labelTrainIds.png"), None) else "labelIds"
    items = {split: pairs(root, folder, numbers) for split, folder in FOLDERS.items()}
    return Masked(f"cityscapes:{root}", items, stands_for(numbers))


def pairs(root: Path, folder: str, numbers: str) -> list[tuple[Path, Path]]:
    """The pictures of a split with their masks."""
    end = "_leftImg8bit.png"
    pictures = sorted((root / "leftImg8bit" / folder).glob(f"*/*{end}"))
    if not pictures:
        raise ValueError(f"{root / 'leftImg8bit' / folder} holds no CITY/STEM{end}: unpack leftImg8bit there")
    masks = (
        root / "gtFine" / folder / p.parent.name / f"{p.name.removesuffix(end)}_gtFine_{numbers}.png" for p in pictures
    )
    return [(picture, partner(mask, picture)) for picture, mask in zip(pictures, masks, strict=True)]


def stands_for(numbers: str) -> dict[int, int]:
    """The classes that the numbers of a mask stand for."""
    if numbers == "labelTrainIds":
        return {number: number for number in range(len(SCORED))}
    return dict.fromkeys(range(IDS), VOID) | {number: i for i, number in enumerate(SCORED)}
