"""`scenes` and `scenes:FAMILY`: images drawn when they are asked for, at the size that is asked for; they never end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from suite.data.dice import Dice
from suite.data.scene import Family, Scene, draw_into
from suite.data.source import OtherTask, Source, found, names_in, normalised
from variants.contract import Grid

FAMILIES = "suite.data.families"
AT_ONCE = 2**20  # pixels: what drawing needs besides the images stays under about 100 MB
DEFAULT = {"classification": "grating", "segmentation": "cue"}


@dataclass(frozen=True)
class Scenes:
    """One family under one seed. Splits are any names: each has scenes of its own, or those of `test` in its way."""

    family: str
    seed: int
    shift: float = 0.0  # a scene is moved nowhere: its place may be what tells the class
    augments: tuple[str, ...] = ()  # nor changed: so may directions, colours and sizes
    resizing: str = "drawn at the size"

    @property
    def module(self) -> Family:
        return family_named(self.family)

    @property
    def name(self) -> str:
        return f"scenes:{self.family}"

    @property
    def task(self) -> str:
        return self.module.TASK

    @property
    def classes(self) -> int:
        return len(self.module.NAMES)

    @property
    def plateau(self) -> float | None:
        return self.module.PLATEAU

    @property
    def ground(self) -> int | None:
        return 0 if self.task == "segmentation" else None

    @property
    def described(self) -> dict[str, Callable[[Dice], Scene]]:
        """What describes each of the further splits."""
        return getattr(self.module, "FURTHER", {})

    @property
    def further(self) -> tuple[str, ...]:
        return tuple(self.described)

    @property
    def groups(self) -> tuple[str, ...]:
        return getattr(self.module, "GROUPS", ())

    def group(self, split: str, indices: Sequence[int]) -> Tensor:
        scene = self.scene(split, indices)
        return torch.zeros_like(scene.label) if scene.group is None else scene.group

    def chance(self, size: Grid) -> float:
        return self.module.chance(size)

    def boundary_chance(self, size: Grid) -> float | None:
        """Whoever knows where objects are knows their boundaries, and guesses there as elsewhere."""
        return self.chance(size) if self.task == "segmentation" else None

    def ceiling(self, size: Grid) -> float | None:
        return self.module.ceiling(size)

    def native(self, split: str) -> float | None:
        return None

    def upsampled(self, split: str, size: Grid) -> float | None:
        return None

    def count(self, split: str) -> int | None:
        return None

    def scene(self, split: str, indices: Sequence[int], device: str = "cpu") -> Scene:
        """The descriptions behind the images."""
        thrown = "test" if split in self.further else split
        describe = self.described.get(split, self.module.describe)
        return describe(Dice(f"{self.family} {thrown} {self.seed}", indices, device))

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """See Source.batch."""
        images = torch.empty(len(indices), 3, size.y, size.x, device=device)
        masks = None
        if self.task == "segmentation":
            masks = torch.empty(len(indices), size.y, size.x, dtype=torch.uint8, device=device)
        labels, step = [], max(AT_ONCE // size.n, 1)
        for first in range(0, len(indices), step):
            part = slice(first, first + step)
            scene = self.scene(split, indices[part], device)
            draw_into(images[part], None if masks is None else masks[part], scene)
            labels.append(scene.label)
        return normalised(images, out=images), torch.cat(labels) if masks is None else masks.long()


def family_named(name: str) -> Family:
    """The family of this name. ValueError names those that exist."""
    return cast(Family, found(FAMILIES, name, f"unknown family of scenes {name}"))


def source(detail: str, task: str, seed: int) -> Source:
    """The family named by `detail`, or the task's default. ValueError if it is for another task."""
    family = detail or DEFAULT[task]
    if family_named(family).TASK != task:
        fitting = " or ".join(f"scenes:{f}" for f in names_in(FAMILIES) if family_named(f).TASK == task)
        raise OtherTask(f"scenes:{family} is not for {task}: take {fitting}")
    return Scenes(family, seed)
