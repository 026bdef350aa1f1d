"""Downsampling by interpolation: the image is made small first, then its pixels, two by two, become tokens.

    tokens = patches of 2 x 2 pixels of (the image reduced 8 times, bilinear with anti-aliasing)

As many tokens as ViT with patches of 16 pixels, from 1/64 of the information.

Paper    the baseline against which ViT's patches are set; iGPT (Chen et al. 2020) reduces its images so.
Time     that of full attention with n = Y X / 256.
Memory   n d.
Departs  nothing.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card
from variants.parts.stem import Reduced
from variants.recipe import ISOTROPIC, part
from variants.vit import RECIPE as VIT

CARD = Card("Downsampled image", paper="iGPT", year=2020, time="n² d", memory="n d")

RECIPE = replace(VIT, layout=replace(ISOTROPIC, stem=part(Reduced)), given=CARD)
