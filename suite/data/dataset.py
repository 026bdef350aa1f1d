"""Dataset: pictures on disk by split, each with its target: what pictures with classes and with masks share.

At the start some of the pictures are looked at, all of them where there are few, so that what is wrong with a folder is
said before anything is measured; the others are when they are read. As many threads read as torch has, and what was
read is kept at its new size while there is room, so that later epochs do not wait for it.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import psutil
import torch
from torch import Tensor

from suite.data.device import sent
from suite.data.pictures import Picture, opened, own_size
from suite.data.source import normalised
from variants.contract import Grid

LOOKED_AT = 2000  # pictures of a split whose heads are read at the start
ROOM = 2**29  # bytes of pictures that are kept, at most ...
SHARE = 8  # ... and at most an eighth of the memory that this process may still have
Target = TypeVar("Target")
Made = TypeVar("Made")
Example = tuple[np.ndarray, np.ndarray]
"""A picture `Y X 3` in uint8, and its target."""


class Dataset(Generic[Target]):
    """Items by split, each a picture and its target, in an order of chance. What else a Source has, subclasses add."""

    resizing: ClassVar[str]
    ground: int | None = None
    shift = 1 / 16
    augments: tuple[str, ...] = ("flip", "crop", "color")
    further: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __init__(self, name: str, items: Mapping[str, Sequence[tuple[Picture, Target]]]) -> None:
        """ValueError names a split without pictures, or a picture whose head cannot be read."""
        if empty := [split for split, found in items.items() if not found]:
            raise ValueError(f"{name} has no pictures to {empty[0]} with: add some")
        self.name = name
        self.items = {split: sorted(found, key=by_chance) for split, found in items.items()}
        self.sizes = {
            split: threaded(size_of, [picture for picture, _ in found[:LOOKED_AT]])
            for split, found in self.items.items()
        }
        self.kept: dict[Grid, dict[tuple[str, int], Example]] = {}
        self.room = min(ROOM, free_bytes() // SHARE)

    def scale(self, own: Grid, size: Grid) -> float:
        """By how much a picture of this size of its own grows when `size` is asked for; below 1 it shrinks."""
        raise NotImplementedError

    def example(self, picture: Picture, target: Target, size: Grid) -> Example:
        """The picture and its target at the size. ValueError names a file that cannot be read."""
        raise NotImplementedError

    def native(self, split: str) -> float | None:
        return median(min(own.y, own.x) for own in self.own_sizes(split))

    def upsampled(self, split: str, size: Grid) -> float | None:
        return median(self.scale(own, size) for own in self.own_sizes(split))

    def own_sizes(self, split: str) -> list[Grid]:
        """The size that every picture of the split has by itself; those not looked at so far are looked at now."""
        known = self.sizes[split]
        known += threaded(size_of, [picture for picture, _ in self.items[split][len(known) :]])
        return known

    def group(self, split: str, indices: Sequence[int]) -> Tensor:
        return torch.zeros(len(indices), dtype=torch.int64)

    def ceiling(self, size: Grid) -> float | None:
        return None

    def count(self, split: str) -> int | None:
        return len(self.items[split])

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """See Source.batch."""
        light, targets = zip(*self.examples(split, indices, size), strict=True)
        images = sent(torch.from_numpy(np.stack(light)), device).permute(0, 3, 1, 2).contiguous()  # b 3 Y X, in bytes
        images = images.float().div_(255)
        return normalised(images, out=images), self.as_targets(sent(torch.from_numpy(np.stack(targets)), device))

    def as_targets(self, targets: Tensor) -> Tensor:
        """Targets as a loss takes them, in int64."""
        return targets.long()

    def made(self, split: str, index: int, size: Grid) -> Example:
        """One example, read from disk."""
        picture, target = self.items[split][index]
        return self.example(picture, target, size)

    def examples(self, split: str, indices: Sequence[int], size: Grid) -> list[Example]:
        """Those that are kept, and the others made; some of them are kept from now on."""
        kept = self.kept.setdefault(size, {})
        missing = [index for index in dict.fromkeys(indices) if (split, index) not in kept]
        fresh = dict(zip(missing, threaded(lambda index: self.made(split, index, size), missing), strict=True))
        for index, example in fresh.items():
            if self.has_room(example, size):
                kept[split, index] = example
        return [fresh[index] if index in fresh else kept[split, index] for index in indices]

    def has_room(self, example: Example, size: Grid) -> bool:
        """Takes the room for one more of this size, for which those of other sizes give way."""
        needed = bytes_of(example)
        if needed > self.room and len(self.kept) > 1:
            others = [self.kept.pop(other) for other in list(self.kept) if other != size]
            self.room += sum(bytes_of(example) for kept in others for example in kept.values())
        if needed > self.room:
            return False
        self.room -= needed
        return True


def bytes_of(example: Example) -> int:
    """What an example takes."""
    return sum(array.nbytes for array in example)


def free_bytes() -> int:
    """What this process may still allocate: what the system has, and its own limit, where it has one, leave."""
    free, (limit, _) = psutil.virtual_memory().available, resource.getrlimit(resource.RLIMIT_DATA)
    return free if limit == resource.RLIM_INFINITY else max(0, min(free, limit - psutil.Process().memory_info().data))


def threaded(make: Callable[[Any], Made], items: Iterable[Any]) -> list[Made]:
    """What `make` makes of each item, in their order, by as many threads as torch has."""
    if (threads := torch.get_num_threads()) == 1:
        return [make(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(make, items))


def size_of(picture: Picture) -> Grid:
    """The picture's own size. ValueError if it cannot be read."""
    return opened(picture, own_size)


def by_chance(item: tuple[Picture, Any]) -> bytes:
    """A key to sort by. It depends on the names of the picture and of its folder, or on its row: on no machine."""
    picture = item[0]
    name = f"{picture.parent.name}/{picture.name}" if isinstance(picture, Path) else repr(picture)
    return sha256(name.encode()).digest()
