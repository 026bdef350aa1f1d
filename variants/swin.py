"""Swin: attention in windows, which in every second layer are shifted by half a window.

    layer 2i      windows from the corner          layer 2i + 1      windows moved by ⌊w/2⌋ rows and columns

so that what one layer keeps apart, the next one joins. A window that the shift wraps around the edge holds tokens from
opposite sides; these do not see each other.

Paper    Swin Transformer, Liu et al. 2021 (2103.14030).
Time     4 n d² for the projections, 2 n w² d for the mixing: linear in n.
Memory   n d: the fused kernel never stores the weights.
Departs  windows that reach beyond the grid are padded, and what was padded is masked.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card
from variants.parts.head import Mean
from variants.parts.position import RelativeBias
from variants.recipe import PYRAMID, Recipe, part
from variants.window import Window


class ShiftedWindow(Window):
    """Attention in windows moved by half a window."""

    card = Card("Shifted windows", paper="2103.14030", year=2021, time="n w² d", memory="n d")
    policy = "every second layer shifts its windows by half"
    shifted = True


RECIPE = Recipe(mixers=(part(Window), part(ShiftedWindow)), layout=PYRAMID, position=part(RelativeBias))

PUBLISHED = {"Swin-T": replace(RECIPE, head=part(Mean, eps=1e-5))}
