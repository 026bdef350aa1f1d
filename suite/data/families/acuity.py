"""Tell to which of four sides a Landolt ring is open. What decides it is resolution, and what a stem throws away.

The diameter is log-uniform from .1 to .8 of the side, the gap a fifth of it, and every pixel has normal noise of .2 of
the range from black to white, at any size: more pixels tell more. Groups are octaves of the diameter.

    chance = 1/4        plateau = ln 4
    ceiling: what an observer reaches who knows all of a scene but the side of the gap

CEILING holds that observer's score, as `python -m suite.data.observer` prints it; between two sizes it is taken to be
linear in the logarithm of the size.
"""

from __future__ import annotations

from math import log, log2

import torch

from suite.data.dice import Dice
from suite.data.noise import Noise
from suite.data.scene import Layer, Name, Scene
from suite.data.shapes import Landolt
from suite.data.words import NO_WORD, SHAPES
from variants.contract import Grid

TASK, PLATEAU = "classification", log(4)
NAMES = ("open to the right", "open below", "open to the left", "open above")
GROUPS = ("small", "middle", "large")
SMALLEST, LARGEST = 0.1, 0.8  # diameters
CONTRAST = (0.4, 0.5)  # of the ring, brighter or darker than the ground
NOISE = 0.2
CEILING = {16: 0.6529, 24: 0.7818, 32: 0.8638, 48: 0.951, 64: 0.9851, 96: 0.9991, 128: 1.0}


def chance(size: Grid) -> float:
    """At any size."""
    return 1 / 4


def ceiling(size: Grid) -> float | None:
    """The observer's score; below the smallest size of the table nobody has computed it."""
    side, sizes = min(size.y, size.x, max(CEILING)), sorted(CEILING)
    if side < sizes[0]:
        return None
    above = next(i for i, s in enumerate(sizes) if s >= side)
    low, high = sizes[max(above - 1, 0)], sizes[above]
    share = log2(side / low) / log2(high / low) if high > low else 0.0
    return CEILING[low] + share * (CEILING[high] - CEILING[low])


def describe(dice: Dice) -> Scene:
    """One ring, somewhere; the label is the first throw."""
    label = dice.whole(len(NAMES))[:, 0]
    octaves = log2(LARGEST / SMALLEST) * dice.throw(1)  # b 1
    diameter = SMALLEST * (2 ** octaves.double()).float()  # in float32 torch rounds a power otherwise in another batch
    centre = diameter / 2 + (1 - diameter) * dice.throw(2)
    ground = dice.between(0.4, 0.6)
    contrast = dice.between(*CONTRAST) * (2 * dice.whole(2) - 1)
    ring = Landolt(diameter[..., None], label[:, None, None], reach=LARGEST / 2)
    name = Name(torch.full_like(label, list(SHAPES).index("ring")), torch.full_like(label, NO_WORD))
    layer = Layer(ring, centre, (ground + contrast).expand(-1, 3), torch.ones_like(label), name=name)
    noise = Noise(NOISE, dice.whole(2**24)[:, 0])
    return Scene(ground.expand(-1, 3), (layer,), label, octaves[:, 0].long(), noise)
