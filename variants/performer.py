"""Performer: the exponential of a product is the mean of products of positive random features (FAVOR+).

    exp(q·k) = E_ω φ(q)·φ(k)     φ(t) = exp(ω t - |t|²/2) / √m     ω: m normal vectors, orthogonal e at a time
    out_i = φ(q_i)ᵀ Σ_j φ(k_j) v_jᵀ / φ(q_i)ᵀ Σ_j φ(k_j)          q and k divided by ⁴√e first

Factors that a query or an image has in common cancel. The largest exponent of each query, and of all keys of an image,
is subtracted, so that no exponential overflows; `eps` is added to every feature, so that no sum of weights is zero.

Paper    Rethinking Attention with Performers, Choromanski et al. 2020 (2009.14794).
Time     4 n d² for the projections, 4 n d m + n h m for the mixing, m = e ln e: linear in n.
Memory   the features, 2 n h m numbers, and d m for the sums.
Departs  ω is drawn once, from torch's seed like the weights, and saved with them: it is never redrawn in training.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.recipe import part
from variants.vit import RECIPE as VIT


class Performer(Mixer):
    """Softmax attention, estimated without bias by `features` random features, e ln e of them where 0 is given."""

    card = Card("Performer", paper="2009.14794", year=2020, time="n d m", memory="n h m + d m")
    takes = frozenset({"none", "rotary"})  # q and k can be turned, but no logit is ever formed that could be biased
    policy = "as many random features at every resolution, drawn once with the weights"

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned, features: int = 0, eps: float = 1e-6
    ) -> None:
        super().__init__()
        e = dim // heads
        self.dim, self.heads, self.features, self.eps = dim, heads, features or int(e * math.log(e)), eps
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.position = position(heads, e, grid, grid)
        self.register_buffer("frequency", orthogonal(self.features, e))
        self.frequency: Tensor

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q, k, v = self.to_qkv(x).view(b, y, x_, 3, self.heads, -1).unbind(3)  # b y x h e, three times
        q, k = self.position.turn(q), self.position.turn(k)
        q, k, v = (t.flatten(1, 2).transpose(1, 2) for t in (q, k, v))  # b h n e
        q, k = q * q.shape[-1] ** -0.25, k * k.shape[-1] ** -0.25
        q = self.positive(q @ self.frequency.mT, -1)  # b h n m
        k = self.positive(k @ self.frequency.mT - k.square().sum(-1, keepdim=True) / 2, (-2, -1))  # b h n m
        given = q @ k.sum(-2)[..., None]  # b h n 1: the weight that each query gives out
        out = q @ (k.mT @ v) / given  # b h n e
        return self.to_out(out.transpose(1, 2).reshape(b, y, x_, d))

    def positive(self, exponent: Tensor, axes: int | tuple[int, ...]) -> Tensor:
        """The exponential of `b h n m`, over the largest along the axes, and `eps`. The exponent is overwritten."""
        largest = exponent.detach().amax(axes, keepdim=True)
        return exponent.sub_(largest).exp_() + self.eps

    def macs(self, grid: Grid) -> int:
        return grid.n * (4 * self.dim**2 + 4 * self.dim * self.features + self.heads * self.features)


def orthogonal(rows: int, e: int) -> Tensor:
    """`rows e`: each e rows orthogonal, and each row distributed as a normal vector (2009.14794, section 2.4).

    A decomposition leaves signs that are not random, which would bias the estimate; those of R undo them.
    """
    Q, R = torch.linalg.qr(torch.randn(-(-rows // e), e, e))
    Q = Q * R.diagonal(dim1=-2, dim2=-1).sign()[:, None]
    return Q.flatten(0, 1)[:rows] * torch.randn(rows, e).norm(dim=1, keepdim=True)


RECIPE = replace(VIT, mixers=(part(Performer),))
