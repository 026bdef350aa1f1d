"""Axial attention: a place attends to its column, and in the next layer to its row, so that two layers join the grid.

    layer 2i      out_yx = Σ_z softmax_z(q_yx · k_zx / √e + position) v_zx        z over the rows: along the height
    layer 2i + 1  the same along the width

Axial-ResNet does both in one bottleneck, position-sensitively: with r_q, r_k, r_v learned for each offset o = z - y,

    out_y = BN Σ_z w_yz v_z + BN Σ_z w_yz r_v,o     w_yz = softmax_z(BN(q_y · k_z) + BN(q_y · r_q,o) + BN(k_z · r_k,o))

Paper    Axial Attention in Multidimensional Transformers, Ho et al. 2019 (1912.12180); Axial-DeepLab (2003.07853).
Time     4 n d² for the projections, 2 n √n d for the mixing on a square grid.
Memory   n d: the fused kernel never stores the weights. The position-sensitive form stores h n √n.
Departs  no causal mask, because nothing is generated.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.attend import attend
from variants.parts.block import Bottleneck
from variants.parts.head import Mean
from variants.parts.sensitive import Sensitive
from variants.recipe import BOTTLENECK, Recipe, part
from variants.vit import RECIPE as VIT

CARD = Card("Axial attention", paper="1912.12180", year=2019, time="n √n d", memory="n d")


class Axial(Mixer):
    """Attention along one axis: of each place to its column (`along` = "height") or to its row ("width")."""

    card = CARD
    takes = frozenset({"none", "bias", "query", "rotary"})

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, along: str = "height") -> None:
        super().__init__()
        self.dim, self.heads, self.along = dim, heads, along
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.position = position(heads, dim // heads, self.line(grid), self.line(grid))

    def line(self, grid: Grid) -> Grid:
        """The column, or the row, that a place attends to."""
        return Grid(grid.y, 1) if self.along == "height" else Grid(1, grid.x)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        line = self.line(Grid(y, x_))
        q, k, v = self.to_qkv(x).view(b, y, x_, 3, self.heads, -1).unbind(3)  # b y x h e, three times
        q, k = self.position.turn(q), self.position.turn(k)
        q, k, v = (t.transpose(1, 2) if self.along == "height" else t for t in (q, k, v))  # b lines m h e
        q, k, v = (t.transpose(2, 3).flatten(0, 1) for t in (q, k, v))  # (b lines) h m e
        bias = self.position.logits((q * q.shape[-1] ** -0.5).unflatten(2, (line.y, line.x)), line)  # ... h m m
        out = attend(q, k, v, bias).transpose(1, 2).reshape(b, -1, line.n, d)  # b lines m d
        return self.to_out(out.transpose(1, 2) if self.along == "height" else out)

    def macs(self, grid: Grid) -> int:
        line = self.line(grid)
        mixing = 2 * line.n**2 * self.dim + self.position.macs(line, line)
        return grid.n * 4 * self.dim**2 + grid.n // line.n * mixing


class HeightThenWidth(Mixer):
    """Position-sensitive attention along the height, then along the width; its positions are its own."""

    card = replace(CARD, title="Axial attention, position-sensitive", paper="2003.07853", year=2020, memory="h n √n")
    policy = "one learned vector for each offset along an axis, made for each resolution, and interpolated to others"

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        self.height, self.width = Sensitive(dim, heads, grid.y), Sensitive(dim, heads, grid.x)

    def forward(self, x: Tensor) -> Tensor:
        return self.width(self.height(x.transpose(1, 2)).transpose(1, 2))

    def macs(self, grid: Grid) -> int:
        return self.height.macs(grid.x, grid.y) + self.width.macs(grid.y, grid.x)


RECIPE = replace(VIT, mixers=(part(Axial, along="height"), part(Axial, along="width")))

PUBLISHED = {
    # 2003.07853, table 1, S: half of the widths; 8 heads; conv stem; the mixer brings its own batch norm
    "Axial-ResNet-26-S conv-stem": Recipe(
        mixers=(part(HeightThenWidth),),
        layout=replace(
            BOTTLENECK,
            widths=(128, 256, 512, 1024),
            depths=(1, 2, 4, 1),
            block=part(Bottleneck, mix_norm=False),
            ratio=0.5,
            heads=(8, 8, 8, 8),
        ),
        head=part(Mean, norm="none"),
    )
}
