"""Non-local means: each place becomes the mean of the places around it, weighted by how alike their patches are.

    w_io ∝ exp(-mean_p |x_{i+p} - x_{i+o+p}|² / d tone²)     out_i = Σ_o w_io x_{i+o}          p over a small patch

Patches are never formed: for one offset o, the distances of patches are the distances of places, averaged over a
patch. Where a patch reaches beyond the grid, the mean is over the pairs of places that are inside.

Paper    A Non-Local Algorithm for Image Denoising, Buades, Coll and Morel 2005 (CVPR), on features.
Time     2 n side² d: linear in n, whatever the patch.
Memory   n d, and the weights: n side² numbers.
Departs  nothing is learned, as in the filter; the MLP of the block around it is. All places of a patch count alike.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from variants.bilateral import neighbours
from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.neighbourhood import centred_side, inside, neighbour_logits, neighbour_mix
from variants.recipe import PYRAMID, Recipe, part


class NonLocalMeans(Mixer):
    """The filter over `side` x `side` places, by patches of `patch` x `patch`; `tone` is per channel."""

    card = Card("Non-local means", paper="Buades et al.", year=2005, time="n side² d", memory="n (d + side²)")
    policy = "neighbourhoods of {side} x {side} places, patches of {patch} x {patch}, at every resolution"
    fixed_heads = 1  # one weight for all channels

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned, side: int = 7, patch: int = 3, tone: float = 0.5
    ) -> None:
        super().__init__()
        self.dim, self.sharpness = dim, 1 / (dim * tone**2)
        self.side, self.patch = centred_side(side), centred_side(patch)

    def forward(self, x: Tensor) -> Tensor:
        _, y, x_, _ = x.shape
        t, lengths = x[:, None], x.square().sum(-1)  # b 1 y x d, b y x
        products = neighbour_logits(t, t, self.side)[:, 0]
        distances = lengths[..., None] + neighbours(lengths, self.side) - 2 * products  # b y x side²
        seen = inside(Grid(y, x_), self.side, x.device)  # y x side²
        pairs = self.averaged(seen[None].to(x.dtype))  # 1 y x side²: the share of a patch that lies inside
        distances = self.averaged(distances * seen) / pairs.masked_fill(~seen, 1)
        weights = (-self.sharpness * distances).masked_fill(~seen, float("-inf")).softmax(-1)
        return neighbour_mix(weights[:, None], t, self.side)[:, 0]

    def averaged(self, maps: Tensor) -> Tensor:
        """`b y x side²`: each offset's map, averaged over the patch around each place, zeros outside."""
        maps = F.avg_pool2d(maps.permute(0, 3, 1, 2), self.patch, 1, self.patch // 2)
        return maps.permute(0, 2, 3, 1)

    def macs(self, grid: Grid) -> int:
        return 2 * grid.n * self.side**2 * self.dim


RECIPE = Recipe(mixers=(part(NonLocalMeans),), layout=PYRAMID)
