"""Convolutional stem: four 3 x 3 convolutions of stride 2 take the place of the patches, then a transformer.

    tokens = conv₁ₓ₁ · (ReLU · BN · conv₃ₓ₃, stride 2) four times

Paper    Early Convolutions Help Transformers See Better, Xiao et al. 2021 (2106.14881), ViT_C.
Time     that of full attention with n = Y X / 256, and the stem.
Memory   n d, and the stem's first features: Y X d / 32 numbers.
Departs  no class token: the head takes the mean over all positions.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card
from variants.parts.stem import Convolutions
from variants.recipe import ISOTROPIC, part
from variants.vit import PUBLISHED as VIT_PUBLISHED
from variants.vit import RECIPE as VIT

CARD = Card("Convolutional stem", paper="2106.14881", year=2021, time="n² d", memory="n d + Y X d / 32")
LAYOUT = replace(ISOTROPIC, stem=part(Convolutions))

RECIPE = replace(VIT, layout=LAYOUT, given=CARD)

PUBLISHED = {
    # 2106.14881, table 5: one block fewer than the ViT of 4 GF, an MLP three times as wide as the tokens
    "ViT_C-4GF": replace(
        VIT_PUBLISHED["DeiT-Ti/16"], layout=replace(LAYOUT, widths=(384,), depths=(11,), ratio=3.0), given=CARD
    )
}
