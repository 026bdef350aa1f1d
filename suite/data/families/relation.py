"""Tell in which direction the blue object lies from the red one, among others: 8 directions, 45 degrees apart.

It takes positions. A design that knows only where things are in the image, not where they are to each other, has to
learn every place anew: in training everything lies in the left half, and the further splits move all of it to the
right by .25, .5 and 1 of that half, the last to where nothing but ground was ever seen.

    chance = 1/8        plateau = ln 8
    ceiling = 1: the two objects are apart by at least three radii, and no direction is within 7.5 degrees of the
              border between two classes

Not blind: a half is narrow, so that the place of one of the two objects tells something of where the other has room.
Whoever knows that place alone reaches .37 in the half that training uses. Nor does a design without positions end at
chance: where in its patch each object lies, patches being an eighth of the side, tells .20 on every split. See
tests/test_data_families.py for both.
"""

from __future__ import annotations

from functools import partial
from math import log, pi

import torch

from suite.data.device import constant
from suite.data.dice import Dice
from suite.data.scene import Scene
from suite.data.things import free, regular, things
from suite.data.words import COLOURS, REGULAR
from variants.contract import Grid

TASK, PLATEAU = "classification", log(8)
NAMES = ("right", "lower right", "below", "lower left", "left", "upper left", "above", "upper right")
HALF = 0.5  # of the side: the width of what training uses
RADII = (0.06, 0.09)
APART = (0.2, 0.3)  # the red from the blue
TILT = pi / 12  # radians: how far the direction may be from its class
GAP = 0.19  # between the centres of any two objects
OTHERS = 3  # objects at most, of other colours; how many is chance, because that eases learning
RED, BLUE = (list(COLOURS).index(name) for name in ("red", "blue"))
OTHER_HUES = tuple(i for i in range(len(COLOURS)) if i not in (RED, BLUE))


def chance(size: Grid) -> float:
    """At any size."""
    return 1 / 8


def ceiling(size: Grid) -> float:
    """Both objects can be seen at any size from 16 pixels on."""
    return 1.0


def describe(dice: Dice, moved: float = 0.0) -> Scene:
    """The red, the blue, and others where there is room; all moved to the right by this share of the half."""
    label = dice.whole(len(NAMES))[:, 0]
    turn = label[:, None] * (2 * pi / len(NAMES)) + dice.between(-TILT, TILT)  # b 1
    step = dice.between(*APART) * torch.cat([turn.sin(), turn.cos()], 1)  # b 2: from the red to the blue
    margin = RADII[1] + step.abs() / 2
    middle = margin + (constant((1, HALF), step) - 2 * margin) * dice.throw(2)
    places, present = [middle - step / 2, middle + step / 2], [torch.ones_like(label, dtype=torch.bool)] * 2
    others = dice.whole(OTHERS + 1)[:, 0]
    for other in range(OTHERS):
        where, fits = free(dice, (RADII[1],) * 2, (1 - RADII[1], HALF - RADII[1]), torch.stack(places, 1), GAP)
        places.append(where)
        present.append(fits & (other < others))
    m = len(places)
    hues = constant(OTHER_HUES, label)
    colour = torch.cat([constant((RED, BLUE), label).expand(len(label), -1), hues[dice.whole(len(hues), OTHERS)]], 1)
    which = constant((1, 2, *[3] * OTHERS), label).expand(len(label), -1)  # b m
    shape = dice.whole(len(REGULAR), m)
    outlines = regular(dice, dice.between(*RADII, m), shape, RADII[1])
    objects = things(dice, torch.stack(places, 1), outlines, shape, colour, which, torch.stack(present, 1))
    return Scene(dice.between(0.35, 0.65).expand(-1, 3), objects, label).moved(0, moved * HALF)


FURTHER = {f"moved{share}": partial(describe, moved=share / 100) for share in (25, 50, 100)}
