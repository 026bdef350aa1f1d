"""What else a description of scenes yields, beside images and masks: boxes and captions of its objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.data.scene import Scene
from suite.data.words import NO_WORD, phrase, place
from variants.contract import Grid


@dataclass(frozen=True)
class Boxes:
    """The m objects of each scene, in the order in which they are drawn. What is not present counts for nothing."""

    edges: Tensor  # b m 4: top, left, bottom, right, in sides of the scene
    shape: Tensor  # b m: places in words.SHAPES
    colour: Tensor  # b m: places in words.COLOURS, or NO_WORD
    core: Tensor  # b m: the same, of what lies in its middle
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
        return Boxes(scene.ground.new_zeros(len(none), 0, 4), none, none, none, none.bool())
    return Boxes(
        edges=torch.stack([layer.centre.repeat(1, 2) + layer.shape.extent() for layer, _ in named], 1),
        shape=torch.stack([name.shape for _, name in named], 1),
        colour=torch.stack([name.colour for _, name in named], 1),
        core=torch.stack([torch.full_like(n.colour, NO_WORD) if n.core is None else n.core for _, n in named], 1),
        present=torch.stack([layer.is_present for layer, _ in named], 1),
    )


def captions(scene: Scene, places: bool = True) -> list[str]:
    """The objects of each scene in words, in the order in which they are drawn: `a red disc at the top`."""
    found = boxes(scene)
    middle = (found.edges[..., :2] + found.edges[..., 2:]) / 2  # b m 2
    columns = torch.cat([torch.stack([found.shape, found.colour, found.core, found.present], 2), middle], 2).tolist()
    texts = []
    for row in columns:
        objects = [(phrase(int(s), int(c), int(k)), place(y, x)) for s, c, k, present, y, x in row if present]
        texts.append(", ".join(f"{what} {where}" if places else what for what, where in objects) or "nothing")
    return texts
