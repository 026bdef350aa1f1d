"""Segment the objects that occur twice, against those that occur once. It takes a comparison of all with all.

An object is a disc with a core, each of one colour: of two outer and two inner colours, all four combinations occur,
two of them twice and two once, such that every colour occurs three times. So nothing tells but the combination, and
nothing but another object tells whether it is repeated.

Classes: 0 the ground, 1 objects that occur once, 2 objects that occur twice.

    chance = 4/7, the best mIoU of a guess that knows every object and tosses a coin for its class: with class 1 for
             the share q, its IoU is q / (1 + 2q), and that of class 2 is 2 (1 - q) / (3 - q); their sum is largest,
             5/7, at q = 1/5, and the ground is right
    ceiling = 1
"""

from __future__ import annotations

import torch
from torch import Tensor

from suite.data.dice import Dice
from suite.data.scene import Layer, Scene
from suite.data.things import in_cells, regular, things
from suite.data.words import HUES, SHAPES
from variants.contract import Grid

TASK, CHANCE = "segmentation", 4 / 7
NAMES = ("ground", "once", "twice")
OBJECTS = ((0, 0), (0, 0), (1, 1), (1, 1), (0, 1), (1, 0))  # outer and inner colour of each
CELLS = 3  # a side: objects lie in different cells
RADII = (0.13, 0.16)
CORE = 0.6  # of the radius


def ceiling(size: Grid) -> float:
    """Every object and its core can be seen at any size from 16 pixels on."""
    return 1.0


def describe(dice: Dice) -> Scene:
    """Six objects, none of which touches another."""
    hues = dice.order(len(HUES))[:, :4]  # b 4: two outer colours, two inner ones
    pair = torch.tensor(OBJECTS, device=hues.device)  # m 2
    label = torch.tensor([2, 2, 2, 2, 1, 1], device=hues.device).expand(len(hues), -1)  # b m
    cells = dice.order(CELLS * CELLS)[:, : len(OBJECTS)]
    radius = dice.between(*RADII, len(OBJECTS))
    centre = in_cells(dice, cells, CELLS, (0, 0), (1 / CELLS, 1 / CELLS), radius)
    discs = discs_of(dice, centre, radius, hues[:, pair[:, 0]], label)
    cores = discs_of(dice, centre, CORE * radius, hues[:, 2 + pair[:, 1]], label)
    layers = tuple(layer for both in zip(discs, cores, strict=True) for layer in both)
    return Scene(dice.between(0.35, 0.65).expand(-1, 3), layers, torch.zeros_like(cells[:, 0]))


def discs_of(dice: Dice, centre: Tensor, radius: Tensor, colour: Tensor, label: Tensor) -> tuple[Layer, ...]:
    """One for each column."""
    disc = torch.full_like(colour, list(SHAPES).index("disc"))
    return things(dice, centre, regular(dice, radius, disc, RADII[1]), disc, colour, label)
