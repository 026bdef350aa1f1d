"""ResNet: the 3 x 3 convolution, which attention replaces.

    out_i = Σ_o W_o x_{i+o}     o over the 9 offsets of a centred square

Paper    Deep Residual Learning, He et al. 2015 (1512.03385); stride in the 3 x 3 convolution ("v1.5").
Time     9 n d².
Memory   n d.
Departs  nothing.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.head import Mean
from variants.parts.piece import out_size
from variants.recipe import BOTTLENECK, Recipe, part


class Conv(Mixer):
    """A 3 x 3 convolution; a block with a stride sets `stride` itself."""

    card = Card("Convolution (ResNet)", paper="1512.03385", year=2015, time="9 n d²", memory="n d")

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        self.dim, self.stride = dim, 1
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x.permute(0, 3, 1, 2), self.conv.weight, stride=self.stride, padding=1)
        return x.permute(0, 2, 3, 1)  # b y x d

    def macs(self, grid: Grid) -> int:
        return out_size(grid, 3, self.stride, 1).n * 9 * self.dim**2


RECIPE = Recipe(mixers=(part(Conv),), layout=BOTTLENECK)

PUBLISHED = {"ResNet-50 v1.5": Recipe(mixers=(part(Conv),), layout=BOTTLENECK, head=part(Mean, norm="none"))}
