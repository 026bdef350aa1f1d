"""Backbone: stem, place and stages in a row. Classifier: a backbone under a head."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from variants.contract import Grid, Mixer
from variants.parts.norm import ToNorm


class Backbone(nn.Module):
    """From images to the features of every stage, or of several blocks of a single one."""

    def __init__(self, stem: nn.Module, place: nn.Module, stages: nn.ModuleList, taps: tuple[int, ...] = ()) -> None:
        """`taps`: the blocks of a single stage, counted from 1, whose features are wanted; none: the last one's."""
        assert not taps or len(stages) == 1, "of several stages the features are those of each"
        super().__init__()
        self.stem, self.place, self.stages, self.taps = stem, place, stages, taps

    def forward(self, images: Tensor) -> list[Tensor]:
        """`b 3 Y X` -> `b y x d` for each stage, or for each tap."""
        x = self.place(self.stem(images))  # b y x d
        features = []
        for stage, taps in self._tapped():
            for i, piece in enumerate(stage, 1):
                x = piece(x)
                features += [x] * taps.count(i)
        return features

    def grids(self, size: Grid) -> list[Grid]:
        """The grids of the features for images of so many pixels."""
        grid, grids = self.stem.grid(size), []  # type: ignore[operator]  # a Piece
        for stage, taps in self._tapped():
            for i, piece in enumerate(stage, 1):
                grid = piece.grid(grid)  # type: ignore[operator]  # a Piece
                grids += [grid] * taps.count(i)
        return grids

    def _tapped(self) -> Iterator[tuple[nn.Sequential, tuple[int, ...]]]:
        """Each stage, and the numbers of its pieces whose features are wanted."""
        for stage in self.stages:
            assert isinstance(stage, nn.Sequential)
            yield stage, self.taps or (len(stage),)

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

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """`b 3 Y X` -> logits: `b classes`, or `b classes Y X`; several in training, if there are auxiliary heads."""
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


def initialise(network: nn.Module, draw: Callable[[Tensor], object] = nn.init.xavier_uniform_) -> None:
    """Draws weights: linear layers by `draw`, convolutions as in 1502.01852; biases are 0.

    Glorot's rule for linear layers is that of ViT's authors (2010.11929). It follows their width, which a small budget
    makes small: a deviation of 0.02 (2012.12877) suits 768 channels, and of 80 it keeps attention uniform for long.
    """
    for module in network.modules():
        if isinstance(module, ToNorm):
            nn.init.trunc_normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Linear):
            draw(module.weight)
        elif isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
