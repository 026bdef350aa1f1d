"""Feed: training images in an order that the seed alone decides, from any position on, for one process or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from suite.data.source import IGNORE
from suite.training.augment import SHIFT, Augmentation, by_kornia
from suite.training.recipe import Schedule
from variants.contract import Grid


class Images(Protocol):
    """What training and exams ask of a `suite.data.source.Source`, which says what each of these means."""

    @property
    def classes(self) -> int: ...
    @property
    def shift(self) -> float: ...
    @property
    def ground(self) -> int | None: ...
    def count(self, split: str) -> int | None: ...
    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]: ...


class Feed:
    """Batches of the training split, augmented as the schedule says.

    Of several processes each takes every so manieth image of each batch, so that together they see what one would.
    """

    def __init__(
        self, source: Images, size: Grid, schedule: Schedule, device: torch.device, process: int = 0, processes: int = 1
    ) -> None:
        self.source, self.size, self.schedule, self.device = source, size, schedule, device
        self.process, self.processes = process, processes
        self.chance = torch.Generator().manual_seed(schedule.seed)  # of augmentation
        shift = source.shift if SHIFT in schedule.augment.split("+") else 0.0
        self.reach = round(shift * min(size.y, size.x))
        names = by_kornia(schedule.augment)
        self.augmentation = Augmentation(names, size) if names else None
        self.go_to(0)

    def go_to(self, images: int) -> None:
        """Goes on after so many images."""
        self.images = images
        self.order = islice(order(self.source.count("train"), self.schedule.seed), images, self.schedule.images or None)

    def batch(self) -> tuple[Tensor, Tensor]:
        """This process's images and targets of the next batch, the last one cut to the schedule's number of images."""
        chosen = list(islice(self.order, self.schedule.batch))
        self.images += len(chosen)
        steps = torch.randint(0, 2 * self.reach + 1, (len(chosen), 2), generator=self.chance)  # b 2
        drawn = self.augmentation.draw(len(chosen), self.chance) if self.augmentation else ()
        mine = slice(self.process, None, self.processes)
        images, targets = self.source.batch("train", chosen[mine], self.size, str(self.device))
        images, targets = shifted(images, targets, steps[mine], self.reach)
        return self.augmentation.apply(images, targets, drawn, mine) if self.augmentation else (images, targets)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on as if nothing had happened."""
        return {"images": self.images, "chance": self.chance.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.go_to(state["images"])
        self.chance.set_state(state["chance"])


def order(count: int | None, seed: int) -> Iterator[int]:
    """Indices for ever: 0, 1, 2, ... of endless images, or one shuffle after the other of `count` images."""
    index, shuffler = 0, torch.Generator().manual_seed(seed)
    while True:
        if count is None:
            yield index
            index += 1
        else:
            yield from torch.randperm(count, generator=shuffler).tolist()


def shifted(images: Tensor, targets: Tensor, steps: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Moves image i of `b 3 Y X`, and its mask where targets are `b Y X`, by steps[i] - reach, up and to the left.

    The edge is repeated beside a moved image, and beside a moved mask comes IGNORE.
    """
    if reach == 0:
        return images, targets
    y, x = images.shape[-2:]
    around, places = (reach,) * 4, steps.tolist()
    wide = functional.pad(images, around, mode="replicate")
    moved = torch.stack([image[:, j : j + y, i : i + x] for image, (j, i) in zip(wide, places, strict=True)])
    if targets.ndim == 1:
        return moved, targets
    wide = functional.pad(targets, around, value=IGNORE)
    return moved, torch.stack([mask[j : j + y, i : i + x] for mask, (j, i) in zip(wide, places, strict=True)])
