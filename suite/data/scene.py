"""Scenes: shapes, places, colours and stripes in a square of side 1 that knows no resolution; and how one is drawn.

A family of scenes is a file in suite/data/families with the names of `Family`. Every number of a scene comes from Dice,
so image i of split s of family f under a seed is a function of (f, s, seed, i) alone.

Drawing. The square lies in the middle of the image and is as wide as the image's shorter side, R pixels; the ground
goes on beside it. A layer is drawn only in a box around it, into each pixel as much as it covers of it. Stripes are
averaged over each pixel in closed form and fade out towards FINEST·R cycles a side: finer ones would alias into coarser
ones of another direction, and tell the class to whoever should not see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, pi
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from suite.data.device import constant
from suite.data.dice import Dice
from suite.data.noise import Noise
from suite.data.shapes import Shape
from variants.contract import Grid

FINEST = 0.45  # cycles a pixel: finer stripes are not drawn at all
FADING = 0.405  # cycles a pixel: finer stripes are drawn with less contrast


@dataclass(frozen=True)
class Stripes:
    """A plane wave of light on a layer: contrast · cos(2π wave·place + phase)."""

    wave: Tensor  # b 2: cycles a side, downwards and to the right
    phase: Tensor  # b
    contrast: Tensor  # b 3


@dataclass(frozen=True)
class Name:
    """What an object is called."""

    shape: Tensor  # b: places in words.SHAPES
    colour: Tensor  # b: places in words.COLOURS, or NO_WORD
    core: Tensor | None = None  # b: the same, of what lies in its middle


@dataclass(frozen=True)
class Layer:
    """One shape in each image of a batch."""

    shape: Shape
    centre: Tensor  # b 2: down and right, in sides
    colour: Tensor  # b 3, from 0 to 1
    label: Tensor  # b: what the mask says there
    stripes: Stripes | None = None
    name: Name | None = None  # of an object; what else a scene shows has no name, no box and no word
    present: Tensor | None = None  # b: whether an image shows it at all; None: every image does

    @property
    def is_present(self) -> Tensor:
        """`b` in bool."""
        return torch.ones_like(self.label, dtype=torch.bool) if self.present is None else self.present


@dataclass(frozen=True)
class Scene:
    """A batch of scenes: the ground, with mask 0, under layers; the last one lies on top."""

    ground: Tensor  # b 3
    layers: tuple[Layer, ...]
    label: Tensor  # b: the class of the image
    group: Tensor | None = None  # b: its place in the family's GROUPS; None where it has none
    noise: Noise | None = None  # on top of everything; light may then be below 0 and above 1

    def moved(self, down: float, right: float) -> Scene:
        """Everything moved by so many sides."""
        step = constant((down, right), self.ground)
        return replace(self, layers=tuple(replace(layer, centre=layer.centre + step) for layer in self.layers))


class Family(Protocol):
    """What a file in suite/data/families says. Where it is for segmentation, class 0 is the ground.

    It may name more to be scored by, see Source: `GROUPS`, a tuple of names that `Scene.group` gives places in, and
    `FURTHER`, a dict from the name of a split to what describes it from the dice of `test`.
    """

    TASK: str
    NAMES: tuple[str, ...]  # of the classes
    PLATEAU: float  # the loss of whoever has not understood the task: Source.plateau
    chance: Callable[[Grid], float]  # the score of a guess, as the file's docstring derives it
    ceiling: Callable[[Grid], float | None]
    describe: Callable[[Dice], Scene]


def draw(scene: Scene, size: Grid) -> tuple[Tensor, Tensor]:
    """Light `b 3 Y X` from 0 to 1, and the mask `b Y X` in int64: the label of what covers most of the pixel."""
    b = len(scene.ground)
    image = torch.empty(b, 3, size.y, size.x, device=scene.ground.device)
    mask = torch.empty(b, size.y, size.x, dtype=torch.uint8, device=image.device)
    draw_into(image, mask, scene)
    return image, mask.long()


def draw_into(image: Tensor, mask: Tensor | None, scene: Scene) -> None:
    """The same into tensors that are there, the mask in uint8. Where only the image is asked for, it costs less."""
    size = Grid(*image.shape[2:])
    image.copy_(scene.ground[:, :, None, None].expand_as(image))
    if mask is not None:
        mask.zero_()
    for layer in scene.layers:
        paint(layer, size, image.flatten(2), None if mask is None else mask.flatten(1))
    if scene.noise is not None:
        image += scene.noise.of(size)


def paint(layer: Layer, size: Grid, image: Tensor, mask: Tensor | None) -> None:
    """Draws a layer into image `b 3 (Y X)` and mask `b (Y X)`, touching only a box around it."""
    side = min(size.y, size.x)
    rows, y = box(layer.centre[:, 0], layer.shape.reach, size.y, side)
    columns, x = box(layer.centre[:, 1], layer.shape.reach, size.x, side)
    dy, dx = y - layer.centre[:, :1], x - layer.centre[:, 1:]
    cover = covered(layer.shape, dy, dx, side).flatten(1)  # b (y x)
    if layer.present is not None:
        cover = cover * layer.present[:, None]
    place = (rows[:, :, None] * size.x + columns[:, None, :]).flatten(1)  # b (y x), into (Y X)
    light = layer.colour[:, :, None]  # b 3 1
    if layer.stripes is not None:
        light = light + layer.stripes.contrast[:, :, None] * waves(layer.stripes, y, x, side)  # b 3 (y x)
    places = place[:, None].expand(-1, 3, -1)
    image.scatter_(2, places, image.gather(2, places).lerp_(light.expand(places.shape), cover[:, None]))
    if mask is not None:
        label = layer.label.to(mask.dtype)[:, None]
        mask.scatter_(1, place, torch.where(cover > 0.5, label, mask.gather(1, place)))


def covered(shape: Shape, dy: Tensor, dx: Tensor, side: int) -> Tensor:
    """The share that a shape covers of the pixels at offsets dy `b y` and dx `b x` from its centre: `b y x`."""
    samples = shape.samples(side)
    if samples == 1:
        return shape.cover(dy[:, :, None], dx[:, None, :], side)
    step = ((torch.arange(samples, device=dy.device) + 0.5) / samples - 0.5) / side
    dy, dx = ((d[:, :, None] + step).flatten(1) for d in (dy, dx))  # b (y s), b (x s)
    return functional.avg_pool2d(shape.cover(dy[:, :, None], dx[:, None, :], side * samples), samples)


def box(centre: Tensor, reach: float, length: int, side: int) -> tuple[Tensor, Tensor]:
    """Along one axis: the pixels `b y` that a layer around `centre` may touch, and their places `b y` in sides."""
    width = min(2 * ceil(reach * side) + 3, length)
    margin = (length - side) / 2
    first = (centre * side + margin - width / 2).floor().clamp(0, length - width).long()
    pixels = first[:, None] + torch.arange(width, device=centre.device)
    return pixels, (pixels + 0.5 - margin) / side


def waves(stripes: Stripes, y: Tensor, x: Tensor, side: int) -> Tensor:
    """The mean over each pixel of cos(2π wave·place + phase), faded: `b 1 (y x)` for places y `b y` and x `b x`."""
    cycles = stripes.wave / side  # b 2, in cycles a pixel
    share = ((FINEST - cycles.norm(dim=1)) / (FINEST - FADING)).clamp(0, 1)  # b
    strength = share * share * (3 - 2 * share) * torch.sinc(cycles).prod(1)  # b
    down, right = 2 * pi * stripes.wave[:, :1] * y, 2 * pi * stripes.wave[:, 1:] * x + stripes.phase[:, None]
    wave = down.cos()[:, :, None] * right.cos()[:, None, :] - down.sin()[:, :, None] * right.sin()[:, None, :]
    return (strength[:, None, None] * wave).flatten(1)[:, None]
