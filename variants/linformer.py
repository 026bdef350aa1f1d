"""Linformer: the keys and the values of all places are projected to a fixed number of them, then attended to.

    k' = E k     v' = E v     out = softmax(q k'ᵀ / √e) v'          E: m x n, learned, shared by keys, values and heads

E has a column for each place. It is built for the grid of each resolution, so its parameters grow with the grid; on
another grid the columns are interpolated and scaled, so that a sum over places keeps its size.

Paper    Linformer: Self-Attention with Linear Complexity, Wang et al. 2020 (2006.04768), key-value sharing.
Time     4 n d² for the projections, 4 n m d for the mixing: linear in n.
Memory   n d, and E: m n parameters.
Departs  E is drawn with variance 1/n, not 1/m, so that a projected key is as long as a key at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.over_grid import OverGrid
from variants.recipe import part
from variants.vit import RECIPE as VIT


class Linformer(Mixer):
    """Attention to `keys` learned mixtures of all places."""

    card = Card("Linformer", paper="2006.04768", year=2020, time="n m d", memory="n (d + m)")
    takes = frozenset({"none"})  # a projected key has no place that a query could be near to
    policy = "{keys} projected keys at every resolution; their projection is made for each, and interpolated to others"

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, keys: int = 64) -> None:
        super().__init__()
        self.dim, self.heads, self.keys = dim, heads, keys
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.to_keys = OverGrid(keys, grid, grid.n**-0.5, summed=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.to_out(self.mixed(x.flatten(1, 2), Grid(*x.shape[1:3])).view(x.shape))

    def mixed(self, x: Tensor, grid: Grid) -> Tensor:
        """`b n d` -> `b n d`, before `to_out`. k and v of all places are gone when q comes, and q when this ends."""
        of_q, of_kv = self.parts()
        kv = self.to_keys.on(grid) @ F.linear(x, *of_kv)  # b m 2d
        k, v = kv.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # b h m e, twice
        q = F.linear(x, *of_q).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # b h n e
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Weight and bias for q, and for k and v: apart, so that k and v need not live as long as q does."""
        sizes = [self.dim, 2 * self.dim]
        return zip(self.to_qkv.weight.split(sizes), self.to_qkv.bias.split(sizes), strict=True)

    def macs(self, grid: Grid) -> int:
        return grid.n * (4 * self.dim**2 + 4 * self.keys * self.dim)


RECIPE = replace(VIT, mixers=(part(Linformer),))
