"""Pictures on disk with a mask each. Any layout becomes this: a list of picture and mask paths for each split.

A mask is an 8-bit grey or palette PNG of the picture's size: class numbers from 0, and 255 where no class is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from suite.data.dataset import Dataset
from suite.data.pictures import VOID, colour, labels, opened, padded, pictures_in, upright_size
from suite.data.source import normalised
from variants.contract import Grid

Pair = tuple[Path, Path]


class Masked(Dataset[Path]):
    """A Source for segmentation."""

    task = "segmentation"
    resizing = "bicubic to the longer side, then padded; masks by nearest neighbour"

    def __init__(self, name: str, names: list[str] | None, items: dict[str, list[Pair]]) -> None:
        """Reads every mask. Without names the classes are the numbers that occur, which must leave no gap.

        ValueError names a file that is unreadable, of another size than its picture, or holds a number of no class.
        """
        super().__init__(name, items)
        pixels = {mask: counted(image, mask) for split in items.values() for image, mask in split}
        self.classes = len(names) if names is not None else classes_in(pixels)
        for mask, count in pixels.items():
            if (strange := highest(count)) >= self.classes:
                raise ValueError(
                    f"{mask} holds the number {strange}, but the classes end at {self.classes - 1}: mend it"
                )
        self.chance = guess(np.sum([pixels[mask] for _, mask in items["test"]], axis=0))

    def scale(self, own: Grid, size: Grid) -> float:
        return min(size.y / own.y, size.x / own.x)

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """See Source.batch."""
        chosen = [self.items[split][index] for index in indices]
        light, target = zip(*(padded(colour(image), labels(mask), size) for image, mask in chosen), strict=True)
        images = torch.from_numpy(np.stack(light)).to(device).permute(0, 3, 1, 2)  # b 3 Y X
        return normalised(images.float() / 255).contiguous(), torch.from_numpy(np.stack(target)).to(device)


def pairs(folder: Path) -> list[Pair]:
    """The pictures in `folder/images` with their masks in `folder/masks`. ValueError says which has no partner."""
    kinds = {}
    for kind in ("images", "masks"):
        if not (folder / kind).is_dir():
            raise ValueError(f"{folder} holds no {kind}/: segmentation needs pictures in images/ and masks in masks/")
        kinds[kind] = {path.stem: path for path in pictures_in(folder / kind)}
        if not kinds[kind]:
            raise ValueError(f"{folder / kind} holds no PNG or JPEG: add some")
    images, masks = kinds["images"], kinds["masks"]
    for here, there, missing in ((images, masks, "mask"), (masks, images, "picture")):
        if alone := sorted(set(here) - set(there)):
            raise ValueError(f"{here[alone[0]]} has no {missing} of the same name: add it, or take the file away")
    return [(images[stem], masks[stem]) for stem in sorted(images)]


def counted(image: Path, mask: Path) -> np.ndarray:
    """How many pixels of the mask hold each number from 0 to 255. ValueError if picture and mask differ in size."""
    numbers = np.asarray(labels(mask))
    size = opened(image, upright_size)
    if (size.y, size.x) != numbers.shape:
        y, x = numbers.shape
        raise ValueError(f"{mask} is {y}x{x}, but {image} is {size}: give both the same rows and columns")
    return np.bincount(numbers.ravel(), minlength=VOID + 1)


def guess(count: np.ndarray) -> float:
    """The mIoU of the answer that every pixel is of the most frequent class."""
    count = count[:VOID]
    return float(count.max() / max(count.sum(), 1) / max(np.count_nonzero(count), 1))


def highest(count: np.ndarray) -> int:
    """The largest class number that occurs, or -1."""
    return int(max(np.flatnonzero(count[:VOID]), default=-1))


def classes_in(pixels: dict[Path, np.ndarray]) -> int:
    """How many classes the masks hold. ValueError for fewer than two, and for a gap in the numbers."""
    occurs = np.sum(list(pixels.values()), axis=0)[:VOID] > 0
    classes = int(occurs.sum())
    if classes < 2:
        raise ValueError(f"the masks beside {next(iter(pixels))} hold one class only (255 is none): mark another")
    if occurs[:classes].all():
        return classes
    culprit = next(mask for mask, count in pixels.items() if highest(count) >= classes)
    gap = int(np.flatnonzero(~occurs)[0])
    raise ValueError(
        f"{culprit} holds the number {highest(pixels[culprit])}, but no mask holds {gap}: number the classes from 0 "
        f"without a gap, or list their names in classes.txt"
    )
