"""Lambda layer: the context is summed into a small linear function, which is then applied to the query.

    λ_i = Σ_j (softmax_j(k_j) + r_{j-i}) v_jᵀ     out_i = λ_iᵀ q_i

The first term is one function for all positions. The second has a learned vector r for each offset of a local context
of side x side places: a convolution of the values. All heads share λ.

Paper    LambdaNetworks: Modeling Long-Range Interactions Without Attention, Bello 2021 (2102.08602), local context.
Time     n side² k d / h for the convolution, k channels a query and k = 16; linear in n.
Memory   n k d / h for the functions λ, one for each position.
Departs  nothing.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.parts.head import Mean
from variants.parts.neighbourhood import centred_side
from variants.parts.norm import BatchNorm2d, ToNorm
from variants.recipe import BOTTLENECK, Recipe, part


class Lambda(Mixer):
    """Lambdas of `keys` x d / heads numbers from a context of side x side places; side is odd."""

    card = Card("Lambda layer", paper="2102.08602", year=2021, time="n side² k d / h", memory="n k d / h")
    policy = "local context of {side} x {side} places at every resolution"

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned, keys: int = 16, depth: int = 1, side: int = 23
    ) -> None:
        """`depth`: the intra-depth u, so many keys and values for each position, of which the lambdas are the sum."""
        super().__init__()
        self.dim, self.heads, self.keys, self.depth, self.values = dim, heads, keys, depth, dim // heads
        self.to_q = ToNorm(dim, heads * keys, bias=False)
        self.to_k = nn.Linear(dim, depth * keys, bias=False)
        self.to_v = ToNorm(dim, depth * self.values, bias=False)
        self.q_norm, self.v_norm = BatchNorm2d(heads * keys), BatchNorm2d(depth * self.values)
        self.context = nn.Conv2d(depth, keys, centred_side(side), padding=side // 2)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        q = self.normed(self.q_norm, self.to_q(x)).view(b, -1, self.heads, self.keys)  # b n h k
        k = self.to_k(x).view(b, -1, self.depth, self.keys).softmax(1)  # b n u k: over all positions
        v = self.normed(self.v_norm, self.to_v(x)).view(b, -1, self.depth, self.values)  # b n u e
        content = k.flatten(1, 2).mT @ v.flatten(1, 2)  # b k e: one function for all
        maps = v.permute(0, 3, 2, 1).reshape(-1, self.depth, y, x_)  # (b e) u y x
        local = self.context(maps).view(b, -1, self.keys, y * x_)  # b e k n
        local = local.permute(0, 3, 2, 1).contiguous()  # b n k e: one for each position, laid out for products
        out = (q.flatten(1, 2) @ content).view(b, y * x_, self.heads, -1) + q @ local  # b n h e
        return out.reshape(b, y, x_, d)

    @staticmethod
    def normed(norm: nn.Module, t: Tensor) -> Tensor:
        """Batch norm of `b y x d`."""
        return norm(t.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def macs(self, grid: Grid) -> int:
        projections = self.dim * (self.heads * self.keys + self.depth * (self.keys + self.values))
        lambdas = self.depth * self.keys * self.values * (1 + self.context.weight[0, 0].numel())
        return grid.n * (projections + lambdas + 2 * self.keys * self.dim)


RECIPE = Recipe(mixers=(part(Lambda),), layout=BOTTLENECK)

PUBLISHED = {
    # table 3: k = 16, h = 4, u = 1, m = 23 x 23
    "LambdaResNet-50 k16 h4 u1 m23": replace(
        RECIPE, layout=replace(BOTTLENECK, heads=(4, 4, 4, 4)), head=part(Mean, norm="none")
    )
}
