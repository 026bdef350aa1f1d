"""Multi-axis attention: within blocks of neighbours, then over a coarse grid of places that spans the whole image.

    layer 2i      windows of w x w neighbouring places
    layer 2i + 1  the w x w places that lie ⌈y/w⌉ rows and ⌈x/w⌉ columns apart, for each place to begin from

Two layers reach every place, whatever the size of the image. A mobile convolution with squeeze-excitation stands
before each pair.

Paper    MaxViT, Tu et al. 2022 (2204.01697).
Time     4 n d² for the projections, 2 n w² d for the mixing: linear in n.
Memory   n d. The fused kernel stores no weights; where windows are padded, mask and bias are h n w²
         numbers, as the weights are in training on the CPU.
Departs  what does not divide is padded, and what was padded is masked; no stochastic depth.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from variants.contract import Card, Grid
from variants.parts.mobile import MobileStem, MobileTransformer, Pooler
from variants.parts.position import RelativeBias
from variants.recipe import PYRAMID, Recipe, part
from variants.window import Window


class GridAttention(Window):
    """Attention of places that lie far apart: `window` x `window` of them, spread evenly over the grid."""

    card = Card("Multi-axis attention", paper="2204.01697", year=2022, time="n w² d", memory="n d")
    policy = "a coarse grid of {window} x {window} places at every resolution, padded and masked"
    follows = True  # block attention, without a convolution between

    def gaps(self, grid: Grid) -> Grid:
        """How many rows and columns lie from one place of a group to the next: so many groups there are too."""
        w = self.side(grid)
        return Grid(-(-grid.y // w.y), -(-grid.x // w.x))

    def cut(self, t: Tensor, grid: Grid) -> Tensor:
        """`b y x d` -> `(b W) w w d`, W groups, padded with zeros."""
        w, gap = self.side(grid), self.gaps(grid)
        if grid.x % w.x or grid.y % w.y:
            t = F.pad(t, (0, 0, 0, -grid.x % w.x, 0, -grid.y % w.y))
        t = t.unflatten(2, (w.x, gap.x)).unflatten(1, (w.y, gap.y))  # b w Y w X d
        return t.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)

    def joined(self, t: Tensor, b: int, grid: Grid) -> Tensor:
        """`(b W) n h e` -> `b y x d`, without the padding."""
        w, gap = self.side(grid), self.gaps(grid)
        t = t.reshape(b, gap.y, gap.x, w.y, w.x, -1).permute(0, 3, 1, 4, 2, 5)  # b w Y w X d
        return t.reshape(b, w.y * gap.y, w.x * gap.x, -1)[:, : grid.y, : grid.x]

    def mask_of(self, grid: Grid) -> Tensor | None:
        """`W 1 n n`, true where a token may see another: both, or neither, are padding. None where none is."""
        w, gap = self.side(grid), self.gaps(grid)
        if w.y * gap.y == grid.y and w.x * gap.x == grid.x:
            return None
        rows, columns = torch.arange(w.y * gap.y) < grid.y, torch.arange(w.x * gap.x) < grid.x
        real = (rows[:, None] & columns).view(w.y, gap.y, w.x, gap.x).permute(1, 3, 0, 2).reshape(-1, 1, w.n)  # W 1 n
        return real[..., :, None] == real[..., None, :]


RECIPE = Recipe(
    mixers=(part(Window), part(GridAttention)),
    layout=replace(
        PYRAMID,
        stem=part(MobileStem),
        widths=(64, 128, 256, 512),
        depths=(4, 4, 10, 4),
        block=part(MobileTransformer),
        downsample=None,
        strides=(2, 2, 2, 2),
    ),
    position=part(RelativeBias),
    head=part(Pooler),
)

PUBLISHED = {
    # table 1: heads of 32 channels; two blocks of ours are one of the paper's
    "MaxViT-T": replace(RECIPE, layout=replace(RECIPE.layout, heads=(2, 4, 8, 16)))
}
