"""BoTNet: a ResNet whose last stage mixes by attention over the whole grid, with positions relative to the query.

    out = softmax(q kᵀ / √e + q r_yᵀ + q r_xᵀ) v     r_y, r_x learned for each row offset and each column offset

Paper    Bottleneck Transformers for Visual Recognition, Srinivas et al. 2021 (2101.11605).
Time     3 n d² for the projections, 2 n² d for the mixing, where n = Y X / 1024, or Y X / 256 in the S1 form.
Memory   h n² for the positions; the fused kernel stores no weights.
Departs  nothing.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.conv import Conv
from variants.parts.attend import attend
from variants.parts.head import Mean
from variants.parts.position import QueryRelative
from variants.recipe import BOTTLENECK, Recipe, part


class AllToAll(Mixer):
    """Full attention over the grid, without biases and without `to_out`, for which the bottleneck has a convolution."""

    card = Card("Bottleneck transformer", paper="2101.11605", year=2021, time="n² d", memory="h n²")
    takes = frozenset({"none", "bias", "query", "rotary"})

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.position = position(heads, dim // heads, grid, grid)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q, k, v = self.to_qkv(x).view(b, y, x_, 3, self.heads, -1).unbind(3)  # b y x h e, three times
        q, k, v = (t.permute(0, 3, 1, 2, 4) for t in (self.position.turn(q), self.position.turn(k), v))  # b h y x e
        blocks, scale = q, q.shape[-1] ** -0.5
        q, k, v = (t.flatten(2, 3) for t in (q, k, v))  # b h n e
        out = attend(q, k, v, self.position.logits(blocks * scale, Grid(y, x_)))  # b h n e
        return out.transpose(1, 2).reshape(b, y, x_, d)

    def macs(self, grid: Grid) -> int:
        return grid.n * 3 * self.dim**2 + 2 * grid.n**2 * self.dim + self.position.macs(grid, grid)


RECIPE = Recipe(
    mixers=(part(AllToAll),),
    early=(part(Conv),) * 3,
    layout=replace(BOTTLENECK, head_width=128),
    position=part(QueryRelative),
)

PUBLISHED = {
    # section 4.8 and table 14: the last stage keeps its stride 1; 4 heads
    "BoT50-S1 (c5 stride 1)": replace(
        RECIPE, layout=replace(BOTTLENECK, heads=(4, 4, 4, 4), strides=(1, 2, 2, 1)), head=part(Mean, norm="none")
    )
}
