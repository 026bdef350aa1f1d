"""`digits`: the 1797 handwritten digits of 8 x 8 pixels that scikit-learn carries, resized to the asked size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from suite.data.device import sent
from suite.data.source import OtherTask, Source, entropy, normalised
from suite.data.split import divided
from variants.contract import Grid

SIDE = 8  # pixels of a scan


class Digits:
    """White ink on black. A fifth of each digit is held out, the same ones always."""

    name, task, classes = "digits", "classification", 10
    ground: int | None = None
    shift = 1 / 16  # half a pixel of the scan
    augments: tuple[str, ...] = ("crop", "color")  # mirrored, a digit is none
    resizing = "bicubic, both sides"
    further: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __init__(self) -> None:
        data = load_digits()
        self.light = torch.from_numpy(data.images).float()[:, None] / 16  # n 1 8 8
        self.label = torch.from_numpy(data.target).long()  # n
        names = [f"digits/{place:04}" for place in range(len(self.label))]
        train, test = divided(names, self.label.tolist())
        self.places = {"train": torch.tensor(train), "test": torch.tensor(test)}

    def chance(self, size: Grid) -> float:
        """The share of the most frequent digit among those held out."""
        test = self.label[self.places["test"]]
        return test.bincount().max().item() / len(test)

    @property
    def plateau(self) -> float | None:
        return entropy(self.label[self.places["train"]].bincount().tolist())

    def boundary_chance(self, size: Grid) -> float | None:
        return None

    def ceiling(self, size: Grid) -> float | None:
        return None

    def native(self, split: str) -> float | None:
        return SIDE

    def upsampled(self, split: str, size: Grid) -> float | None:
        return max(size.y, size.x) / SIDE

    def count(self, split: str) -> int | None:
        return len(self.places[split])

    def group(self, split: str, indices: Sequence[int]) -> Tensor:
        return torch.zeros(len(indices), dtype=torch.int64)

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """See Source.batch."""
        places = self.places[split][list(indices)]
        light = sent(self.light[places], device)
        light = functional.interpolate(light, (size.y, size.x), mode="bicubic", antialias=True).clamp(0, 1)
        return normalised(light.expand(-1, 3, -1, -1)), sent(self.label[places], device)


def source(detail: str, task: str, seed: int) -> Source:
    """The digits; neither detail nor seed. ValueError for any task but classification."""
    if detail:
        raise ValueError(f"digits takes no detail, so digits:{detail} means nothing: take digits")
    if task != "classification":
        raise OtherTask(f"digits has classes but no masks for {task}: take scenes, or folder:PATH with masks")
    return Digits()
