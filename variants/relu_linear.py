"""ReLU linear attention at two scales: the feature map is a ReLU, and tokens are also gathered by small convolutions.

    S = Σ_j φ(k_j) [v_j 1]ᵀ     [o_i z_i] = φ(q_i)ᵀ S     out_i = o_i / z_i          φ(t) = max(t, 0)

q, k and v of each head come twice: as projected, and as gathered from 5 x 5 places by a depthwise convolution and a
linear layer of the head's own. Both sets of heads are joined at the end.

Paper    EfficientViT: Multi-Scale Linear Attention, Cai et al. 2022 (2205.14756), the B series.
Time     5 n d² for the projections, 75 n d + 3 n d e to gather, 4 n d (e + 1) for the mixing: linear in n.
Memory   n d, and S: 2 d (e + 1) numbers for each image.
Departs  nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.inverted import Halve, InvertedBlock, InvertedStem, WideMean
from variants.parts.norm import BatchNorm2d
from variants.recipe import Layout, Recipe, part


class ReluLinear(Mixer):
    """Attention by ReLU features of q and k, on tokens and on tokens gathered from `side` x `side` places."""

    card = Card("ReLU linear attention", paper="2205.14756", year=2022, time="n d e", memory="n d + d e")
    takes = frozenset({"none"})  # there are no logits to bias, and a turned feature need not be positive
    packs = "heads"

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, side: int = 5) -> None:
        super().__init__()
        self.dim, self.heads, self.side = dim, heads, side
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.gather = nn.Conv2d(3 * dim, 3 * dim, side, padding=side // 2, groups=3 * dim, bias=False)
        self.blend = nn.Conv2d(3 * dim, 3 * dim, 1, groups=3 * heads, bias=False)
        self.to_out, self.norm = nn.Linear(2 * dim, dim, bias=False), BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        near = self.to_qkv(x)  # b y x 3d, the q, k and v of each head side by side
        wide = self.blend(self.gather(near.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)  # b y x 3d
        heads = torch.cat([near, wide], -1).view(b, y * x_, 2 * self.heads, -1).transpose(1, 2)  # b 2h n 3e
        q, k, v = heads.chunk(3, -1)  # b 2h n e
        one = v.new_ones(()).expand(*v.shape[:-1], 1)
        S = F.relu(k).mT @ torch.cat([v, one], -1)  # b 2h e e+1
        out = F.relu(q) @ S  # b 2h n e+1
        out = out[..., :-1] / (out[..., -1:] + 1e-5)  # b 2h n e
        out = self.to_out(out.transpose(1, 2).reshape(b, y, x_, 2 * d))
        return self.norm(out.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # b y x d

    def macs(self, grid: Grid) -> int:
        e = self.dim // self.heads
        gathered = 3 * self.dim * (self.side**2 + e)
        return grid.n * (5 * self.dim**2 + gathered + 4 * self.dim * (e + 1))


LAYOUT = Layout(
    name="efficientvit",
    stem=part(InvertedStem),
    widths=(128, 256),
    depths=(3, 4),
    block=part(InvertedBlock),
    downsample=part(Halve),
    head_width=16,
)

RECIPE = Recipe(mixers=(part(ReluLinear),), layout=LAYOUT, head=part(WideMean))

PUBLISHED = {"EfficientViT-B1": RECIPE}
