"""The bilateral filter: each place becomes the mean of its neighbourhood, weighted by how alike and how near it is.

    w_io ∝ exp(-|x_i - x_{i+o}|² / 2 d tone² - |o|² / 2 reach²)     out_i = Σ_o w_io x_{i+o}

Local attention with the identity for its projections: of |x_i - x_j|² only x_i · x_j - |x_j|² / 2 differs from key to
key, and the distance of places is a relative bias.

Paper    Bilateral Filtering for Gray and Color Images, Tomasi and Manduchi 1998 (ICCV), on features.
Time     2 n side² d: linear in n.
Memory   n d, and the weights: n side² numbers.
Departs  nothing is learned, as in the filter; the MLP of the block around it is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from variants.contract import Card, Grid, Mixer, Positioned
from variants.local import Local
from variants.parts.neighbourhood import centred_side, inside, neighbour_logits, neighbour_mix
from variants.parts.position import RelativeBias
from variants.recipe import PYRAMID, Recipe, part


class Bilateral(Mixer):
    """The filter over `side` x `side` places; `tone` is per channel of the features, `reach` in places."""

    card = Card("Bilateral filter", paper="Tomasi and Manduchi", year=1998, time="n side² d", memory="n (d + side²)")
    policy = "neighbourhoods of {side} x {side} places at every resolution"
    fixed_heads = 1  # one weight for all channels

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned, side: int = 7, tone: float = 0.5,
        reach: float = 2.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dim, self.side, self.sharpness = dim, centred_side(side), 1 / (dim * tone**2)
        steps = torch.arange(side) - side // 2
        nearness = -(steps[:, None] ** 2 + steps**2).flatten() / (2 * reach**2)  # side²
        self.register_buffer("nearness", nearness, persistent=False)
        self.nearness: Tensor

    def forward(self, x: Tensor) -> Tensor:
        _, y, x_, _ = x.shape
        t = x[:, None]  # b 1 y x d
        logits = neighbour_logits(t, t, self.side)[:, 0] - neighbours(x.square().sum(-1), self.side) / 2
        logits = logits * self.sharpness + self.nearness  # b y x side²
        weights = logits.masked_fill(~inside(Grid(y, x_), self.side, x.device), float("-inf")).softmax(-1)
        return neighbour_mix(weights[:, None], t, self.side)[:, 0]

    def twin(self, grid: Grid) -> Local:
        """Local attention with one head, fixed projections, and nearness as its bias: the tokens' lengths cancel."""
        local = Local(self.dim, 1, grid, part(RelativeBias), side=self.side).to(self.nearness)
        one, zero = torch.eye(self.dim).to(self.nearness), torch.zeros(self.dim)
        state = {"to_qkv.weight": torch.cat([self.sharpness * self.dim**0.5 * one, one, one])}
        state |= {"to_qkv.bias": zero.repeat(3), "to_out.weight": one, "to_out.bias": zero}
        local.load_state_dict(state | {"position.table": self.nearness.view(1, self.side, self.side)})
        return local

    def macs(self, grid: Grid) -> int:
        return 2 * grid.n * self.side**2 * self.dim


def neighbours(t: Tensor, side: int) -> Tensor:
    """`b y x` -> `b y x (side side)`: the number at each neighbour, zero outside the grid."""
    reach = side // 2
    t = F.pad(t, (reach, reach, reach, reach))
    return t.unfold(1, side, 1).unfold(2, side, 1).flatten(-2)


RECIPE = Recipe(mixers=(part(Bilateral),), layout=PYRAMID)
