"""A source: the images of one task, and what is known of how well they can be told apart.

Kinds of sources are found by their file's name in suite/data/sources: `scenes`, `digits`, `folder`, `voc` ... Each such
file has one function `source(detail, task, seed) -> Source`, where `detail` is what follows the colon in `folder:PATH`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from math import log
from types import ModuleType
from typing import Protocol

import torch
from torch import Tensor

from suite.case import TASKS
from suite.data.device import constant
from variants.contract import Grid

IGNORE = -100  # the target of a pixel that counts neither in a loss nor in a score: padding, and 255 in a mask file
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue over ImageNet, for every source


class Source(Protocol):
    """Images of one task, by split (`train`, `test`, and those of `further`) and index: a pure function of both.

    The first n images of a split are a fair sample of it, whatever n is.
    A network may be scored beyond `test`, under names made of the metric and of what it was tested on:

        further splits   image i of each is image i of `test` under another condition: `top1_moved50`
        groups           the test images that are alike in something: `miou_keys3` over those whose group is `keys3`

    No split and no group bears a name that another one has.
    """

    @property
    def name(self) -> str:
        """The name that loads this source again, its defaults spelt out: `scenes:grating`."""

    @property
    def task(self) -> str: ...
    @property
    def classes(self) -> int: ...
    @property
    def ground(self) -> int | None:
        """The class of a pixel where nothing is; None where every class is of something, and for classification."""

    @property
    def plateau(self) -> float | None:
        """The loss, in nats, of whoever knows how frequent the answers are but tells none apart; None if that is 0.

        Of answers but the one that `left_out` names: where nothing is, is no part of the question.
        """

    @property
    def shift(self) -> float:
        """How far training may move an image, as a share of its side; 0 for not at all."""

    @property
    def augments(self) -> tuple[str, ...]:
        """What training may do besides to an image whose class and mask stay true, of those in training/augment.py."""

    @property
    def resizing(self) -> str:
        """How an image comes to the asked size, in words."""

    def native(self, split: str) -> float | None:
        """The median shorter side of the split's images, in pixels; None for images that are drawn at every size."""

    def upsampled(self, split: str, size: Grid) -> float | None:
        """By how much the split's images grow to this size, the median; below 1 they shrink. None as for `native`.

        Growing adds no detail.
        """

    @property
    def further(self) -> tuple[str, ...]:
        """Names of splits to test on besides `test`; () where there are none."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that images fall into; () where they are not told apart."""

    def group(self, split: str, indices: Sequence[int]) -> Tensor:
        """`b` in int64: the place in `groups` of each image's group, whatever its size. Zeros where groups is ()."""

    def chance(self, size: Grid) -> float:
        """The score of a guess at images of this size: top-1 for classification, mIoU for segmentation."""

    def boundary_chance(self, size: Grid) -> float | None:
        """The boundary IoU of the same guess; None for classification."""

    def ceiling(self, size: Grid) -> float | None:
        """The best score that images of this size allow, in the unit of `chance`; None where nobody knows."""

    def count(self, split: str) -> int | None:
        """How many images the split has; None if they never end."""

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """Images `b 3 Y X`, normalised float32, and targets in int64: `b` classes, or `b Y X` with IGNORE.

        ValueError names a file that cannot be read.
        """


class OtherTask(ValueError):
    """The data are for another task than the asked one."""


def telling(problems: Sequence[ValueError]) -> ValueError:
    """Of what stands against each task, the first that is about the data themselves, if any is."""
    return next((problem for problem in problems if not isinstance(problem, OtherTask)), problems[0])


def left_out(ground: int | None, classes: int) -> int | None:
    """The class that no image is asked to tell from the others: the ground, if there are several others."""
    return ground if classes > 2 else None


def entropy(counts: Iterable[float]) -> float | None:
    """In nats, of answers that occur so often; None where there is one only."""
    some = [count for count in counts if count]
    return sum(count * log(sum(some) / count) for count in some) / sum(some) if len(some) > 1 else None


def load(name: str, task: str, seed: int = 0) -> Source:
    """The source of this name for this task, e.g. `scenes`, `scenes:grating`, `digits`, `folder:PATH`.

    The seed decides the content of scenes; the split of real data does not depend on it. ValueError in one sentence.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task}: take one of {', '.join(TASKS)}")
    kind, _, detail = name.partition(":")
    module = found("suite.data.sources", kind, f"unknown data {name}")
    source: Source = module.source(detail, task, seed)
    return source


held = lru_cache(maxsize=2)(load)
"""`load`, by a process that asks for the same again: the last two sources live on, with the pictures that they keep."""


def found(package: str, name: str, problem: str) -> ModuleType:
    """The module of this name in the package. ValueError starts with the problem and ends with names that exist."""
    names = names_in(package)
    if name not in names:
        near = get_close_matches(name, names, n=3) or names
        raise ValueError(f"{problem}: take {' or '.join(near)}")
    return import_module(f"{package}.{name}")


def names_in(package: str) -> list[str]:
    """The names of the package's modules, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(import_module(package).__path__))


def normalised(images: Tensor, out: Tensor | None = None) -> Tensor:
    """`b 3 Y X` of light from 0 to 1 -> the same minus MEAN, over STD; in `out`, which may be `images` itself."""
    mean, std = (constant(v, images).view(3, 1, 1) for v in (MEAN, STD))
    return torch.sub(images, mean, out=out).div_(std)
