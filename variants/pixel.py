"""Pixels as tokens: no patches at all, a plain transformer, and the mean over all positions. The quadratic wall.

    tokens_i = W pixel_i + b     n = Y X

Paper    An Image is Worth More Than 16x16 Patches, Nguyen et al. 2024 (2406.09415); iGPT (Chen et al. 2020).
Time     that of full attention with n = Y X: 2 Y² X² d for the mixing.
Memory   n d, where n is the number of pixels.
Departs  sin-cos places in the recipe, because a learned table of all pixels outweighs the network.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card
from variants.parts.place import Learned, SinCos
from variants.parts.stem import Patches
from variants.recipe import ISOTROPIC, part
from variants.vit import PUBLISHED as VIT_PUBLISHED
from variants.vit import RECIPE as VIT

CARD = Card("Pixels as tokens", paper="2406.09415", year=2024, time="n² d, n in pixels", memory="n d, n in pixels")
LAYOUT = replace(ISOTROPIC, stem=part(Patches, patch=1))

RECIPE = replace(VIT, layout=LAYOUT, place=part(SinCos), given=CARD)

PUBLISHED = {
    "pixel transformer Ti, 32x32, patch 1, mean pool": replace(
        VIT_PUBLISHED["DeiT-Ti/16"], layout=LAYOUT, place=part(Learned), given=CARD
    )
}
