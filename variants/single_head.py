"""A single head: every place takes one average over all other places.

    A = softmax(q kᵀ / √d + position)     out = A v          one A for all channels

Paper    An Image is Worth 16x16 Words, Dosovitskiy et al. 2020 (2010.11929), with h = 1.
Time     4 n d² for the projections, 2 n² d for the mixing: as with many heads.
Memory   n d: the fused kernel never stores A. The plain form stores n² numbers.
Departs  no class token: the head takes the mean over all positions.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card, Grid, Positioned
from variants.recipe import part
from variants.vit import RECIPE as VIT
from variants.vit import Attention


class SingleHead(Attention):
    """Full attention with one head, as wide as the tokens, whatever number of heads the layout asks for."""

    card = Card("One head", paper="2010.11929", year=2020, time="n² d", memory="n d")
    fixed_heads = 1  # whatever the layout asks for

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__(dim, 1, grid, position)


RECIPE = replace(VIT, mixers=(part(SingleHead),))
