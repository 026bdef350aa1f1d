"""The fully attentional vision model: a ResNet, in which local attention takes the place of every 3 x 3 convolution.

    bottleneck     1 x 1, local attention over 7 x 7 places, mean pooling where the block has stride 2, 1 x 1

Paper    Stand-Alone Self-Attention in Vision Models, Ramachandran et al. 2019 (1906.05909), convolutional stem.
Time     3 n d² for the projections, 2 n side² d for the mixing: linear in n.
Memory   n d, and the weights: h n side² numbers.
Departs  what lies outside the image is masked, not a key of zeros.
"""

from __future__ import annotations

from dataclasses import replace

from variants.contract import Card
from variants.local import Local
from variants.parts.head import Mean
from variants.parts.position import QueryRelative
from variants.recipe import BOTTLENECK, Recipe, part

CARD = Card("Fully attentional ResNet", paper="1906.05909", year=2019, time="n side² d", memory="n (d + h side²)")

RECIPE = Recipe(
    mixers=(part(Local, side=7, bias=False, out=False),),
    layout=BOTTLENECK,
    position=part(QueryRelative, split=True, shared=False),
    given=CARD,
)

PUBLISHED = {
    # section 4.1: 8 heads in every layer
    "SASA ResNet-50 conv-stem, k=7": replace(
        RECIPE, layout=replace(BOTTLENECK, heads=(8, 8, 8, 8)), head=part(Mean, norm="none")
    )
}
