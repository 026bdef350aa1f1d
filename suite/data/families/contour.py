"""Segment the dashes of the curve that begins at the red dot, against those of two other curves: dense Pathfinder.

It takes steps from dash to dash, each local, as many as the curve is long, or one long one. Curves wind, cross and come
near to each other, so that being near to the dot tells less and less along them. Groups are numbers of dashes.

Classes: 0 the ground and the dot, 1 the dashes of the dot's curve, 2 those of the others.

    chance = 4/7, the best mIoU of a guess that knows every dash and tosses a coin for its class: with class 1 for the
             share q, its IoU is q / (1 + 2q), and that of class 2 is 2 (1 - q) / (3 - q); their sum is largest, 5/7,
             at q = 1/5, and the ground is right. Below 23 pixels no dash covers half of a pixel: all is ground, and
             chance is 1
    plateau = ln 3 - 2/3 ln 2, the entropy of one dash in three
    ceiling = 1, as far as the dashes can be seen, from about 48 pixels on

Papers: Linsley et al. 2018 (1805.08315), Kim et al. 2020 (1906.01558). Whoever compares designs on it should train
them on masked patches first as well (`--pretrain-images`): from nothing, distances count for more than they have to
(2310.02980).
"""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor

from suite.data.device import constant
from suite.data.dice import Dice
from suite.data.scene import Layer, Name, Scene
from suite.data.shapes import Bar, Regular
from suite.data.words import COLOURS, HUES, SHAPES
from variants.contract import Grid

TASK, PLATEAU = "segmentation", log(3) - 2 / 3 * log(2)
NAMES = ("ground", "the dot's curve", "other curves")
LENGTHS = (8, 11, 14)  # dashes of each curve
GROUPS = tuple(f"dashes{n}" for n in LENGTHS)
CURVES = 3
STEP = 0.058  # between the middles of two dashes
DASH, WIDTH = 0.04, 0.024
DOT = 0.03  # radius
MARGIN = 0.05
BEND, TWIST = 2.4, 1.2  # radians: how far a curve turns from its first dash to its last at most, in two ways
GAP = 0.04  # between the middles of dashes of two curves, which then do not touch
TRIES = 28
DIRECT = "donot_use_mm_for_euclid_dist"  # a product of matrices may round differently in another batch


def chance(size: Grid) -> float:
    """Nothing is left to tell where a dash covers less than half of any pixel."""
    return 4 / 7 if DASH * WIDTH * min(size.y, size.x) ** 2 > 1 / 2 else 1.0


def ceiling(size: Grid) -> float | None:
    """Nobody knows where dashes are thinner than a pixel."""
    return 1.0 if min(size.y, size.x) >= 48 else None


def describe(dice: Dice) -> Scene:
    """Three curves of equally many dashes, one of them with the dot before its first dash."""
    which = dice.whole(len(LENGTHS))[:, 0]  # b
    length = constant(LENGTHS, which)[which]
    chosen = dice.whole(CURVES)[:, 0]
    places, angles = curves(dice, length)  # b c (1 + k) 2, b c (1 + k): the first of each is the dot's
    light = dice.between(0.6, 0.9).expand(-1, 3)
    layers = [
        dash(places[:, c, k], angles[:, c, k], light, torch.where(chosen == c, 1, 2), k <= length)
        for c in range(CURVES)
        for k in range(1, max(LENGTHS) + 1)
    ]
    layers.append(dot(places[torch.arange(len(chosen), device=chosen.device), chosen, 0]))
    return Scene(dice.between(0.1, 0.4).expand(-1, 3), tuple(layers), torch.zeros_like(chosen), which)


def curves(dice: Dice, length: Tensor) -> tuple[Tensor, Tensor]:
    """Middles `b c n 2` and angles `b c n` of dashes: of each curve the clearest of TRIES."""
    there = torch.arange(max(LENGTHS) + 1, device=length.device) <= length[:, None]  # b n
    places: list[Tensor] = []
    angles: list[Tensor] = []
    for _ in range(CURVES):
        place, angle = candidates(dice, there)  # b t n 2, b t n
        clear = torch.full_like(angle[:, :, 0], GAP)  # b t
        for other in places:
            apart = torch.cdist(place.flatten(1, 2), other, compute_mode=DIRECT).unflatten(1, (TRIES, -1))  # b t n n
            apart = torch.where(there[:, None, :, None] & there[:, None, None], apart, GAP)
            clear = clear.minimum(apart.flatten(2).amin(2))
        best = torch.arange(len(clear), device=clear.device), clear.argmax(1)
        places.append(place[best])
        angles.append(angle[best])
    return torch.stack(places, 1), torch.stack(angles, 1)


def candidates(dice: Dice, there: Tensor) -> tuple[Tensor, Tensor]:
    """TRIES curves within the margin: middles `b t n 2` and angles `b t n`, where `there` (`b n`) tells what counts."""
    start, bend, twist = (2 * dice.throw(3 * TRIES) - 1).unflatten(1, (3, TRIES, 1)).unbind(1)  # b t 1
    share = torch.arange(there.shape[1], device=there.device) / max(LENGTHS)  # n
    angle = pi * start + BEND * bend * share + TWIST * twist * (pi * share).sin()  # b t n
    place = STEP * torch.stack([angle.sin(), angle.cos()], 3).cumsum(2)  # b t n 2
    outside = torch.where(there[:, None, :, None], 0.0, torch.inf)
    low, high = (place + outside).amin(2), (place - outside).amax(2)  # b t 2
    moved = MARGIN - low + dice.throw(2 * TRIES).unflatten(1, (TRIES, 2)) * (1 - 2 * MARGIN - (high - low))
    return place + moved[:, :, None], angle


def dash(centre: Tensor, angle: Tensor, light: Tensor, label: Tensor, present: Tensor) -> Layer:
    """A short bar."""
    one = torch.ones_like(angle)[:, None, None]
    return Layer(Bar(DASH * one, WIDTH * one, angle[:, None, None], DASH), centre, light, label, present=present)


def dot(centre: Tensor) -> Layer:
    """A small red disc."""
    one = torch.ones(len(centre), 1, 1, device=centre.device)
    disc, zero = Regular(DOT * one, 0 * one, 0 * one, DOT), torch.zeros_like(one[:, 0, 0], dtype=torch.int64)
    red = list(COLOURS).index("red")
    name = Name(zero + list(SHAPES).index("disc"), zero + red)
    return Layer(disc, centre, constant(HUES[red], one).expand(len(one), -1), zero, name=name)
