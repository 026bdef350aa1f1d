"""Segment by shape: discs, triangles, squares, thin rings and thin bars, of any colour. It takes detail.

Rings and bars are RING and BAR of the side wide, two pixels in 64, so that coarse tokens lose them and a coarse decoder
blurs them; each class weighs the same in mIoU, however few its pixels.

Of the 25 compositions of shape and colour, the 5 that `held_out` tells never occur in training or in `test`. In the
further split `novel` no others do; places and shapes are those of `test`.

    chance = .263, the mIoU of a guess that knows every object and takes shapes by their share of the area:
             the ground is right, and a class with the share p of the foreground has IoU p / (2 - p). No mask
             shows a line of half a pixel or less: .317 without bars at 15 and 16 pixels, .405 without rings below
    plateau = PLATEAU, the entropy of these shares
    ceiling = 1
"""

from __future__ import annotations

from functools import partial
from math import pi

import torch
from torch import Tensor

from suite.data.device import constant
from suite.data.dice import Dice
from suite.data.scene import Scene
from suite.data.shapes import Bar, Either, Regular, Ring, Shape
from suite.data.things import in_cells, things
from suite.data.words import SHAPES
from variants.contract import Grid

TASK, PLATEAU = "segmentation", 1.45
CLASSES = ("disc", "triangle", "square", "ring", "bar")
NAMES = ("ground", *CLASSES)
OBJECTS = 5
CELLS = 3  # a side: objects lie in different cells
RADII = (0.12, 0.16)
RING, BAR = 0.035, 0.03  # widths
SIDES = tuple(max(SHAPES[name], 0) for name in CLASSES)
RADIUS, SQUARE = sum(RADII) / 2, (RADII[1] ** 3 - RADII[0] ** 3) / (RADII[1] - RADII[0]) / 3  # means of r and of r²
AREAS = (pi * SQUARE, 3**1.5 / 4 * SQUARE, 2 * SQUARE, 2 * pi * (RADIUS - RING / 2) * RING, 2 * RADIUS * BAR)  # means
WIDTHS = (1.0, 1.0, 1.0, RING, BAR)
SHAPE_OF = tuple(list(SHAPES).index(name) for name in CLASSES)  # the place in SHAPES of each class


def chance(size: Grid) -> float:
    """Of a guess among the classes that masks of this size show."""
    seen = [area for area, width in zip(AREAS, WIDTHS, strict=True) if width * min(size.y, size.x) > 1 / 2]
    return (1 + sum(area / (2 * sum(seen) - area) for area in seen)) / (1 + len(seen))


def ceiling(size: Grid) -> float:
    """What is too thin for the pixels is not in the mask either."""
    return 1.0


def held_out(kind: Tensor, colour: Tensor) -> Tensor:
    """Whether compositions of places in CLASSES and in COLOURS are kept from training: of each shape, one colour."""
    return kind == colour


def describe(dice: Dice, novel: bool = False, objects: int = OBJECTS) -> Scene:
    """So many objects, none of which touches another; of compositions that training knows, or of novel ones."""
    kind = dice.whole(len(CLASSES), objects)  # b m, in CLASSES
    step = 1 + dice.whole(len(CLASSES) - 1, objects)
    colour = kind if novel else (kind + step) % len(CLASSES)
    cells = dice.order(CELLS * CELLS)[:, :objects]
    radius, angle = dice.between(*RADII, objects), dice.between(0, 2 * pi, objects)
    centre = in_cells(dice, cells, CELLS, (0, 0), (1 / CELLS, 1 / CELLS), radius)
    columns = (t[..., None, None].unbind(1) for t in (radius, angle, kind))
    outlines = [outline(*numbers) for numbers in zip(*columns, strict=True)]
    shape = constant(SHAPE_OF, kind)[kind]
    layers = things(dice, centre, outlines, shape, colour, kind + 1)
    return Scene(dice.between(0.35, 0.65).expand(-1, 3), layers, torch.zeros_like(cells[:, 0]))


def outline(radius: Tensor, angle: Tensor, kind: Tensor) -> Shape:
    """Of any class: `b 1 1` each."""
    ring = Ring(radius, torch.full_like(radius, RING), RADII[1])
    bar = Bar(2 * radius, torch.full_like(radius, BAR), angle, RADII[1] + BAR / 2)
    full = Regular(radius, constant(SIDES, kind)[kind], angle, RADII[1])
    return Either(full, Either(ring, bar, kind == CLASSES.index("ring")), kind < CLASSES.index("ring"))


FURTHER = {"novel": partial(describe, novel=True)}
