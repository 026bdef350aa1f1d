"""Segment each object by the slot of its colour in a legend at the upper edge: associative recall.

It takes a look-up by content: from an object's colour to the place of that colour in the legend. A legend has 1 to 4
keys in 4 slots, all by chance, so that an object's class depends on nothing but the one key of its own colour. The
number of keys must vary in training: with always 4 nothing left chance in the time given. Groups are numbers of keys.

Classes: 0 the ground and the legend, 1 to 4 the objects whose colour is in that slot.

    chance = 11/35, the mIoU of a guess that knows every object and takes one of 4 slots for it:
             the ground is right, and each other class has IoU 1/16 / (1/4 + 1/4 - 1/16) = 1/7
    plateau = (ln 1 + ln 2 + ln 3 + ln 4) / 4, the loss of whoever sees which slots are filled but matches no colours,
              and is right for 1/k of the objects where there are k keys: .52
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

TASK, PLATEAU = "segmentation", log(24) / 4
SLOTS = 4
NAMES = ("ground", *(f"slot {slot + 1}" for slot in range(SLOTS)))
GROUPS = tuple(f"keys{k + 1}" for k in range(SLOTS))
KEY = 0.2  # side of a key
LEGEND = 0.24  # height of what the objects leave to the legend
OBJECTS = 8
ROWS, COLUMNS = 3, 3
RADII = (0.1, 0.125)


def chance(size: Grid) -> float:
    """At any size."""
    return 11 / 35


def ceiling(size: Grid) -> float:
    """Every object and every key can be seen at any size from 16 pixels on."""
    return 1.0


def describe(dice: Dice) -> Scene:
    """The keys, and OBJECTS objects below them, none of which touches another."""
    keys = 1 + dice.whole(SLOTS)  # b 1
    slots = dice.order(SLOTS)  # b k: of each key; only the first ones are there
    colours = dice.order(len(HUES))[:, :SLOTS]  # b k
    key = (dice.throw(OBJECTS) * keys).long()  # b m: of each object
    cells = dice.order(ROWS * COLUMNS)[:, :OBJECTS]
    radius, shape = dice.between(*RADII, OBJECTS), dice.whole(len(REGULAR), OBJECTS)
    centre = in_cells(dice, cells, COLUMNS, (LEGEND, 0), ((1 - LEGEND) / ROWS, 1 / COLUMNS), radius)
    outlines = regular(dice, radius, shape, RADII[1])
    objects = things(dice, centre, outlines, shape, colours.gather(1, key), 1 + slots.gather(1, key))
    legend = [patch(slots[:, k], colours[:, k], keys[:, 0] > k) for k in range(SLOTS)]
    return Scene(
        dice.between(0.35, 0.65).expand(-1, 3), (*legend, *objects), torch.zeros_like(keys[:, 0]), keys[:, 0] - 1
    )


def patch(slot: Tensor, colour: Tensor, present: Tensor) -> Layer:
    """The square of a key."""
    one = torch.ones(len(slot), 1, 1, device=slot.device)
    square = Regular(one * KEY / sqrt(2), one * 4, one * pi / 4, reach=KEY / 2)
    centre = torch.stack([torch.full_like(one[:, 0, 0], LEGEND / 2), (slot + 0.5) / SLOTS], 1)
    return Layer(square, centre, constant(HUES, one)[colour], torch.zeros_like(slot), present=present)
