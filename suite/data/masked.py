"""Pictures on disk with a mask each. Any layout becomes this: a list of pictures and masks for each split.

A mask is an 8-bit grey or palette file of the picture's size. What its numbers stand for is a table: classes from 0, or
VOID where no class is meant. 255 always is VOID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from suite.data.dataset import Dataset, Example, threaded
from suite.data.pictures import VOID, Picture, colour, labels, opened, padded, pictures_in, upright_size
from suite.data.source import IGNORE, entropy, left_out
from variants.contract import Grid

STRANGE = 256  # in a table: what a mask must not hold
CHECKED = 2**26  # pixels of a split's masks that are checked at the start
Pair = tuple[Picture, Picture]


class Masked(Dataset[Picture]):
    """A Source for segmentation."""

    task = "segmentation"
    resizing = "bicubic to the longer side, then padded; masks by nearest neighbour"

    def __init__(
        self,
        name: str,
        items: Mapping[str, Sequence[Pair]],
        stands_for: Mapping[int, int] | None = None,
        ground: int | None = None,
    ) -> None:
        """`stands_for`: number in a mask -> class, or VOID. Without it the numbers that occur are the classes.

        ValueError names a file that is unreadable, of another size than its picture, or holds a number of no class.
        Without a table all masks are read for that; else those that are the first CHECKED pixels of a split.
        """
        super().__init__(name, items)
        self.ground = ground
        self.counts = cache(counts)
        if stands_for is None:
            everything = [pair for split in self.items.values() for pair in split]
            classes = classes_in(everything, threaded(self.counts, everything))
            stands_for = {number: number for number in range(classes)}
        self.classes = 1 + max(number for number in stands_for.values() if number != VOID)
        self.table = np.full(VOID + 1, STRANGE, np.int16)
        self.table[[*stands_for, VOID]] = [*stands_for.values(), VOID]
        for split, pairs in self.items.items():
            pixels = np.cumsum([own.n for own in self.sizes[split]])
            threaded(self.numbers_in, pairs[: 1 + int(np.searchsorted(pixels, CHECKED))])

    @cached_property
    def tested(self) -> np.ndarray:
        """`classes`: how many pixels of the test masks are of each class."""
        numbers = np.sum(threaded(self.numbers_in, self.items["test"]), axis=0)  # 256
        return np.bincount(self.table, numbers, STRANGE + 1)[: self.classes]

    @property
    def plateau(self) -> float | None:
        """The entropy of the classes of the pixels of the test images."""
        no = left_out(self.ground, self.classes)
        return entropy(count for number, count in enumerate(self.tested.tolist()) if number != no)

    def chance(self, size: Grid) -> float:
        """The mIoU of the answer that every pixel of the test images, as they are, is of their most frequent class."""
        count = self.tested
        return float(count.max() / max(count.sum(), 1) / max(np.count_nonzero(count), 1))

    def boundary_chance(self, size: Grid) -> float:
        """An answer of one class has no boundary."""
        return 0.0

    def numbers_in(self, pair: Pair) -> np.ndarray:
        """`256`: how many pixels of the mask hold each number. ValueError if one of them is no class."""
        count = self.counts(pair)
        self.refuse(pair[1], np.flatnonzero(count))
        return count

    def refuse(self, mask: Picture, numbers: np.ndarray) -> None:
        """ValueError if one of the numbers in the mask is no class."""
        if (strange := numbers[self.table[numbers] == STRANGE]).size:
            raise ValueError(f"{mask} holds the number {strange[0]}, which stands for no class: mend it")

    def scale(self, own: Grid, size: Grid) -> float:
        return min(size.y / own.y, size.x / own.x)

    def example(self, picture: Picture, target: Picture, size: Grid) -> Example:
        image, mask = colour(picture), labels(target)
        fit(picture, Grid(image.height, image.width), target, Grid(mask.height, mask.width))
        light, numbers = padded(image, mask, size)
        self.refuse(target, numbers)
        return light, self.table[numbers].astype(np.uint8)

    def as_targets(self, targets: Tensor) -> Tensor:
        return targets.long().masked_fill_(targets == VOID, IGNORE)


def paired(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """The pictures of one folder with their masks in the other. ValueError says which has no partner."""
    found: dict[Path, dict[str, Path]] = {}
    for folder in (images, masks):
        if not folder.is_dir():
            needs = f"segmentation needs pictures in {images.name}/ and masks in {masks.name}/"
            raise ValueError(f"{folder.parent} holds no {folder.name}/: {needs}")
        found[folder] = {path.stem: path for path in pictures_in(folder)}
        if not found[folder]:
            raise ValueError(f"{folder} holds no pictures: add PNG or JPEG files")
    for here, there, missing in ((images, masks, "mask"), (masks, images, "picture")):
        if alone := sorted(set(found[here]) - set(found[there])):
            stray = found[here][alone[0]]
            raise ValueError(f"{stray} has no {missing} of the same name: add it, or take the file away")
    return [(found[images][stem], found[masks][stem]) for stem in sorted(found[images])]


def counts(pair: Pair) -> np.ndarray:
    """`256`: how many pixels of the mask hold each number. ValueError if picture and mask differ in size."""
    image, mask = pair
    numbers = np.asarray(labels(mask))
    fit(image, opened(image, upright_size), mask, Grid(*numbers.shape))
    return np.bincount(numbers.ravel(), minlength=VOID + 1)


def fit(image: Picture, size: Grid, mask: Picture, masked: Grid) -> None:
    """ValueError if picture and mask differ in size."""
    if size != masked:
        raise ValueError(f"{mask} is {masked}, but {image} is {size}: give both the same rows and columns")


def classes_in(pairs: Sequence[Pair], counts: Sequence[np.ndarray]) -> int:
    """How many classes the masks hold. ValueError for fewer than two, and for a gap in the numbers."""
    occurs = np.sum(counts, axis=0)[:VOID] > 0
    classes = int(occurs.sum())
    if classes < 2:
        raise ValueError(f"the masks, such as {pairs[0][1]}, hold one class only (255 is none): mark another")
    if occurs[:classes].all():
        return classes
    gap, highest = int(np.flatnonzero(~occurs)[0]), int(np.flatnonzero(occurs)[-1])
    culprit = next(mask for (_, mask), count in zip(pairs, counts, strict=True) if count[highest])
    raise ValueError(
        f"{culprit} holds the number {highest}, but no mask holds {gap}: number the classes from 0 without a gap, or "
        f"list their names in classes.txt"
    )
