"""Halo attention: the places of a block attend together to their block and a halo around it, one neighbourhood for all.

    out_i = Σ_{j in block(i) + halo} softmax_j(q_i · k_j / √e + position_{j-i}) v_j

Where a block of the network strides, only every second query is asked.

Paper    Scaling Local Self-Attention for Parameter Efficient Visual Backbones, Vaswani et al. 2021 (2103.12731).
Time     4 n d² for the projections, 2 n w² d for the mixing, w = block + 2 halo: linear in n.
Memory   n d w² / block² for the neighbourhoods; the fused kernel stores no weights, but positions are h n w² numbers.
Departs  what lies outside the image is masked, not a key of zeros, and the grid is padded to whole blocks.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.attend import attend
from variants.parts.head import Mean
from variants.parts.position import QueryRelative, offsets
from variants.recipe import BOTTLENECK, PYRAMID, Recipe, part


class Halo(Mixer):
    """Attention of `block` x `block` queries to the square of block + 2 halo places a side around them."""

    card = Card("Halo attention", paper="2103.12731", year=2021, time="n w² d", memory="n d w² / block²")
    takes = frozenset({"none", "bias", "query", "rotary"})
    policy = "blocks of {block} x {block} places with a halo of {halo} at every resolution, padded and masked"

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned, block: int = 8, halo: int = 3,
        widen: float = 1.0, bias: bool = True, out: bool = True, masked: bool = True,
    ) -> None:  # fmt: skip
        """`widen`: channels of values over those of queries (r_v). `bias` of the projections, and whether there is a
        projection `out`, as in `local`. Unless `masked`, what lies outside the image is a key and a value of zeros."""
        super().__init__()
        self.dim, self.heads, self.block, self.halo, self.masked = dim, heads, block, halo, masked
        self.values = heads * round(dim * widen / heads)
        self.to_q, self.to_kv = nn.Linear(dim, dim, bias), nn.Linear(dim, dim + self.values, bias)
        self.to_out = nn.Linear(self.values, dim, bias) if out else nn.Identity()
        self.out = dim if out else self.values
        self.keys = Grid(block + 2 * halo, block + 2 * halo)
        self.position = position(heads, dim // heads, Grid(block, block), self.keys)
        self.stride = 1

    @property
    def stride(self) -> int:
        """Queries are so many places apart; where that does not divide a block, it is the mean over them that is."""
        return self._stride

    @stride.setter
    def stride(self, stride: int) -> None:
        self._stride, self.step = stride, 1 if self.block % stride else stride
        self.position.step = self.step  # type: ignore[assignment]  # a number

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q = self.to_q(x[:, :: self.step, :: self.step]).unflatten(-1, (self.heads, -1))  # b y x h e, of every step
        k, v = self.to_kv(x).split([d, self.values], -1)
        k, v = (t.unflatten(-1, (self.heads, -1)) for t in (k, v))  # b y x h e
        asked, q, k = Grid(*q.shape[1:3]), self.turned(q, y, x_), self.position.turn(k)
        q = self.cut(q, self.block // self.step, 0)  # (b Y X) h block block e
        k, v = (self.cut(t, self.block, self.halo).flatten(2, 3) for t in (k, v))  # (b Y X) h m e
        bias = self.position.logits(q * q.shape[-1] ** -0.5, self.keys)  # ... h n m, or None
        if self.masked:
            bias = torch.where(self.inside(Grid(y, x_), b, x.device), 0 if bias is None else bias, float("-inf"))
        out = attend(q.flatten(2, 3), k, v, bias if bias is None else bias.to(q.dtype))  # (b Y X) h n e
        return self.pooled(self.to_out(self.joined(out, b, asked)))

    def turned(self, q: Tensor, y: int, x: int) -> Tensor:
        """The queries, each told its place in the whole grid of y rows and x columns."""
        s = self.step
        whole = q.repeat_interleave(s, 1)[:, :y].repeat_interleave(s, 2)[:, :, :x] if s > 1 else q
        return self.position.turn(whole)[:, ::s, ::s]

    @staticmethod
    def cut(t: Tensor, block: int, halo: int) -> Tensor:
        """`b y x h e` -> `(b Y X) h w w e`: for each block its square grown by the halo, zeros outside."""
        y, x = t.shape[1:3]
        t = F.pad(t, (0, 0, 0, 0, halo, halo + -x % block, halo, halo + -y % block))
        squares = t.unfold(1, block + 2 * halo, block).unfold(2, block + 2 * halo, block)  # b Y X h e w w
        return squares.permute(0, 1, 2, 3, 5, 6, 4).flatten(0, 2)

    def inside(self, grid: Grid, b: int, device: torch.device) -> Tensor:
        """`(b Y X) 1 1 m`: which keys of each block lie in the grid."""
        steps = torch.arange(self.keys.y, device=device) - self.halo
        blocks = grid.reduced(self.block)
        rows = torch.arange(blocks.y, device=device)[:, None] * self.block + steps  # Y w
        columns = torch.arange(blocks.x, device=device)[:, None] * self.block + steps  # X w
        rows, columns = (rows >= 0) & (rows < grid.y), (columns >= 0) & (columns < grid.x)
        seen = (rows[:, None, :, None] & columns[:, None]).reshape(1, blocks.n, 1, 1, -1)  # Y X w w
        return seen.expand(b, -1, -1, -1, -1).flatten(0, 1)

    def joined(self, t: Tensor, b: int, asked: Grid) -> Tensor:
        """`(b Y X) h n e` -> `b y x d`, without the padding."""
        w = self.block // self.step
        blocks = asked.reduced(w)
        t = t.view(b, blocks.y, blocks.x, self.heads, w, w, -1).permute(0, 1, 4, 2, 5, 3, 6)  # b Y w X w h e
        return t.reshape(b, blocks.y * w, blocks.x * w, -1)[:, : asked.y, : asked.x]

    def pooled(self, x: Tensor) -> Tensor:
        """The mean over each stride x stride places, where the queries did not stride."""
        if self.stride == self.step:
            return x
        return F.avg_pool2d(x.permute(0, 3, 1, 2), self.stride, ceil_mode=True).permute(0, 2, 3, 1)

    def macs(self, grid: Grid) -> int:
        asked, side = grid.reduced(self.step), self.block // self.step
        projections = asked.n * self.dim**2 + grid.n * self.dim * (self.dim + self.values)
        out = 0 if isinstance(self.to_out, nn.Identity) else asked.n * self.values * self.dim
        mixing = side**2 * self.keys.n * (self.dim + self.values) + self.position.macs(Grid(side, side), self.keys)
        return projections + out + grid.reduced(self.block).n * mixing


class WholeWindow(QueryRelative):
    """As in the public implementation of HaloNet: tables as long as if the halo had queries too, of which only the
    offsets from the block are used, and counted in queries where these stride."""

    def __init__(self, heads: int, width: int, queries: Grid, keys: Grid) -> None:
        super().__init__(heads, width, keys, keys)

    def reach(self, queries: int, keys: int) -> int:
        return 2 * keys - 1

    def offsets(self, queries: int, keys: int, device: torch.device) -> Tensor:
        return offsets(keys, keys, device)[:queries]


RECIPE = Recipe(mixers=(part(Halo),), layout=PYRAMID, position=part(QueryRelative))

PUBLISHED = {
    # table 2, H1: block 8, halo 3, r_v 1, r_b 1, 10 layers in the third stage
    "HaloNet-H1 (b8 h3 rv1 rb1 l3=10)": Recipe(
        mixers=(part(Halo, bias=False, out=False, masked=False),),
        layout=replace(
            BOTTLENECK, widths=(64, 128, 256, 512), depths=(3, 3, 10, 3), ratio=1.0, stem_ratio=1.0, heads=(8, 8, 8, 8)
        ),
        position=part(WholeWindow),
        head=part(Mean, norm="none"),
    )
}
