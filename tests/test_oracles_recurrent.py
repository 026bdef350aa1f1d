"""Filters and recurrent mixers equal slow forms, place by place and step by step, in float64."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixers import built, image, same
from torch import Tensor, nn

from variants.bilateral import Bilateral
from variants.contract import Grid
from variants.local import Local
from variants.nlm import NonLocalMeans
from variants.parts.gated import Gated
from variants.parts.memory import recall
from variants.rnn import ReNet
from variants.vision_lstm import Backwards, Forwards

GRIDS = st.builds(Grid, st.integers(1, 7), st.integers(1, 7))
several = settings(max_examples=15)
pytestmark = pytest.mark.usefixtures("doubled")


def around(grid: Grid, i: tuple[int, int], side: int) -> list[tuple[int, int]]:
    """The places of a square around i that lie in the grid."""
    steps = range(-(side // 2), side // 2 + 1)
    square = [(i[0] + dy, i[1] + dx) for dy in steps for dx in steps]
    return [j for j in square if 0 <= j[0] < grid.y and 0 <= j[1] < grid.x]


def filtered(x: Tensor, side: int, distance: Callable[[Tensor, tuple[int, int], tuple[int, int]], Tensor]) -> Tensor:
    """Each place of each image becomes a mean of those around it, weighted by exp(-distance)."""
    out, grid = torch.zeros_like(x), Grid(x.shape[1], x.shape[2])
    for b, i in product(range(len(x)), product(range(grid.y), range(grid.x))):
        keys = around(grid, i, side)
        weights = torch.stack([-distance(x[b], i, j) for j in keys]).exp()
        values = torch.stack([x[b][j] for j in keys])
        out[b][i] = weights @ values / weights.sum()
    return out


@given(grid=GRIDS)
@settings(max_examples=8)
def test_bilateral_is_the_filter(grid: Grid) -> None:
    def distance(t: Tensor, i: tuple[int, int], j: tuple[int, int]) -> Tensor:
        tone = (t[i] - t[j]).square().mean() / (2 * 0.8**2)
        return tone + ((i[0] - j[0]) ** 2 + (i[1] - j[1]) ** 2) / (2 * 1.5**2)

    x = image(grid, 6)
    same(built(Bilateral, grid, dim=6, side=5, tone=0.8, reach=1.5)(x), filtered(x, 5, distance))


@given(grid=GRIDS)
@settings(max_examples=8)
def test_non_local_means_compare_patches(grid: Grid) -> None:
    def distance(t: Tensor, i: tuple[int, int], j: tuple[int, int]) -> Tensor:
        pairs = [(p, (p[0] + j[0] - i[0], p[1] + j[1] - i[1])) for p in around(grid, i, 3)]
        pairs = [(p, r) for p, r in pairs if r in around(grid, j, 3)]
        return torch.stack([(t[p] - t[r]).square().mean() for p, r in pairs]).mean() / 0.8**2

    x = image(grid, 6)
    same(built(NonLocalMeans, grid, dim=6, side=5, patch=3, tone=0.8)(x), filtered(x, 5, distance))


@pytest.mark.parametrize("grid", [Grid(6, 5), Grid(1, 3), Grid(9, 9)])
def test_local_attention_with_fixed_projections_is_the_bilateral_filter(grid: Grid) -> None:
    """Features carry their squared length and a one; a query meets both, and the distance of places is a bias."""
    x = image(grid, 6)
    lifted = torch.cat([x, -x.square().sum(-1, keepdim=True) / 2, torch.ones_like(x[..., :1])], -1)  # b y x 8
    local = built(Local, grid, "bias", 8, 1, side=5)
    mixer = built(Bilateral, grid, dim=6, side=5, tone=0.7, reach=2.0)
    q, one = torch.eye(8, dtype=torch.float64), torch.eye(8, dtype=torch.float64)
    q[6], q[7] = one[7], 0  # x_i · x_j + 1 · (-|x_j|² / 2)
    steps = torch.arange(-2, 3, dtype=torch.float64)
    with torch.no_grad():
        local.to_qkv.weight.copy_(torch.cat([q * 8**0.5 / (6 * 0.7**2), one, one]))
        local.to_out.weight.copy_(one)
        local.to_qkv.bias.zero_()
        local.to_out.bias.zero_()
        local.position.table.copy_(-(steps[:, None] ** 2 + steps**2)[None] / (2 * 2.0**2))
        same(local(lifted)[..., :6], mixer(x))


@given(grid=GRIDS)
@several
def test_renet_is_two_bidirectional_networks(grid: Grid) -> None:
    """torch's own recurrent unit reads each column, and then each row."""
    mixer, x = built(ReNet, grid, dim=8), image(grid, 8)
    with torch.no_grad():
        down = torch.stack([unit(mixer.columns)(x[:, :, i])[0] for i in range(grid.x)], 2)
        across = torch.stack([unit(mixer.rows)(down[:, i])[0] for i in range(grid.y)], 1)
        same(mixer(x), across)


def unit(sweep: Any) -> nn.GRU:
    """torch's unit with the weights of a sweep."""
    gru = nn.GRU(8, 4, batch_first=True, bidirectional=True).double()
    for i, end in enumerate(("l0", "l0_reverse")):
        gru.get_parameter(f"weight_ih_{end}").data.copy_(sweep.to_gates.weight.chunk(2)[i])
        gru.get_parameter(f"bias_ih_{end}").data.copy_(sweep.to_gates.bias.chunk(2)[i])
        gru.get_parameter(f"weight_hh_{end}").data.copy_(sweep.again[i].T)
        gru.get_parameter(f"bias_hh_{end}").data.copy_(torch.cat([torch.zeros(8), sweep.again_bias[i, 0]]))
    return gru


