"""Nyström attention: the matrix of weights is rebuilt from those of a few landmarks, the means of segments of tokens.

    out = softmax(q k̃ᵀ) softmax(q̃ k̃ᵀ)⁺ softmax(q̃ kᵀ) v + conv(v)          logits divided by √e, ~: m landmarks

The pseudo-inverse ⁺ is iterated: Z ← Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4, from Z = Aᵀ / (‖A‖₁ ‖A‖∞).

Paper    Nyströmformer, Xiong et al. 2021 (2102.03902): 64 landmarks, 6 iterations, a depthwise convolution of 33.
Time     4 n d² for the projections, 4 n m d + 64 n d + 24 h m³ + 2 m² d for the mixing: linear in n.
Memory   n d + h m²: the fused kernel never stores the weights between tokens and landmarks.
Departs  where m does not divide n, nothing is padded: segments have ⌈n / m⌉ tokens and the last one has fewer.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.recipe import part
from variants.vit import RECIPE as VIT


class Nystrom(Mixer):
    """Softmax attention of rank `landmarks` at most; tokens are a sequence, row after row."""

    card = Card("Nyström attention", paper="2102.03902", year=2021, time="n m d", memory="n d + h m²")
    takes = frozenset({"none"})  # a landmark is a mean of tokens, it has no place
    policy = "at most {landmarks} landmarks at every resolution, the last one of a shorter segment"

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned, landmarks: int = 64, steps: int = 6,
        kernel: int = 33,
    ) -> None:  # fmt: skip
        """`steps` of the pseudo-inverse; `kernel`, odd, of the convolution along the sequence."""
        super().__init__()
        self.dim, self.heads, self.landmarks, self.steps = dim, heads, landmarks, steps
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.near = nn.Parameter(torch.randn(heads, kernel) * kernel**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q, k, v = self.to_qkv(x).view(b, y * x_, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # b h n e, three times
        length = -(-y * x_ // self.landmarks)
        q_mark, k_mark = means(q, length), means(k, length)  # b h m e
        between = (q_mark @ k_mark.mT * q.shape[-1] ** -0.5).softmax(-1)  # b h m m
        gathered = F.scaled_dot_product_attention(q_mark, k, v)  # b h m e
        out = F.scaled_dot_product_attention(q, k_mark, pseudo_inverse(between, self.steps) @ gathered)  # b h n e
        out = out + convolved(v, self.near)
        return self.to_out(out.transpose(1, 2).reshape(b, y, x_, d))

    def macs(self, grid: Grid) -> int:
        m, kernel = -(-grid.n // -(-grid.n // self.landmarks)), self.near.shape[1]
        block = block_of(grid.n, kernel)
        near = -(-grid.n // block) * block * (block + kernel - 1) * self.dim
        marks = 2 * m**2 * self.dim + 4 * self.steps * self.heads * m**3
        return grid.n * (4 * self.dim**2 + 4 * m * self.dim) + marks + near


def block_of(n: int, kernel: int) -> int:
    """Tokens that one product of the convolution makes: as many as the kernel reaches over."""
    return max(1, min(kernel - 1, n))


def convolved(v: Tensor, weights: Tensor) -> Tensor:
    """`b h n e`, each head's tokens convolved with its row of `h kernel`, zeros beyond both ends.

    As a product of blocks with a banded matrix: twice the useful work, in a fifth of a depthwise convolution's time.
    """
    (h, kernel), n = weights.shape, v.shape[2]
    block, reach = block_of(n, kernel), kernel // 2
    v = torch.constant_pad_nd(v, (0, 0, reach, reach + -n % block), 0.0)
    v = v.unfold(2, block + kernel - 1, block)  # b h N e block+kernel-1
    band = torch.constant_pad_nd(weights[:, None].expand(h, block, kernel), (0, block), 0.0)
    band = band.flatten(1)[:, :-block].view(h, 1, block, -1)  # each row moved on by one
    return (v @ band.mT).transpose(-1, -2).flatten(2, 3)[:, :, :n]


def means(t: Tensor, length: int) -> Tensor:
    """`b h n e` -> `b h m e`: the mean of each segment of `length` tokens, and of those that are left over."""
    whole = t.shape[-2] // length * length
    marks = t[..., :whole, :].unflatten(-2, (-1, length)).mean(-2)
    return torch.cat([marks, t[..., whole:, :].mean(-2, keepdim=True)], -2) if whole < t.shape[-2] else marks


def pseudo_inverse(A: Tensor, steps: int) -> Tensor:
    """Of `... m m` with positive entries; each step triples the number of right digits (2102.03902, equation 11)."""
    one = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    Z = A.mT / (A.sum(-2).amax(-1) * A.sum(-1).amax(-1))[..., None, None]
    for _ in range(steps):
        AZ = A @ Z
        Z = Z @ (13 * one - AZ @ (15 * one - AZ @ (7 * one - AZ))) / 4
    return Z


RECIPE = replace(VIT, mixers=(part(Nystrom),))
