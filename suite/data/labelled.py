"""Pictures on disk with one class each. Any layout becomes this: a list of pictures and classes for each split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from suite.data.dataset import Dataset, Example
from suite.data.pictures import Picture, colour, filled, pictures_in
from suite.data.source import OtherTask, entropy
from variants.contract import Grid


class Labelled(Dataset[int]):
    """A Source for classification."""

    task = "classification"
    resizing = "bicubic to the shorter side, then the centre is cropped"

    def __init__(self, name: str, names: Sequence[str], items: Mapping[str, Sequence[tuple[Picture, int]]]) -> None:
        """`names` are those of the classes. ValueError names a file whose head cannot be read."""
        super().__init__(name, items)
        self.names, self.classes = list(names), len(names)

    def chance(self, size: Grid) -> float:
        """The share of the most frequent class among the test images, at any size."""
        labels = [label for _, label in self.items["test"]]
        return max(Counter(labels).values()) / len(labels)

    def boundary_chance(self, size: Grid) -> None:
        """Classes have no boundaries."""

    @property
    def plateau(self) -> float | None:
        """The entropy of the classes of the training images."""
        return entropy(Counter(label for _, label in self.items["train"]).values())

    def scale(self, own: Grid, size: Grid) -> float:
        return max(size.y / own.y, size.x / own.x)

    def example(self, picture: Picture, target: int, size: Grid) -> Example:
        return filled(colour(picture), size), np.array(target)


def in_class_folders(parts: Sequence[Path]) -> tuple[list[str], dict[Path, list[tuple[Path, int]]]]:
    """The classes of folders that hold one folder a class, in alphabetical order, and the pictures of each of `parts`.

    ValueError says what is missing, or which class the first of `parts` lacks.
    """
    first, *others = parts
    found = {part: class_pictures(part) for part in parts}
    names = sorted({name for _, name in found[first]})
    for part in others:
        if strange := sorted({name for _, name in found[part]} - set(names)):
            raise ValueError(
                f"{part / strange[0]} is a class that {first} does not hold: add it there, or take it away"
            )
    number = {name: i for i, name in enumerate(names)}
    return names, {part: [(path, number[name]) for path, name in found[part]] for part in parts}


def class_pictures(folder: Path) -> list[tuple[Path, str]]:
    """Each picture of the class folders in `folder`, with its class. ValueError says what is missing."""
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    names = [p.name for p in folders]
    if {"images", "masks"} <= set(names):
        raise OtherTask(f"{folder} holds images/ and masks/, so it is for segmentation: take that task")
    if not folders:
        raise ValueError(f"{folder} holds no class folders: put the pictures of each class into a folder of their own")
    if len(folders) == 1:
        raise ValueError(f"{folder} holds one class only, {names[0]}: add the folder of another class")
    found = [(path, sub.name) for sub in folders for path in pictures_in(sub)]
    if empty := sorted(set(names) - {name for _, name in found}):
        raise ValueError(f"{folder / empty[0]} holds no pictures: add PNG or JPEG files, or take the folder away")
    return found
