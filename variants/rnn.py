"""ReNet: a recurrent network reads every column up and down, another reads every row of what the first one found.

    r, z = σ(W x_t + U h_{t-1} + b)     c = tanh(W' x_t + r ∘ (U' h_{t-1} + b'))     h_t = c + z ∘ (h_{t-1} - c)

Each direction has d / 2 channels. A step needs the one before it, so an image of y x x tokens takes y + x steps, one
after the other, however wide the machine is; columns, and then rows, are read side by side.

Paper    ReNet, Visin et al. 2015 (1505.00393), with the gated unit of Cho et al. 2014 (1406.1078).
Time     6 n d² for what enters the gates, 3 n d² for the steps: linear in n, but y + x steps deep.
Memory   n d: 3 d numbers for each token enter the gates.
Departs  the reset gate meets U' h, not h, so that a step is one product; the block around adds norm, shortcut and MLP.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Positioned
from variants.recipe import ISOTROPIC, Recipe, part


class Sweep(nn.Module):
    """A gated recurrent unit that reads sequences forwards, and one that reads them backwards, side by side."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.units = dim // 2
        self.to_gates = nn.Linear(dim, 6 * self.units)  # r, z and c of the first direction, then of the second
        self.again = nn.Parameter(torch.randn(2, self.units, 3 * self.units) * self.units**-0.5)
        self.again_bias = nn.Parameter(torch.zeros(2, 1, self.units))

    def forward(self, x: Tensor) -> Tensor:
        """`b n d`, b sequences -> the same shape, half of the channels from each direction."""
        b, n, _ = x.shape
        gates = self.to_gates(x).view(b, n, 2, -1).permute(1, 2, 0, 3)  # n 2 b 3u
        gates = torch.stack([gates[:, 0], gates[:, 1].flip(0)], 1)
        again, again_c = self.again.split(2 * self.units, -1)  # 2 u 2u, 2 u u
        h, states, bias = gates.new_zeros(2, b, self.units), [], self.again_bias.expand(-1, b, -1)
        for gate, candidate in zip(*(t.unbind(0) for t in gates.split(2 * self.units, -1)), strict=True):
            r, z = torch.baddbmm(gate, h, again).sigmoid().chunk(2, -1)  # 2 b u, twice
            c = torch.addcmul(candidate, r, torch.baddbmm(bias, h, again_c)).tanh()
            h = torch.lerp(c, h, z)
            states.append(h)
        forwards, backwards = torch.stack(states, 2).unbind(0)  # b n u, twice
        return torch.cat([forwards, backwards.flip(1)], -1)


class ReNet(Mixer):
    """Recurrence along the columns, then along the rows."""

    card = Card("Recurrence over rows and columns", paper="1505.00393", year=2015, time="n d²", memory="n d")
    takes = frozenset({"none"})  # the order of reading is the position
    fixed_heads = 0  # a state, not weights over places

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"two directions share the width: choose an even one, not {dim}")
        self.dim, self.columns, self.rows = dim, Sweep(dim), Sweep(dim)

    def forward(self, x: Tensor) -> Tensor:
        b, y, x_, d = x.shape
        x = self.columns(x.transpose(1, 2).reshape(b * x_, y, d)).view(b, x_, y, d)
        return self.rows(x.transpose(1, 2).reshape(b * y, x_, d)).view(b, y, x_, d)

    def macs(self, grid: Grid) -> int:
        return 9 * grid.n * self.dim**2


RECIPE = Recipe(mixers=(part(ReNet),), layout=ISOTROPIC)