@given(n=st.integers(1, 40), chunk=st.integers(1, 16), loud=st.sampled_from([0.1, 1.0, 10.0]))
@several
def test_a_memory_in_chunks_is_its_recurrence(n: int, chunk: int, loud: float) -> None:
    """Token by token, from 2405.04517, section 2.3, without anything taken out of the exponents."""
    q, k, v = torch.randn(3, 2, 3, n, 4, dtype=torch.float64)
    write = loud * torch.randn(2, 3, n, dtype=torch.float64)
    keep = nn.functional.logsigmoid(loud * torch.randn(2, 3, n, dtype=torch.float64))
    C, total, out = torch.zeros(2, 3, 4, 4).double(), torch.zeros(2, 3, 4).double(), []
    for t in range(n):
        i, f = write[..., t].exp(), keep[..., t].exp()
        C = f[..., None, None] * C + i[..., None, None] * k[:, :, t, :, None] * v[:, :, t, None, :]
        total = f[..., None] * total + i[..., None] * k[:, :, t]
        read = torch.einsum("bhef,bhe->bhf", C, q[:, :, t])
        out.append(read / (total * q[:, :, t]).sum(-1, keepdim=True).abs().clamp_min(1))
    torch.testing.assert_close(recall(q, k, v, write, keep, chunk), torch.stack(out, 2), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("make", [Forwards, Backwards])
@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(2, 7), Grid(5, 3)])
def test_vision_lstm_reads_token_by_token(make: Any, grid: Grid) -> None:
    """Inside its block, head by head, from the formulas of its docstring."""
    block = Gated(8, 8, 16, 1, grid, lambda dim, grid: built(make, grid, dim=dim, chunk=4))
    for parameter in (p for layer in (block.norm, block.to_both, block.to_out) for p in layer.parameters()):
        nn.init.normal_(parameter, std=0.4)
    x = image(grid, 8)
    value, gate = block.to_both(block.norm(x)).split(16, -1)
    same(block(x), x + block.to_out(gate * gate.sigmoid() * read(block.mix, value)))


def read(mixer: Any, x: Tensor) -> Tensor:
    """What the memory of Vision-LSTM answers to `b y x d`."""
    near = neighbours_met(mixer.near, x)
    near = near * near.sigmoid()
    q, k, v = (in_fours(layer, t) for layer, t in ((mixer.to_q, near), (mixer.to_k, near), (mixer.to_v, x)))
    out, order = torch.zeros_like(x), list(product(range(x.shape[1]), range(x.shape[2])))
    e, heads = x.shape[-1] // mixer.heads, mixer.heads
    for b, h in product(range(len(x)), range(heads)):
        mine, C, n = slice(h * e, h * e + e), torch.zeros(e, e), torch.zeros(e)
        for i in reversed(order) if mixer.backwards else order:
            qkv = torch.cat([q[b][i], k[b][i], v[b][i]])
            write = (mixer.gate[h] @ qkv + mixer.write_bias[h]).exp()
            keep = (mixer.gate[heads + h] @ qkv + mixer.keep_bias[h]).sigmoid()
            C = keep * C + write * torch.outer(k[b][i][mine], v[b][i][mine]) / e**0.5
            n = keep * n + write * k[b][i][mine] / e**0.5
            t = C.T @ q[b][i][mine] / (n @ q[b][i][mine]).abs().clamp_min(1)
            out[b][i][mine] = (t - t.mean()) / (t.var(correction=0) + mixer.norm.eps).sqrt()
    return out * mixer.norm.weight + mixer.norm.bias + mixer.skip * near


def neighbours_met(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Each channel's weighted sum of the 3 x 3 places around each place, zeros outside."""
    grid, out = Grid(x.shape[1], x.shape[2]), torch.zeros_like(x)
    for i in product(range(grid.y), range(grid.x)):
        for j in around(grid, i, 3):
            out[:, i[0], i[1]] += x[:, j[0], j[1]] * conv.weight[:, 0, j[0] - i[0] + 1, j[1] - i[1] + 1]
    return out + conv.bias  # type: ignore[operator]  # there is one


def in_fours(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Each four channels multiplied by a matrix of their own."""
    fours = [t @ matrix.squeeze().T for t, matrix in zip(x.split(4, -1), conv.weight.split(4), strict=True)]
    return torch.cat(fours, -1) + conv.bias


def test_a_memory_sees_only_what_came_before() -> None:
    """Outputs before a token do not change with it, those after it do; backwards it is the other way round."""
    grid, changed = Grid(5, 6), (3, 2)
    for mixer, before in ((Forwards, True), (Backwards, False)):
        module, x = built(mixer, grid, dim=8, heads=1, chunk=7), image(grid, 8, b=1)
        nn.init.zeros_(module.near.weight)  # no neighbours
        other = x.clone()
        other[0][changed] += 1
        with torch.no_grad():
            moved = (module(other) - module(x)).abs().amax(-1).flatten() > 1e-12
        place = changed[0] * grid.x + changed[1]
        same_side, other_side = (moved[:place], moved[place:]) if before else (moved[place + 1 :], moved[: place + 1])
        assert not same_side.any()
        assert other_side.all()


def test_large_gates_do_not_overflow() -> None:
    q, k, v = torch.randn(3, 1, 2, 30, 4)
    for write, keep in ((300.0, -1e-3), (-300.0, -50.0), (300.0, -300.0)):
        gates = torch.full((1, 2, 30), write), torch.full((1, 2, 30), keep)
        assert recall(q, k, v, *gates, chunk=8).isfinite().all()
