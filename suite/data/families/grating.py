"""Tell the direction of stripes inside a blob: 4 directions, 45 degrees apart. What decides it is resolution.

The frequency f is log-uniform from 4 to 512 cycles a side. An image of R pixels a side shows f up to .45 R; of
higher ones nothing is drawn, so that only a guess is left. With F = P(f < .45 R) = ln(.45 R / 4) / ln(512 / 4),

    ceiling = F + (1 - F) / 4        .749, .877, .984 at 224, 512, 1024 pixels        chance = 1/4        plateau = ln 4
"""

from __future__ import annotations

from math import log, pi

import torch

from suite.data.dice import Dice
from suite.data.scene import FINEST, Layer, Name, Scene, Stripes
from suite.data.shapes import Blob
from suite.data.words import NO_WORD, SHAPES
from variants.contract import Grid

TASK, PLATEAU = "classification", log(4)
NAMES = ("upright", "leaning right", "level", "leaning left")  # the stripes
BLOB = list(SHAPES).index("blob")
COARSE, FINE = 4, 512  # cycles a side
RADIUS, WAVE = 0.36, 0.12  # of the largest blob, before its outline waves; and how high each of two waves may be


def chance(size: Grid) -> float:
    """At any size."""
    return 1 / 4


def ceiling(size: Grid) -> float:
    """The share of images whose stripes can be seen, plus a guess at the others."""
    seen = log(FINEST * min(size.y, size.x) / COARSE) / log(FINE / COARSE)
    seen = min(max(seen, 0.0), 1.0)
    return seen + (1 - seen) * chance(size)


def describe(dice: Dice) -> Scene:
    """One striped blob on grey ground; label and frequency are the first two throws."""
    label = dice.whole(len(NAMES))[:, 0]
    cycles = COARSE * (FINE / COARSE) ** dice.throw(1)  # b 1
    angle = label[:, None] * pi / len(NAMES)
    wave = cycles * torch.cat([angle.sin(), angle.cos()], 1)  # b 2
    stripes = Stripes(wave, dice.between(0, 2 * pi)[:, 0], dice.between(0.2, 0.35, 3))
    high = dice.between(0, WAVE, 2)
    turn = dice.between(0, 2 * pi, 2)
    real, imaginary = ((high * part)[:, :, None, None] for part in (turn.cos(), turn.sin()))
    blob = Blob(
        radius=dice.between(0.26, RADIUS)[:, :, None],
        two=(real[:, 0], imaginary[:, 0]),
        three=(real[:, 1], imaginary[:, 1]),
        reach=RADIUS * (1 + 2 * WAVE),
    )
    centre, colour, ground = dice.between(0.4, 0.6, 2), dice.between(0.35, 0.65, 3), dice.between(0.1, 0.9)
    one = torch.ones_like(label)
    name = Name(BLOB * one, NO_WORD * one)
    return Scene(ground.expand(-1, 3), (Layer(blob, centre, colour, one, stripes, name),), label)
