"""Backbone: stem, place and stages in a row. Classifier: a backbone under a head."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from variants.contract import Grid, Mixer


class Backbone(nn.Module):
    """From images to the features of every stage."""

    def __init__(self, stem: nn.Module, place: nn.Module, stages: nn.ModuleList) -> None:
        super().__init__()
        self.stem, self.place, self.stages = stem, place, stages

    def forward(self, images: Tensor) -> list[Tensor]:
        """`b 3 Y X` -> `b y x d` for each stage."""
        x = self.place(self.stem(images))  # b y x d
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def grids(self, size: Grid) -> list[Grid]:
        """The grid of each stage's features for images of so many pixels."""
        grid, grids = self.stem.grid(size), []  # type: ignore[operator]  # a Piece
        for stage in self.stages:
            for piece in stage:  # type: ignore[attr-defined]  # a Sequential of Pieces
                grid = piece.grid(grid)
            grids.append(grid)
        return grids

    def macs(self, size: Grid) -> int:
        """Multiply-adds for one image of so many pixels, exact."""
        grid, total = self.stem.grid(size), self.stem.macs(size)  # type: ignore[operator]  # a Piece
        total += self.place.macs(grid)  # type: ignore[operator]  # a Nowhere
        for stage in self.stages:
            for piece in stage:  # type: ignore[attr-defined]  # a Sequential of Pieces
                total += piece.macs(grid)
                grid = piece.grid(grid)
        return int(total)


class Classifier(nn.Module):
    """A network that classifies an image, or each of its pixels: implements `variants.contract.Network`."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> Tensor:
        """`b 3 Y X` -> logits: `b classes`, or `b classes Y X`."""
        size = Grid(images.shape[2], images.shape[3])
        return self.head(self.backbone(images), size)

    def macs(self, size: Grid) -> int:
        return self.backbone.macs(size) + int(self.head.macs(self.backbone.grids(size), size))  # type: ignore[operator]

    def parameter_count(self) -> dict[str, int]:
        growing = (m for m in self.backbone.modules() if getattr(m, "grows", False))
        return {
            "body": sum(p.numel() for p in self.backbone.parameters()),
            "head": sum(p.numel() for p in self.head.parameters()),
            "grid": sum(p.numel() for m in growing for p in m.parameters()),
        }

    def layers(self) -> list[nn.Module]:
        pieces = (piece for stage in self.backbone.stages for piece in stage)  # type: ignore[attr-defined]
        return [piece for piece in pieces if any(isinstance(m, Mixer) for m in piece.modules())]


class Undrawn(TorchFunctionMode):
    """While entered, weights on the meta device are not drawn: they hold no numbers, and it would take most time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" and (weight := kwargs.get("tensor", *args[:1])).is_meta:
            return weight
        return func(*args, **kwargs)


def initialise(network: nn.Module) -> None:
    """Draws weights: linear layers with a deviation of 0.02 (2012.12877), convolutions as in 1502.01852; biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
