"""ViT: an image is a sequence of patches, and every patch attends to every other.

    A = softmax(q kᵀ / √e + position)     out = A v

Paper    An Image is Worth 16x16 Words, Dosovitskiy et al. 2020 (2010.11929); sizes of DeiT (2012.12877).
Time     4 n d² for the projections, 2 n² d for the mixing.
Memory   n d: the fused kernel never stores A. The plain form stores h n² numbers.
Departs  no class token: the head takes the mean over all positions.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.attend import attend
from variants.parts.head import Mean
from variants.parts.place import Learned
from variants.recipe import ISOTROPIC, Recipe, part


class Attention(Mixer):
    """Full attention over the whole grid."""

    card = Card("Full attention", paper="2010.11929", year=2020, time="n² d", memory="n d")
    takes = frozenset({"none", "bias", "query", "rotary"})

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.position = position(heads, dim // heads, grid, grid)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q, k, v = self.to_qkv(x).view(b, y, x_, 3, self.heads, -1).unbind(3)  # b y x h e, three times
        q, k, v = (t.permute(0, 3, 1, 2, 4) for t in (self.position.turn(q), self.position.turn(k), v))  # b h y x e
        bias = self.position.logits(q * q.shape[-1] ** -0.5, Grid(y, x_))  # ... h n n, or None
        q, k, v = (t.flatten(2, 3) for t in (q, k, v))  # b h n e
        out = attend(q, k, v, bias)
        return self.to_out(out.transpose(1, 2).reshape(b, y, x_, d))

    def macs(self, grid: Grid) -> int:
        return grid.n * 4 * self.dim**2 + 2 * grid.n**2 * self.dim + self.position.macs(grid, grid)


RECIPE = Recipe(mixers=(part(Attention),), place=part(Learned), layout=ISOTROPIC)

LARGE = replace(RECIPE, layout=replace(ISOTROPIC, widths=(1024,), depths=(24,)))
PUBLISHED = {
    "DeiT-Ti/16": replace(RECIPE, head=part(Mean, norm="after")),
    "SETR-Naive ViT-L/16": LARGE.with_decoder("naive"),
    "SETR-PUP ViT-L/16": LARGE.with_decoder("pup"),
    "SETR-MLA ViT-L/16": LARGE.with_decoder("mla"),
}
