"""Non-local blocks, lambda layers and depthwise convolutions: each equals a slow form written from its formula."""

from __future__ import annotations

from importlib import import_module
from itertools import product
from typing import Any

import pytest
import torch
from mixers import GRIDS, POSITION_NAMES, affine, built, counted, image, places, same
from oracles import said, turned

from variants.bilateral import Bilateral
from variants.contract import Grid, Position
from variants.convnext import Depthwise
from variants.local import Local
from variants.neighborhood import Neighborhood
from variants.nlm import NonLocalMeans
from variants.recipe import part

NonLocal, Lambda = import_module("variants.nonlocal").NonLocal, import_module("variants.lambda").Lambda


pytestmark = pytest.mark.usefixtures("doubled")


@pytest.mark.parametrize("position", POSITION_NAMES)
def test_nonlocal(position: str) -> None:
    """z = x + BN(W softmax(θ φᵀ + position) g), all n x n weights at once."""
    for grid in GRIDS:
        mixer, x = built(NonLocal, grid, position, heads=1), image(grid)
        theta, phi, g = mixer.to_qkv(x).chunk(3, -1)  # b y x d/2
        theta, phi = (turned(mixer.position, t[..., None, :])[..., 0, :] for t in (theta, phi))
        logits, reach = theta.flatten(1, 2) @ phi.flatten(1, 2).mT, Grid(2 * grid.y - 1, 2 * grid.x - 1)
        logits = logits[:, None]  # b 1 n n: one head
        for n, i in enumerate(places(grid)):
            offsets = [(j[0] - i[0], j[1] - i[1]) for j in places(grid)]
            logits[:, :, n] += said(mixer.position, theta[:, i[0], i[1]][:, None], offsets, reach)
        mixed = logits.squeeze(1).softmax(-1) @ g.flatten(1, 2)
        y = mixer.to_out(mixed.view(2, grid.y, grid.x, 8))
        same(mixer(x), x + torch.stack([affine(mixer.norm, y[..., c], c) for c in range(16)], -1))


def test_nonlocal_starts_as_nothing() -> None:
    mixer, x = NonLocal(16, 1, Grid(5, 3), part(Position)).eval(), image(Grid(5, 3))
    same(mixer(x), x)


def test_nonlocal_costs_what_was_published() -> None:
    """The figure of 108 GFLOPs, two a multiply-add, in CCNet (1811.11721): 512 channels, keys of 64, 97 x 97 places."""
    with torch.device("meta"):
        block = NonLocal(512, 1, Grid(97, 97), part(Position), keys=64, values=512, out=False)
    assert block.macs(Grid(97, 97)) == pytest.approx(54082028736, rel=0.002)
    assert counted(block, Grid(97, 97), 512) == block.macs(Grid(97, 97))


def test_nonlocal_without_a_projection_needs_all_channels() -> None:
    with pytest.raises(ValueError, match="values=16, not 8"):
        NonLocal(16, 1, Grid(2, 2), part(Position), out=False)


@pytest.mark.parametrize(("depth", "side"), [(1, 3), (2, 5), (1, 23)])
def test_lambda(depth: int, side: int) -> None:
    """λ_i = Σ_j (softmax_j(k_j) + r_{j-i}) v_jᵀ summed over the depth, one key and one query at a time."""
    for grid in (Grid(1, 1), Grid(1, 7), Grid(5, 3)):
        mixer, x = built(Lambda, grid, keys=4, depth=depth, side=side), image(grid, b=1)
        q = torch.stack([affine(mixer.q_norm, t, c) for c, t in enumerate(mixer.to_q(x).unbind(-1))], -1)[0]
        v = torch.stack([affine(mixer.v_norm, t, c) for c, t in enumerate(mixer.to_v(x).unbind(-1))], -1)[0]
        v, k = v.unflatten(-1, (depth, -1)), mixer.to_k(x)[0].unflatten(-1, (depth, -1))  # y x u e, y x u k
        k = k.exp() / k.exp().sum((0, 1))
        out = torch.zeros(grid.y, grid.x, 2, 8)
        for i in places(grid):
            function = mixer.context.bias[:, None].repeat(1, 8)  # k e
            for j in places(grid):
                row, column = j[0] - i[0] + side // 2, j[1] - i[1] + side // 2
                near = 0 <= row < side and 0 <= column < side
                for u in range(depth):
                    r = mixer.context.weight[:, u, row, column] if near else 0
                    function = function + torch.outer(k[j][u] + r, v[j][u])
            out[i] = q[i].view(2, 4) @ function
        same(mixer(x)[0], out.flatten(2))


def test_depthwise() -> None:
    for grid in GRIDS:
        mixer, x = built(Depthwise, grid, side=5), image(grid)
        out = torch.zeros_like(x) + mixer.conv.bias
        for i, (row, column) in product(places(grid), places(Grid(5, 5))):
            j = (i[0] + row - 2, i[1] + column - 2)
            if j in places(grid):
                out[:, i[0], i[1]] += x[:, j[0], j[1]] * mixer.conv.weight[:, 0, row, column]
        same(mixer(x), out)


@pytest.mark.parametrize("make", [Depthwise, Lambda, Local, Neighborhood, Bilateral, NonLocalMeans])
def test_an_even_side_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="choose an odd side, not 4"):
        make(16, 2, Grid(3, 3), part(Position), side=4)
