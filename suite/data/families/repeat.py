"""Segment the objects that occur twice, against those that occur once. It takes a comparison of all with all.

An object is a disc with a core, each of one colour. Look-alikes share one of both colours with what is repeated, so
that nothing tells but the combination, and nothing but another object tells whether it is repeated. With O and o for
the outer colours, C and c for the inner ones, a scene holds one of

    3 objects   OC OC Oc                    easy: with six objects always, nothing left chance (docs/data.md)
    4 objects   OC OC Oc oC
    6 objects   OC OC Oc oC oc oc           every colour occurs three times: counting colours tells nothing

Classes: 0 the ground, 1 objects that occur once, 2 objects that occur twice. Groups are numbers of objects.

    chance = 218/387, the best mIoU of a guess that knows every object and tosses a coin for its class. Of all objects
             p = 5/13 occur once. With class 1 for the share q, its IoU is pq / (p + q - pq), and that of class 2 is
             (1 - p)(1 - q) / (1 - pq); their sum is largest, 89/129, at q = p² / (p² + (1 - p)²), the ground is right
    plateau = (9 ln 3 - 2 ln 2) / 13, the loss of whoever counts the objects but compares none: of 3, of 4 and of 6, so
              many as 1, 2 and 2 occur once
    ceiling = 1
"""

from __future__ import annotations

from dataclasses import replace
from math import log

import torch

from suite.data.device import constant
from suite.data.dice import Dice
from suite.data.scene import Layer, Name, Scene
from suite.data.things import in_cells, regular, things
from suite.data.words import HUES, SHAPES
from variants.contract import Grid

TASK, PLATEAU = "segmentation", (9 * log(3) - 2 * log(2)) / 13
NAMES = ("ground", "once", "twice")
OBJECTS = ((0, 2), (0, 2), (0, 3), (1, 2), (1, 3), (1, 3))  # outer and inner colour of each, of a scene's four
TWICE = (2, 2, 1, 1, 2, 2)  # how often it occurs, where it does
NUMBERS = (3, 4, 6)
GROUPS = tuple(f"objects{n}" for n in NUMBERS)
CELLS = 3  # a side: objects lie in different cells
RADII = (0.135, 0.16)
CORE = 0.62  # of the radius


def chance(size: Grid) -> float:
    """At any size."""
    return 218 / 387


def ceiling(size: Grid) -> float:
    """Every object and its core can be seen at any size from 16 pixels on."""
    return 1.0


def describe(dice: Dice) -> Scene:
    """The first objects of OBJECTS, none of which touches another."""
    which = dice.whole(len(NUMBERS))  # b 1
    m = len(OBJECTS)
    present = torch.arange(m, device=which.device) < constant(NUMBERS, which)[which]  # b m
    hues = dice.order(len(HUES))[:, :4]  # b 4: two outer colours, two inner ones
    outer, inner = (hues[:, constant(part, which)] for part in zip(*OBJECTS, strict=True))  # b m
    label = constant(TWICE, which).expand_as(outer)
    cells = dice.order(CELLS * CELLS)[:, :m]
    radius = dice.between(*RADII, m)
    centre = in_cells(dice, cells, CELLS, (0, 0), (1 / CELLS, 1 / CELLS), radius)
    disc = torch.full_like(cells, list(SHAPES).index("disc"))
    discs = things(dice, centre, regular(dice, radius, disc, RADII[1]), disc, outer, label, present)
    cores = things(dice, centre, regular(dice, CORE * radius, disc, CORE * RADII[1]), disc, inner, label, present)
    layers: list[Layer] = []
    for i, (whole, core) in enumerate(zip(discs, cores, strict=True)):
        name = Name(disc[:, i], outer[:, i], inner[:, i])
        layers += replace(whole, name=name), replace(core, name=None)
    ground = dice.between(0.35, 0.65).expand(-1, 3)
    return Scene(ground, tuple(layers), torch.zeros_like(cells[:, 0]), which[:, 0])
