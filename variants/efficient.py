"""Efficient attention: queries are normalised over channels and keys over places, so that keys meet values first.

    S = Σ_j softmax_j(k)_j v_jᵀ     out_i = softmax_e(q_i)ᵀ S

Each channel of k is one map over the whole image; each query says how much of every map it wants.

Paper    Efficient Attention: Attention with Linear Complexities, Shen et al. 2018 (1812.01243).
Time     4 n d² for the projections, 2 n d e for the mixing: linear in n.
Memory   n d, and S: d e numbers for each image, whatever n is.
Departs  nothing.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.recipe import part
from variants.vit import RECIPE as VIT


class Efficient(Mixer):
    """Attention whose weights are a product of two softmaxes: each query's weights are positive and sum to 1."""

    card = Card("Efficient attention", paper="1812.01243", year=2018, time="n d e", memory="n d + d e")
    takes = frozenset({"none"})  # no logit of a query and a key is ever formed that could be biased

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        qkv = self.to_qkv(x).view(b, y * x_, 3, self.heads, -1)
        q, k, v = (t.transpose(1, 2) for t in qkv.unbind(2))  # b h n e, three times
        S = k.softmax(-2).mT @ v  # b h e e: what each map over places gathers
        return self.to_out((q.softmax(-1) @ S).transpose(1, 2).reshape(b, y, x_, d))

    def macs(self, grid: Grid) -> int:
        return grid.n * (4 * self.dim**2 + 2 * self.dim * self.dim // self.heads)


RECIPE = replace(VIT, mixers=(part(Efficient),))
