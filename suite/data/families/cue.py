"""Segment the objects that have the colour of the patch in the corner, against the others.

It takes a field that reaches from the corner to every object: where it does not, the class of an object is a guess.

Classes: 0 the ground and the patch, 1 objects of the patch's colour, 2 objects of the other colour. Two colours a
scene, each object's chosen by a fair coin and the patch's too, so that nothing but the patch tells which is which.

    chance = 5/9, the mIoU of a guess that knows every object and tosses a coin for its class:
             the ground is right, and each other class has IoU 1/4 / (1/2 + 1/2 - 1/4) = 1/3
    ceiling = 1
"""

from __future__ import annotations

from math import pi, sqrt

import torch
from torch import Tensor

from suite.data.dice import Dice
from suite.data.scene import Layer, Scene
from suite.data.shapes import Regular
from variants.contract import Grid

TASK, CLASSES, CHANCE = "segmentation", 3, 5 / 9
OBJECTS = 5
CELLS = 3  # a side: objects lie in different cells, and none in the patch's
RADII = (0.11, 0.155)
PATCH = 0.25  # side of the patch
SHADE = 0.05  # how far an object's colour may be from its hue, in each of red, green and blue
HUES = ((0.85, 0.2, 0.2), (0.8, 0.75, 0.15), (0.2, 0.75, 0.25), (0.2, 0.75, 0.8), (0.25, 0.3, 0.85), (0.8, 0.25, 0.75))
SIDES = (0, 3, 4, 6)  # disc, triangle, square, hexagon


def ceiling(size: Grid) -> float:
    """Every object can be seen at any size."""
    return 1.0


def describe(dice: Dice) -> Scene:
    """The patch in the corner and OBJECTS objects, none of which touches another."""
    hues = torch.tensor(HUES, device=dice.uniform.device)
    pair = hues[dice.order(len(HUES))[:, :2]]  # b 2 3: the colour of the patch, and the other
    label = 1 + dice.whole(2, OBJECTS)  # b m
    grey = dice.between(0.35, 0.65).expand(-1, 3)
    cells = 1 + dice.order(CELLS * CELLS - 1)[:, :OBJECTS]  # b m: cell 0 is the corner
    layers = [patch(pair[:, 0])]
    for cell, which in zip(cells.unbind(1), label.unbind(1), strict=True):
        colour = pair[torch.arange(len(pair), device=pair.device), which - 1]
        layers.append(thing(dice, cell, colour, which))
    return Scene(grey, tuple(layers), torch.zeros_like(label[:, 0]))


def patch(colour: Tensor) -> Layer:
    """The square that fills the upper left corner."""
    one = torch.ones(len(colour), 1, 1, device=colour.device)
    square = Regular(one * PATCH / sqrt(2), one * 4, one * pi / 4, reach=PATCH / 2)
    centre = torch.full((len(colour), 2), PATCH / 2, device=colour.device)
    return Layer(square, centre, colour, torch.zeros(len(colour), dtype=torch.int64, device=colour.device))


def thing(dice: Dice, cell: Tensor, colour: Tensor, label: Tensor) -> Layer:
    """A shape of chance somewhere in its cell, in a shade of its colour."""
    radius = dice.between(*RADII)  # b 1
    sides = torch.tensor(SIDES, device=radius.device)[dice.whole(len(SIDES))]  # b 1
    shape = Regular(radius[..., None], sides[..., None], dice.between(0, 2 * pi)[..., None], reach=RADII[1])
    corner = torch.stack([cell // CELLS, cell % CELLS], 1) / CELLS  # b 2
    room = 1 / CELLS - 2 * radius  # b 1
    centre = corner + radius + room * dice.throw(2)
    shade = (colour + dice.between(-SHADE, SHADE, 3)).clamp(0, 1)
    return Layer(shape, centre, shade, label)
