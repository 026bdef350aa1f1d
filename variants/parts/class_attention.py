"""Class attention: a head whose own query attends to the tokens of the last stage, a few layers deep."""

from __future__ import annotations

from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid


class ClassLayer(nn.Module):
    """The query attends to itself and to all tokens, then passes an MLP; what is added is scaled by channel.

    The tokens, which no MLP follows, are normalised and doubled in its stead, as in the published XCiT.
    """

    def __init__(self, dim: int, heads: int, scale: float, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.mix_norm, self.mlp_norm = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)
        self.mix_scale, self.mlp_scale = (nn.Parameter(torch.full((dim,), scale)) for _ in range(2))
        self.to_q, self.to_kv, self.to_mixed = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.to_inner, self.to_out = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`b 1+n d`, the query first -> the same."""
        normed = self.mix_norm(x)
        mixed = torch.cat([self.attend(normed), normed[:, 1:]], 1)
        x = self.mlp_norm(x + self.mix_scale * mixed)  # b 1+n d
        query, tokens = x[:, :1], x[:, 1:]
        grown = self.mlp_scale * self.to_out(F.gelu(self.to_inner(query)))
        return x + torch.cat([grown, tokens], 1)

    def attend(self, x: Tensor) -> Tensor:
        """`b 1+n d` -> `b 1 d`."""
        b, m, d = x.shape
        q = self.to_q(x[:, :1]).view(b, 1, self.heads, -1).transpose(1, 2)  # b h 1 e
        k, v = self.to_kv(x).view(b, m, 2, self.heads, -1).permute(2, 0, 3, 1, 4)  # b h m e
        return self.to_mixed(F.scaled_dot_product_attention(q, k, v).reshape(b, 1, d))


class ClassAttention(nn.Module):
    """Classification by a learned query (2103.17239, section 3), in the form of XCiT (2106.09681, section 3.3)."""

    def __init__(
        self, widths: tuple[int, ...], classes: int, layers: int = 2, heads: int = 8, scale: float = 1.0,
        eps: float = 1e-6,
    ) -> None:  # fmt: skip
        """At most `heads`, fewer where they do not divide the width; `scale`: what the scales begin with."""
        super().__init__()
        self.dim, self.classes = widths[-1], classes
        self.query = nn.Parameter(torch.randn(self.dim) * 0.02)
        self.layers = nn.ModuleList(ClassLayer(self.dim, gcd(self.dim, heads), scale, eps) for _ in range(layers))
        self.norm = nn.LayerNorm(self.dim, eps)
        self.to_logits = nn.Linear(self.dim, classes)

    def forward(self, features: list[Tensor], size: Grid) -> Tensor:
        """-> `b classes`."""
        tokens = features[-1].flatten(1, 2)  # b n d
        x = torch.cat([self.query.expand(len(tokens), 1, -1), tokens], 1)  # b 1+n d
        for layer in self.layers:
            x = layer(x)
        return self.to_logits(self.norm(x[:, 0]))

    def macs(self, grids: list[Grid], size: Grid) -> int:
        keys = grids[-1].n + 1
        layer = self.dim**2 * (2 + 2 * keys + 8) + 2 * keys * self.dim
        return len(self.layers) * layer + self.dim * self.classes
