"""What a query sees: the places of the input that its output depends on, measured by differentiation."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

from variants.contract import Grid, Mixer

DRAWS = 2  # of weights and input: what one draw hides behind a ReLU, another shows
DEVIATION = 0.2  # of every parameter: large enough to open gates that start shut, small enough to saturate none


class Layers(nn.Module):
    """Mixers one after the other, each added to its input, as the blocks of a network add them."""

    def __init__(self, mixers: Iterable[Mixer]) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(mixers)

    def forward(self, x: Tensor) -> Tensor:
        for mixer in self.mixers:
            x = x + mixer(x)  # b y x d
        return x


def seen(block: nn.Module, grid: Grid, dim: int, query: tuple[int, int]) -> Tensor:
    """`y x`: whether the output of `block` at the row and column `query` changes with the input at each place.

    The block maps `b y x d` to `b y x d`, or to a grid of its own of which `query` is a place. It is left as it is: a
    copy in float64 gets weights from a fixed seed, so that the same block always gives the same answer.
    """
    block = deepcopy(block).double().eval()
    generator = torch.Generator().manual_seed(0)
    found = torch.zeros(grid.y, grid.x, dtype=torch.bool)
    for _ in range(DRAWS):
        for parameter in block.parameters():
            nn.init.normal_(parameter, std=DEVIATION, generator=generator)
        found |= derivative(block, grid, dim, query, generator).abs().amax(-1) > 0
    return found


def derivative(block: nn.Module, grid: Grid, dim: int, query: tuple[int, int], generator: torch.Generator) -> Tensor:
    """`y x d`: the derivative of a random direction of the query's output, at a random input."""
    x = torch.randn(1, grid.y, grid.x, dim, dtype=torch.float64, generator=generator).requires_grad_()
    out = block(x)[0, query[0], query[1]]  # d
    direction = torch.randn(out.shape, dtype=torch.float64, generator=generator)
    (slope,) = torch.autograd.grad(out @ direction, x)
    return slope[0]
