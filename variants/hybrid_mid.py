"""Hybrid, attention at a middle level: a ResNet without its last stage makes the tokens, one for every 16 x 16 pixels.

    tokens = W resnet(image) + b     n = Y X / 256, as many as ViT has

Paper    An Image is Worth 16x16 Words, Dosovitskiy et al. 2020 (2010.11929), section 4.1.
Time     that of full attention with n = Y X / 256, and the ResNet, which is linear in the pixels.
Memory   n d, and the ResNet's first features: Y X d / 24 numbers.
Departs  no class token: the head takes the mean over all positions.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card
from variants.parts.resnet import ResNetFeatures
from variants.recipe import ISOTROPIC, part
from variants.vit import RECIPE as VIT

CARD = Card("Hybrid, mid level", paper="2010.11929", year=2020, time="n² d, n = Y X / 256", memory="n d + Y X d / 24")

RECIPE = replace(VIT, layout=replace(ISOTROPIC, stem=part(ResNetFeatures, depths=(2, 2, 2))), given=CARD)
