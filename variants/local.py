"""Local attention: each place attends to its own neighbourhood of side x side places.

    out_i = Σ_o softmax_o(q_i · k_{i+o} / √e + position_o) v_{i+o}     o over the side² offsets that stay in the grid

Paper    Stand-Alone Self-Attention in Vision Models, Ramachandran et al. 2019 (1906.05909).
Time     4 n d² for the projections, 2 n side² d for the mixing: linear in n.
Memory   n d, and the weights: h n side² numbers.
Departs  what lies outside the image is masked, not a key of zeros.
"""

from __future__ import annotations

from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.neighbourhood import centred_side, inside, neighbour_logits, neighbour_mix
from variants.parts.position import QueryRelative
from variants.recipe import PYRAMID, Recipe, part


class Local(Mixer):
    """Attention in the square of side x side places around each place; side is odd."""

    card = Card("Local attention", paper="1906.05909", year=2019, time="n side² d", memory="n (d + h side²)")
    takes = frozenset({"none", "bias", "query", "rotary"})
    policy = "neighbourhoods of {side} x {side} places at every resolution"

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned, side: int = 7, bias: bool = True, out: bool = True
    ) -> None:
        """`bias` of the projections, and whether there is a projection `out` at all (SASA has neither)."""
        super().__init__()
        self.dim, self.heads, self.side = dim, heads, centred_side(side)
        self.to_qkv = nn.Linear(dim, 3 * dim, bias)
        self.to_out = nn.Linear(dim, dim, bias) if out else nn.Identity()
        self.position = position(heads, dim // heads, Grid(1, 1), Grid(side, side))

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q, k, v = self.to_qkv(x).view(b, y, x_, 3, self.heads, -1).unbind(3)  # b y x h e, three times
        q, k = self.position.turn(q) * (d // self.heads) ** -0.5, self.position.turn(k)
        bias = self.position.logits(q[..., None, None, :], Grid(self.side, self.side))  # ... h 1 side², or None
        q, k, v = (t.permute(0, 3, 1, 2, 4) for t in (q, k, v))  # b h y x e
        logits = neighbour_logits(q, k, self.side)  # b h y x side²
        if bias is not None:
            logits = logits + (bias.squeeze(-2).permute(0, 3, 1, 2, 4) if bias.dim() > 3 else bias[:, None])
        outside = ~inside(Grid(y, x_), self.side, x.device)  # y x side²
        weights = logits.masked_fill_(outside, float("-inf")).softmax(-1)
        out = neighbour_mix(weights, v, self.side)  # b h y x e
        return self.to_out(out.permute(0, 2, 3, 1, 4).reshape(b, y, x_, d))

    def macs(self, grid: Grid) -> int:
        projections = 3 if isinstance(self.to_out, nn.Identity) else 4
        position = grid.n * self.position.macs(Grid(1, 1), Grid(self.side, self.side))
        return grid.n * projections * self.dim**2 + 2 * grid.n * self.side**2 * self.dim + position


RECIPE = Recipe(mixers=(part(Local),), layout=PYRAMID, position=part(QueryRelative))
