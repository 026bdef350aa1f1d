"""Vision-LSTM: a matrix memory reads the tokens row after row, in every second block from the last one to the first.

    C_t = f_t C_{t-1} + i_t k_t v_tᵀ / √e    n_t = f_t n_{t-1} + i_t k_t / √e    out_t = C_tᵀ q_t / max(|n_t · q_t|, 1)
    i = exp(w · [q k v] + b)     f = σ(w' · [q k v] + b')          one of each for a head and a token

q and k come from tokens that met their neighbours in a 3 x 3 convolution, v from the tokens themselves. The memory is
computed a chunk of tokens at a time, and the chunks' states in log(n / c) steps.

Paper    Vision-LSTM: xLSTM as Generic Vision Backbone, Alkin et al. 2024 (2406.04303).
Time     21 n d + 6 n d h for q, k, v and the gates, 2 n c d + 2 n d e for the memory, c the chunk: linear in n.
Memory   n (d + h c), and a state of d (e + 1) numbers for each chunk.
Departs  the head takes the mean over all tokens, not the first and the last one.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.gated import Gated
from variants.parts.memory import recall
from variants.parts.place import Learned
from variants.recipe import ISOTROPIC, Recipe, part


class Forwards(Mixer):
    """The memory reads from the first token to the last."""

    card = Card("Vision-LSTM", paper="2406.04303", year=2024, time="n d (c + e)", memory="n (d + h c)")
    takes = frozenset({"none"})  # there are no logits to bias; the order of reading is a position
    policy = "tokens are read in raster order, forwards and backwards in turn, at every resolution"
    backwards = False

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, chunk: int = 64) -> None:
        super().__init__()
        self.dim, self.heads, self.chunk = dim, heads, chunk
        self.near = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.to_q, self.to_k, self.to_v = (nn.Conv2d(dim, dim, 1, groups=dim // 4) for _ in range(3))
        self.gate = nn.Parameter(torch.zeros(2 * heads, 3 * dim))
        self.write_bias = nn.Parameter(torch.randn(heads) * 0.1)
        self.keep_bias = nn.Parameter(torch.linspace(3, 6, heads))  # at first, a memory fades slowly
        self.norm = nn.GroupNorm(heads, dim)
        self.skip = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        x = x.permute(0, 3, 1, 2)  # b d y x
        near = F.silu(self.near(x))
        qkv = torch.cat([self.to_q(near), self.to_k(near), self.to_v(x)], 1).flatten(2).mT  # b n 3d
        qkv = qkv.flip(1) if self.backwards else qkv
        biases = torch.cat([self.write_bias, self.keep_bias])
        write, keep = F.linear(qkv, self.gate, biases).mT.chunk(2, 1)  # b h n, twice
        q, k, v = qkv.view(b, y * x_, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # b h n e, three times
        out = recall(q, k * k.shape[-1] ** -0.5, v, write, F.logsigmoid(keep), self.chunk)  # b h n e
        out = self.norm(out.transpose(1, 2).reshape(b * y * x_, d)).view(b, y * x_, d)
        out = (out.flip(1) if self.backwards else out).view(b, y, x_, d)
        return out + self.skip * near.permute(0, 2, 3, 1)

    def macs(self, grid: Grid) -> int:
        d, h, chunk = self.dim, self.heads, min(self.chunk, grid.n)
        chunks = -(-grid.n // chunk)
        within = chunks * chunk**2 * (2 * d + h)
        between = (chunks - 1) * chunk * 2 * d * (d // h + 1)
        return grid.n * (21 * d + 6 * d * h) + within + between


class Backwards(Forwards):
    """The memory reads from the last token to the first."""

    card = Forwards.card
    backwards = True


LAYOUT = replace(ISOTROPIC, name="gated", block=part(Gated), depths=(24,), ratio=2.0, head_width=96)

RECIPE = Recipe(mixers=(part(Forwards), part(Backwards)), layout=LAYOUT, place=part(Learned))
