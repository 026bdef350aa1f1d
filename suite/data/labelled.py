"""Pictures on disk with one class each. Any layout becomes this: a list of paths and classes for each split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from suite.data.dataset import Dataset
from suite.data.pictures import colour, filled, opened, pictures_in
from suite.data.source import normalised
from variants.contract import Grid


class Labelled(Dataset[int]):
    """A Source for classification."""

    task = "classification"
    resizing = "bicubic to the shorter side, then the centre is cropped"

    def __init__(self, name: str, names: list[str], items: dict[str, list[tuple[Path, int]]]) -> None:
        """`names` are those of the classes. ValueError names a file whose head cannot be read."""
        super().__init__(name, items)
        self.names, self.classes = names, len(names)
        for path, _ in (item for split in items.values() for item in split):
            opened(path, lambda image: None)

    @property
    def chance(self) -> float:
        """The share of the most frequent class among the test images."""
        labels = [label for _, label in self.items["test"]]
        return max(Counter(labels).values()) / len(labels)

    def scale(self, own: Grid, size: Grid) -> float:
        return max(size.y / own.y, size.x / own.x)

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """See Source.batch."""
        chosen = [self.items[split][index] for index in indices]
        light = torch.from_numpy(np.stack([filled(colour(path), size) for path, _ in chosen]))  # b Y X 3
        images = light.to(device).permute(0, 3, 1, 2)  # b 3 Y X
        return normalised(images.float() / 255).contiguous(), torch.tensor([c for _, c in chosen], device=device)


def class_pictures(folder: Path) -> list[tuple[Path, str]]:
    """Each picture of the class folders in `folder`, with its class. ValueError says what is missing."""
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    names = [p.name for p in folders]
    if {"images", "masks"} <= set(names):
        raise ValueError(f"{folder} holds images/ and masks/, so it is for segmentation: take that task")
    if not folders:
        raise ValueError(f"{folder} holds no class folders: put the pictures of each class into a folder of their own")
    if len(folders) == 1:
        raise ValueError(f"{folder} holds one class only, {names[0]}: add the folder of another class")
    found = [(path, sub.name) for sub in folders for path in pictures_in(sub)]
    if empty := sorted(set(names) - {name for _, name in found}):
        raise ValueError(f"{folder / empty[0]} holds no PNG or JPEG: add pictures, or take the folder away")
    return found
