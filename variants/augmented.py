"""Attention-augmented convolution: some channels come from a convolution, the others from attention over the grid.

    out = [conv₃ₓ₃(x), W (softmax(q kᵀ / √e + q r_yᵀ + q r_xᵀ) v)]     r_y, r_x learned for each row and column offset

Where a block of the network strides, attention takes the mean of 3 x 3 places around every second one.

Paper    Attention Augmented Convolutional Networks, Bello et al. 2019 (1904.09925).
Time     9 n d² for the convolution, n² (d_k + d_v) for the mixing: d_k is 20 a head or more, d_v about d / 10.
Memory   h n²: the logits of positions are stored.
Departs  nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.conv import Conv
from variants.parts.head import Mean
from variants.parts.position import QueryRelative
from variants.recipe import BOTTLENECK, Recipe, part


class Augmented(Mixer):
    """Full attention for about `value_share` of the channels, a 3 x 3 convolution for the others."""

    card = Card("Attention-augmented convolution", paper="1904.09925", year=2019, time="n d² + n² d", memory="h n²")
    takes = frozenset({"none", "bias", "query", "rotary"})

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned,
        key_share: float = 0.2, value_share: float = 0.1, key_width: int = 20,
    ) -> None:  # fmt: skip
        """Shares of `dim` (κ and υ of section 3.2) are rounded down to whole heads, keys at least `key_width` wide."""
        super().__init__()
        self.dim, self.heads, self.built_for = dim, heads, grid
        self.keys = heads * max(key_width, int(key_share * dim) // heads)
        self.values = heads * max(1, int(value_share * dim) // heads)
        self.conv = nn.Conv2d(dim, dim - self.values, 3, padding=1, bias=False)
        self.to_qkv = nn.Conv2d(dim, 2 * self.keys + self.values, 1, bias=False)
        self.to_out = nn.Conv2d(self.values, self.values, 1, bias=False)
        self.make_position = partial(position, heads, self.keys // heads)
        self.stride = 1

    @property
    def stride(self) -> int:
        """The stride of the block: the grid that attends is so many times coarser, with positions made for it."""
        return self._stride

    @stride.setter
    def stride(self, stride: int) -> None:
        self._stride, grid = stride, self.built_for.reduced(stride)
        self.position = self.make_position(grid, grid)

    def forward(self, x: Tensor) -> Tensor:
        images = x.permute(0, 3, 1, 2)  # b d y x
        convolved = F.conv2d(images, self.conv.weight, stride=self.stride, padding=1)
        if self.stride > 1:
            images = F.avg_pool2d(images, 3, self.stride, 1, count_include_pad=False)
        return torch.cat([convolved, self.attended(images)], 1).permute(0, 2, 3, 1)  # b y x d

    def attended(self, images: Tensor) -> Tensor:
        """`b d y x` -> the same with the channels of the values."""
        qkv = self.to_qkv(images).permute(0, 2, 3, 1)
        b, y, x_, _ = qkv.shape
        q, k, v = qkv.split([self.keys, self.keys, self.values], -1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)) for t in (q, k, v))  # b y x h e
        q, k, v = (t.permute(0, 3, 1, 2, 4) for t in (self.position.turn(q), self.position.turn(k), v))  # b h y x e
        bias = self.position.logits(q * q.shape[-1] ** -0.5, Grid(y, x_))  # ... h n n, or None
        q, k, v = (t.flatten(2, 3) for t in (q, k, v))  # b h n e
        out = F.scaled_dot_product_attention(q, k, v, bias if bias is None else bias.expand(b, -1, -1, -1))
        return self.to_out(out.transpose(2, 3).reshape(b, -1, y, x_))

    def macs(self, grid: Grid) -> int:
        grid = grid.reduced(self.stride)
        conv = 9 * self.dim * (self.dim - self.values)
        projections = self.dim * (2 * self.keys + self.values) + self.values**2
        mixing = grid.n * (self.keys + self.values)
        return grid.n * (conv + projections + mixing) + self.position.macs(grid, grid)


RECIPE = Recipe(mixers=(part(Augmented),), early=(part(Conv),), layout=BOTTLENECK, position=part(QueryRelative))

PUBLISHED = {
    # section 4.2: the last three stages; 8 heads
    "AA-ResNet-50": replace(RECIPE, layout=replace(BOTTLENECK, heads=(8, 8, 8, 8)), head=part(Mean, norm="none"))
}
