"""The search for a learning rate: each rate trains a network of its own, and validation images choose among them.

Nothing of a search is reported as accuracy. Its seed is no seed of a reported training, so its weights, the order of
its images and, where images never end, the images themselves are others; its validation images are neither trained on
nor tested on. Every rate sees as many images as a reported training. One search serves all seeds of a network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from suite.case import Case
from suite.training.feed import Images
from suite.training.recipe import Schedule
from variants.contract import Grid

SEED = 1_000_000  # of every search; seeds of reported trainings are counted from 0
VALIDATION = "validation"
SHARE = 0.2  # of the training images of a data set that ends, at most as many as test endless images


@dataclass(frozen=True)
class Tried:
    """What a rate led to."""

    lr: float
    status: str  # ok, nan or diverged
    value: float = 0.0  # the score on validation images
    low: float | None = None
    high: float | None = None
    images: int = 0
    seconds: float = 0.0


class Searching:
    """A source's training images, of which some became the split `validation`; those of the test are out of reach.

    ValueError if it has one image only.
    """

    def __init__(self, source: Images) -> None:
        self.source, self.classes = source, source.classes
        self.ground, self.shift = source.ground, source.shift
        self.places: dict[str, list[int]] = {}
        if (count := source.count("train")) is not None:
            if count < 2:
                raise ValueError(
                    "a search needs a second image, to validate on: add pictures, or leave out --lr-search"
                )
            places = torch.randperm(count, generator=torch.Generator().manual_seed(SEED)).tolist()
            held_out = min(max(1, round(SHARE * count)), Schedule.test_images)
            self.places = {VALIDATION: places[:held_out], "train": places[held_out:]}

    def count(self, split: str) -> int | None:
        return len(self.places[split]) if self.places else None

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        if not self.places:  # images never end: any split has images of its own
            return self.source.batch(split, indices, size, device)
        return self.source.batch("train", [self.places[split][index] for index in indices], size, device)


def name_of(case: Case) -> str:
    """What the search of the case is known by: the same for all seeds of a network, wherever it is tested."""
    return replace(case, seed=0, tests=()).id


def searched(lrs: Sequence[float], attempt: Callable[[float], Tried], path: Path | None) -> list[Tried]:
    """What each rate leads to. Those that the file at `path` holds are not tried again, and it is kept complete."""
    found = read(path)
    for lr in lrs:
        if lr not in found:
            found[lr] = attempt(lr)
            write(path, found)
    return [found[lr] for lr in lrs]


def best(tried: Sequence[Tried]) -> Tried | None:
    """The rate with the best score, of equal ones the smallest; None if no training went well."""
    sound = [one for one in tried if one.status == "ok"]
    return max(sound, key=lambda one: (one.value, -one.lr), default=None)


def is_at_edge(tried: Sequence[Tried], chosen: Tried) -> bool:
    """Whether a rate beyond those that were tried might have been better."""
    rates = [one.lr for one in tried]
    return chosen.lr in (min(rates), max(rates))


def read(path: Path | None) -> dict[float, Tried]:
    """The rates that were tried, from the file; none if it is missing or broken."""
    try:
        return {one["lr"]: Tried(**one) for one in json.loads(path.read_text())} if path else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write(path: Path | None, found: dict[float, Tried]) -> None:
    """Writes the file anew, whole or not at all."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps([asdict(one) for one in found.values()]))
    beside.replace(path)
