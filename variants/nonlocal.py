"""Non-local network: a ResNet, and attention added behind its blocks.

    z = x + BN(W softmax(θ φᵀ + position) g)     θ, φ, g linear in x, with half of its channels

BN starts at zero, so that at first the ResNet is as it was. The paper has no position.

Paper    Non-local Neural Networks, Wang et al. 2017 (1711.07971), embedded Gaussian form.
Time     2 n d² for the projections, n² d for the mixing.
Memory   n d: the fused kernel never stores the weights.
Departs  keys and values are not pooled. There are ten, one behind each block of the stages 2 and 3 (table 2c).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Position, Positioned
from variants.conv import Conv
from variants.parts.attend import attend
from variants.parts.block import Bottleneck, MakeMixer
from variants.parts.norm import BatchNorm2d
from variants.parts.piece import Piece
from variants.recipe import BOTTLENECK, Recipe, part


class Nothing(Mixer):
    """Leaves its input as it is."""

    card = Card("No mixing", paper="1711.07971", year=2017, time="0", memory="0")

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x

    def macs(self, grid: Grid) -> int:
        return 0


class NonLocal(Mixer):
    """Attention without a scale, added to its input; `keys` and `values` channels, half of the input's if None."""

    card = Card("Non-local blocks", paper="1711.07971", year=2017, time="n² d", memory="n d")
    takes = frozenset({"none", "bias", "query", "rotary"})

    def __init__(
        self, dim: int, heads: int, grid: Grid, position: Positioned,
        keys: int | None = None, values: int | None = None, out: bool = True,
    ) -> None:  # fmt: skip
        """`out`: whether W projects the values back to `dim` channels; without it they must be as many."""
        super().__init__()
        self.dim, self.heads = dim, heads
        self.keys, self.values = keys or dim // 2, values or dim // 2
        if not out and self.values != dim:
            raise ValueError(f"without a projection a non-local block needs values={dim}, not {self.values}")
        self.to_qkv = nn.Linear(dim, 2 * self.keys + self.values)
        self.to_out = nn.Linear(self.values, dim) if out else nn.Identity()
        self.norm = BatchNorm2d(dim)
        nn.init.zeros_(self.norm.weight)
        self.position = position(heads, self.keys // heads, grid, grid)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        qkv = self.to_qkv(x).split([self.keys, self.keys, self.values], -1)  # b y x, channels of each
        q, k, v = (t.unflatten(-1, (self.heads, -1)) for t in qkv)  # b y x h e
        q, k = self.position.turn(q), self.position.turn(k)
        bias = self.position.logits(q.permute(0, 3, 1, 2, 4), Grid(y, x_))  # ... h n n, or None
        q, k, v = (t.flatten(1, 2).transpose(1, 2) for t in (q, k, v))  # b h n e
        out = attend(q, k, v, bias, scale=1.0)
        out = self.to_out(out.transpose(1, 2).reshape(b, y, x_, -1))
        return x + self.norm(out.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def macs(self, grid: Grid) -> int:
        out = 0 if isinstance(self.to_out, nn.Identity) else self.values * self.dim
        projections = self.dim * (2 * self.keys + self.values) + out
        mixing = grid.n**2 * (self.keys + self.values) + self.position.macs(grid, grid)
        return grid.n * projections + mixing


class Followed(Piece):
    """A bottleneck with its 3 x 3 convolution, and the mixer behind it."""

    def __init__(self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(dim, out, inner, stride, grid, convolution)
        self.mix = mixer(out, self.grid(grid))

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.bottleneck(x))

    def grid(self, grid: Grid) -> Grid:
        return self.bottleneck.grid(grid)

    def macs(self, grid: Grid) -> int:
        return self.bottleneck.macs(grid) + self.mix.macs(self.grid(grid))


def convolution(dim: int, grid: Grid) -> Mixer:
    """The 3 x 3 convolution of a plain bottleneck."""
    return Conv(dim, 1, grid, part(Position))


RECIPE = Recipe(
    mixers=(part(Nothing),),
    early=(part(Nothing), part(NonLocal), part(NonLocal)),
    layout=replace(BOTTLENECK, block=part(Followed), heads=(1, 1, 1, 1)),
    given=NonLocal.card,
)
