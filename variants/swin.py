"""Swin: attention in windows, which in every second layer are shifted by half a window.

    layer 2i      windows from the corner          layer 2i + 1      windows moved by ⌊w/2⌋ rows and columns

so that what one layer keeps apart, the next one joins. A window that the shift wraps around the edge holds tokens from
opposite sides; these do not see each other.

Paper    Swin Transformer, Liu et al. 2021 (2103.14030).
Time     4 n d² for the projections, 2 n w² d for the mixing: linear in n.
Memory   n d. The fused kernel stores no weights; where windows are shifted or padded, mask and bias are h n w²
         numbers, as the weights are in training on the CPU.
Departs  windows that reach beyond the grid are padded, and what was padded is masked; the authors let it be seen.
"""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from variants.contract import Card, Grid
from variants.parts.head import Mean
from variants.parts.position import RelativeBias
from variants.parts.uper import UPer
from variants.recipe import PYRAMID, Recipe, part
from variants.window import Window


class ShiftedWindow(Window):
    """Attention in windows moved by half a window."""

    card = Card("Shifted windows", paper="2103.14030", year=2021, time="n w² d", memory="n d")
    policy = "every second layer shifts its windows by half"
    shifted = True


class Published(Window):
    """Windows as the authors pad them for segmentation: before the projections, and nothing is masked.

    So padding costs as much as an image, and its keys, which are biases, are seen.
    """

    policy = "windows of {window} x {window} tokens at every resolution, padded"

    def forward(self, x: Tensor) -> Tensor:
        whole = self.whole(Grid(*x.shape[1:3]))
        padded = F.pad(x, (0, 0, 0, whole.x - x.shape[2], 0, whole.y - x.shape[1]))
        return super().forward(padded)[:, : x.shape[1], : x.shape[2]]

    def whole(self, grid: Grid) -> Grid:
        """The grid that whole windows cover."""
        return Grid(grid.y + -grid.y % self.window, grid.x + -grid.x % self.window)

    def macs(self, grid: Grid) -> int:
        return super().macs(self.whole(grid))


class PublishedShifted(Published):
    """The same, moved by half a window."""

    shifted = True


RECIPE = Recipe(mixers=(part(Window), part(ShiftedWindow)), layout=PYRAMID, position=part(RelativeBias))

TINY = replace(RECIPE, head=part(Mean, eps=1e-5))
PUBLISHED = {
    "Swin-T": TINY,
    "UPerNet Swin-T": replace(TINY, mixers=(part(Published), part(PublishedShifted)), decoder=part(UPer)),
}
