"""Dataset: pictures on disk by split, each with its target: what pictures with classes and with masks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import fmean, median
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from suite.data.pictures import opened, upright_size
from variants.contract import Grid

MEASURED = 2000  # pictures of a split whose own size is read: enough for a median and a share
Target = TypeVar("Target")


class Dataset(Generic[Target]):
    """Items by split, each a picture and its target. The order is one of chance, by the picture's name alone."""

    task: ClassVar[str]
    resizing: ClassVar[str]
    shift = 1 / 16
    further: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __init__(self, name: str, items: Mapping[str, Sequence[tuple[Path, Target]]]) -> None:
        self.name = name
        self.items = {split: sorted(found, key=by_chance) for split, found in items.items()}
        self.sizes = cache(self._sizes)

    def scale(self, own: Grid, size: Grid) -> float:
        """By how much a picture of this size of its own grows when `size` is asked for; below 1 it shrinks."""
        raise NotImplementedError

    def native(self, split: str) -> float | None:
        return median(min(own.y, own.x) for own in self.sizes(split))

    def upsampled(self, split: str, size: Grid) -> float | None:
        return fmean(self.scale(own, size) > 1 for own in self.sizes(split))

    def group(self, split: str, indices: Sequence[int]) -> Tensor:
        return torch.zeros(len(indices), dtype=torch.int64)

    def ceiling(self, size: Grid) -> float | None:
        return None

    def count(self, split: str) -> int | None:
        return len(self.items[split])

    def _sizes(self, split: str) -> list[Grid]:
        """The pictures' own sizes, of the first MEASURED ones."""
        return [opened(picture, upright_size) for picture, _ in self.items[split][:MEASURED]]


def by_chance(item: tuple[Path, Any]) -> bytes:
    """A key to sort by: it depends on the names of the picture and of its folder, so not on the machine."""
    picture = item[0]
    return sha256(f"{picture.parent.name}/{picture.name}".encode()).digest()
