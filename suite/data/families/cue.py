"""Segment the objects that have the colour of the patch in the corner, against the others.

It takes a field that reaches from the corner to every object: where it does not, the class of an object is a guess.

Classes: 0 the ground and the patch, 1 objects of the patch's colour, 2 objects of the other colour. Two colours a
scene, each object's chosen by a fair coin and the patch's too, so that nothing but the patch tells which is which.

    chance = 5/9, the mIoU of a guess that knows every object and tosses a coin for its class:
             the ground is right, and each other class has IoU 1/4 / (1/2 + 1/2 - 1/4) = 1/3
    plateau = ln 2, the loss of the coin
    ceiling = 1
"""

from __future__ import annotations

from math import log, pi, sqrt

import torch
from torch import Tensor

from suite.data.device import constant
from suite.data.dice import Dice
from suite.data.scene import Layer, Scene
from suite.data.shapes import Regular
from suite.data.things import in_cells, regular, things
from suite.data.words import HUES, REGULAR
from variants.contract import Grid

TASK, PLATEAU = "segmentation", log(2)
NAMES = ("ground", "like the patch", "unlike the patch")
OBJECTS = 5
CELLS = 3  # a side: objects lie in different cells, and none in the patch's
RADII = (0.11, 0.155)
PATCH = 0.25  # side of the patch


def chance(size: Grid) -> float:
    """At any size."""
    return 5 / 9


def ceiling(size: Grid) -> float:
    """Every object can be seen at any size."""
    return 1.0


def describe(dice: Dice) -> Scene:
    """The patch in the corner and OBJECTS objects, none of which touches another."""
    pair = dice.order(len(HUES))[:, :2]  # b 2: the colour of the patch, and the other
    label = 1 + dice.whole(2, OBJECTS)  # b m
    ground = dice.between(0.35, 0.65).expand(-1, 3)
    cells = 1 + dice.order(CELLS * CELLS - 1)[:, :OBJECTS]  # b m: cell 0 is the corner
    radius, shape = dice.between(*RADII, OBJECTS), dice.whole(len(REGULAR), OBJECTS)
    centre = in_cells(dice, cells, CELLS, (0, 0), (1 / CELLS, 1 / CELLS), radius)
    outlines = regular(dice, radius, shape, RADII[1])
    objects = things(dice, centre, outlines, shape, pair.gather(1, label - 1), label)
    return Scene(ground, (patch(pair[:, 0]), *objects), torch.zeros_like(label[:, 0]))


def patch(colour: Tensor) -> Layer:
    """The square that fills the upper left corner."""
    one = torch.ones(len(colour), 1, 1, device=colour.device)
    square = Regular(one * PATCH / sqrt(2), one * 4, one * pi / 4, reach=PATCH / 2)
    centre = one.new_full((len(colour), 2), PATCH / 2)
    return Layer(square, centre, constant(HUES, one)[colour], torch.zeros_like(colour))
