"""Linear attention: a feature map on q and k lets the keys be summed before any query comes.

    S = Σ_j φ(k_j) v_jᵀ     z = Σ_j φ(k_j)     out_i = φ(q_i)ᵀ S / φ(q_i)ᵀ z
    φ(t) = elu(t) + 1

Paper    Transformers are RNNs, Katharopoulos et al. 2020 (2006.16236).
Time     4 n d² for the projections, 2 n d e + n d for the mixing: linear in n.
Memory   n d, and S and z: d (e + 1) numbers for each image, whatever n is.
Departs  no causal mask, because an image has no order.
"""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.recipe import part
from variants.vit import RECIPE as VIT


class Linear(Mixer):
    """Attention whose weights are a product of features of q and of k."""

    card = Card("Linear attention", paper="2006.16236", year=2020, time="n d e", memory="n d + d e")
    takes = frozenset({"none"})  # there are no logits to bias, and a turned feature need not be positive

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        qkv = self.to_qkv(x).view(b, y * x_, 3, self.heads, -1)
        q, k, v = (t.transpose(1, 2) for t in qkv.unbind(2))  # b h n e, three times
        q, k = (F.elu(t.contiguous()).add_(1) for t in (q, k))  # φ > 0; laid out once, or each product would copy them
        S = k.mT @ v  # b h e e: every key, summed once
        z = q @ k.sum(-2)[..., None]  # b h n 1: the weight that each query gives out
        # a product: the backward pass of a quotient holds two more tensors of this size
        return self.to_out((q @ S * z.reciprocal()).transpose(1, 2).reshape(b, y, x_, d))

    def macs(self, grid: Grid) -> int:
        e = self.dim // self.heads
        return grid.n * (4 * self.dim**2 + 2 * self.dim * e + self.dim)


RECIPE = replace(VIT, mixers=(part(Linear),))
