"""Hybrid, attention at a high level: a whole ResNet makes the tokens, one for every 32 x 32 pixels.

    tokens = W resnet(image) + b     n = Y X / 1024

Paper    An Image is Worth 16x16 Words, Dosovitskiy et al. 2020 (2010.11929); sizes of 2106.10270.
Time     that of full attention with n = Y X / 1024, and the ResNet, which is linear in the pixels.
Memory   n d, and the ResNet's first features: Y X d / 24 numbers.
Departs  no class token: the head takes the mean over all positions.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card
from variants.parts.resnet import ResNetFeatures
from variants.recipe import ISOTROPIC, part
from variants.vit import PUBLISHED as VIT_PUBLISHED
from variants.vit import RECIPE as VIT

CARD = Card("Hybrid, high level", paper="2010.11929", year=2020, time="n² d, n = Y X / 1024", memory="n d + Y X d / 24")
LAYOUT = replace(ISOTROPIC, stem=part(ResNetFeatures, depths=(2, 2, 2, 2)))

RECIPE = replace(VIT, layout=LAYOUT, given=CARD)

PUBLISHED = {
    # 2106.10270, section 3.3: two blocks a stage, from 64 channels
    "R26+S/32": replace(VIT_PUBLISHED["DeiT-Ti/16"], layout=replace(LAYOUT, widths=(384,)), given=CARD)
}
