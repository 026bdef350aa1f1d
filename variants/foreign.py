"""Foreign: a model of timm, measured beside our designs as it is, at its own size."""

from __future__ import annotations

import difflib
import importlib
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from variants.contract import REFERENCE, Grid, Mixer


@dataclass(frozen=True)
class Foreign:
    """`timm:NAME`. Implements `variants.contract.Design`, but can be neither resized nor rearranged."""

    model: str
    name: str = ""
    layout_name: str = "timm"
    position_name: str = "as published"
    decoder_name: str = ""
    widths: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()
    reference: Grid = REFERENCE
    policy: str = "as timm builds the model for each resolution; its size is its own, whatever the budget"

    def __str__(self) -> str:
        return f"timm:{self.model}"

    def in_layout(self, layout: str) -> Foreign:
        if layout != self.layout_name:
            raise ValueError(f"{self} keeps its own layout: leave out --layout for models of timm")
        return self

    def with_position(self, position: str) -> Foreign:
        if position != self.position_name:
            raise ValueError(f"{self} keeps its own positions: leave out --position for models of timm")
        return self

    def with_patch(self, patch: int) -> Foreign:
        return self

    def with_decoder(self, decoder: str) -> Foreign:
        raise ValueError(f"{self} comes with a head for classification only: leave out --decoder for models of timm")

    def fitted(self, params: int) -> Foreign:
        """Itself: the record's residual says how far it is from the budget."""
        return self

    def sized(self, widths: tuple[int, ...], extra: tuple[int, ...]) -> Foreign:
        return self

    def alone(self, grid: Grid) -> tuple[Mixer, int]:
        raise ValueError(f"{self} cannot be taken apart: leave out --scope mixer for models of timm")

    def build(self, task: str, classes: int, size: Grid) -> ForeignNetwork:
        """ValueError if the model is unknown, does not take the size, or is asked for segmentation."""
        if task != "classification":
            raise ValueError(f"{self} comes with a head for classification only: leave out --task {task}")
        timm = imported_timm()
        if self.model not in timm.list_models():
            near = difflib.get_close_matches(self.model, timm.list_models(), 3) or ["timm.list_models()"]
            raise ValueError(f"timm has no model {self.model}: try {' or '.join(near)}")
        try:
            return ForeignNetwork(timm.create_model(self.model, num_classes=classes, img_size=(size.y, size.x)))
        except TypeError:  # a network without a fixed size knows no img_size
            return ForeignNetwork(timm.create_model(self.model, num_classes=classes))
        except (AssertionError, RuntimeError) as error:
            raise ValueError(f"{self} cannot be built for {size} pixels: {error}") from None


class ForeignNetwork(nn.Module):
    """A model that states no cost of its own: it is counted by the counters alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """`b 3 Y X` -> `b classes`."""
        logits: Tensor = self.model(images)
        return logits

    def parameter_count(self) -> dict[str, int]:
        head = sum(p.numel() for p in self.model.get_classifier().parameters())  # type: ignore[operator]  # timm's
        return {"body": sum(p.numel() for p in self.parameters()) - head, "head": head, "grid": 0}


def imported_timm() -> Any:
    """The package timm. ValueError says how to get it."""
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise ValueError("models of timm need the package timm: install it with `pip install avbench[timm]`") from None
    except RuntimeError:  # timm imports torchvision, whose CUDA build expects operators that a CPU torch lacks
        declare_operators()
        return importlib.import_module("timm")


@cache
def declare_operators() -> torch.library.Library:
    """Declares what torchvision's CUDA build registers fake kernels for, so that it can be imported without CUDA."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("timm", "torchvision")]:
        del sys.modules[name]  # left there by the import that failed
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
