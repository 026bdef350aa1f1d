"""What else a description of scenes yields, beside images and masks: boxes and captions of its objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.data.scene import Scene
from suite.data.words import phrase, place
from variants.contract import Grid


@dataclass(frozen=True)
class Boxes:
    """The m objects of each scene, in the order in which they are drawn. What is not present counts for nothing."""

    edges: Tensor  # b m 4: top, left, bottom, right, in sides of the scene
    shape: Tensor  # b m: places in words.SHAPES
    colour: Tensor  # b m: places in words.COLOURS, or NO_WORD
    present: Tensor  # b m: bool

    def pixels(self, size: Grid) -> Tensor:
        """`b m 4`: the same edges in pixels of an image of this size, cut at its borders."""
        side = min(size.y, size.x)
        margin, end = ((size.y - side) / 2, (size.x - side) / 2) * 2, (size.y, size.x) * 2
        moved = self.edges * side + self.edges.new_tensor(margin)
        return moved.clamp(min=0).minimum(self.edges.new_tensor(end))


def boxes(scene: Scene) -> Boxes:
    """The tightest box around each object as if it were alone; m may be 0."""
    named = [(layer, layer.name) for layer in scene.layers if layer.name is not None]
    if not named:
        none = scene.label.new_zeros(len(scene.label), 0)
        return Boxes(scene.ground.new_zeros(len(none), 0, 4), none, none, none.bool())
    return Boxes(
        edges=torch.stack([layer.centre.repeat(1, 2) + layer.shape.extent() for layer, _ in named], 1),
        shape=torch.stack([name.shape for _, name in named], 1),
        colour=torch.stack([name.colour for _, name in named], 1),
        present=torch.stack([layer.is_present for layer, _ in named], 1),
    )


def captions(scene: Scene) -> list[str]:
    """The objects of each scene in words, in the order in which they are drawn: `a red disc at the top`."""
    found = boxes(scene)
    middle = (found.edges[..., :2] + found.edges[..., 2:]) / 2  # b m 2
    columns = (t.tolist() for t in (found.present, found.shape, found.colour, middle))
    texts = []
    for present, shape, colour, where in zip(*columns, strict=True):
        told = (f"{phrase(s, c)} {place(*w)}" for p, s, c, w in zip(present, shape, colour, where, strict=True) if p)
        texts.append(", ".join(told) or "nothing")
    return texts
