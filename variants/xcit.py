"""XCiT: channels attend to channels. The weights are the cross-covariance of keys and queries over all places.

    A = softmax(q̂ᵀ k̂ · t)     out_i = A v_i          q̂, k̂: each channel a unit vector over the n places

A is e x e whatever n is; t is one learned number for each head. Places meet only through A, so every block has a
third step, in which each token meets its neighbours by convolution.

Paper    XCiT: Cross-Covariance Image Transformers, El-Nouby et al. 2021 (2106.09681).
Time     4 n d² for the projections, 2 n d e for the mixing: linear in n.
Memory   n d, and A: d e numbers for each image.
Departs  no class token: the head attends with a query of its own, which only it projects.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.class_attention import ClassAttention
from variants.parts.fourier import Fourier
from variants.parts.halvings import Halvings
from variants.parts.near_block import NearTransformer
from variants.recipe import ISOTROPIC, Recipe, part


class CrossCovariance(Mixer):
    """Attention between the channels of each head."""

    card = Card("Cross-covariance attention", paper="2106.09681", year=2021, time="n d e", memory="n d + d e")
    takes = frozenset({"none"})  # there are no logits between places

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        qkv = self.to_qkv(x).view(b, y * x_, 3, self.heads, -1)
        q, k, v = (t.permute(0, 2, 3, 1) for t in qkv.unbind(2))  # b h e n, three times
        lengths = q.norm(dim=-1, keepdim=True) * k.norm(dim=-1, keepdim=True).mT  # b h e e
        A = (q @ k.mT / lengths.clamp_min(1e-24) * self.temperature).softmax(-1)  # b h e e
        return self.to_out((A @ v).permute(0, 3, 1, 2).reshape(b, y, x_, d))

    def macs(self, grid: Grid) -> int:
        return grid.n * (4 * self.dim**2 + 2 * self.dim * self.dim // self.heads)


LAYOUT = replace(ISOTROPIC, name="xcit", stem=part(Halvings), block=part(NearTransformer), head_width=48)

RECIPE = Recipe(mixers=(part(CrossCovariance),), layout=LAYOUT, place=part(Fourier), head=part(ClassAttention))

PUBLISHED = {"XCiT-S12/16": replace(RECIPE, layout=replace(LAYOUT, widths=(384,), heads=(8,)))}
