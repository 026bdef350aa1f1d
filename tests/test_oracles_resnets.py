"""Halo, axial, bottleneck and augmented attention: each equals a slow form written from its formula."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from mixers import GRIDS, POSITION_NAMES, Place, affine, built, counted, image, places, same
from torch import Tensor, nn
from torch.nn import functional as F

from variants.augmented import Augmented
from variants.axial import Axial, HeightThenWidth
from variants.botnet import AllToAll
from variants.contract import Grid, Position
from variants.halo import Halo
from variants.local import Local
from variants.parts.sensitive import Sensitive
from variants.recipe import POSITIONS, part
from variants.vit import Attention

pytestmark = pytest.mark.usefixtures("doubled")


def split(mixer: Any, t: Tensor) -> Tensor:
    return t.unflatten(-1, (mixer.heads, -1))


def said(position: Any, q: Tensor, i: Place, j: Place, zero: Place) -> Tensor | float:
    """What the tables say to the query `b h e` at i about the key at j; entry `zero` is that of the offset 0, 0."""
    row, column = j[0] - i[0] + zero[0], j[1] - i[1] + zero[1]
    if position.name == "bias":
        return position.table[:, row, column]
    if position.name == "query":
        return q @ (position.rows[0, row] + position.columns[0, column])
    return 0.0


def attended(mixer: Any, qkv: Any, sees: Callable[[Place, Place], bool], zero: Place, step: int = 1) -> Tensor:
    """Softmax attention, one query and one key at a time: of `b y x h e` thrice to `b y x` and all channels of v.

    Queries are `step` places apart; `sees(i, j)` says whether the place i attends to the place j.
    """
    q, k, v = qkv
    out = q.new_zeros(*q.shape[:4], v.shape[-1])
    for y, x in places(Grid(*q.shape[1:3])):
        i, query = (y * step, x * step), q[:, y, x] * q.shape[-1] ** -0.5
        keys = [j for j in places(Grid(*k.shape[1:3])) if sees(i, j)]
        logits = [(query * k[:, a, b]).sum(-1) + said(mixer.position, query, i, (a, b), zero) for a, b in keys]
        weights = torch.stack(logits, -1).softmax(-1)  # b h m
        values = torch.stack([v[:, a, b] for a, b in keys], -1)  # b h e m
        out[:, y, x] = (weights[:, :, None] * values).sum(-1)
    return out.flatten(3)


def pooled(x: Tensor, stride: int) -> Tensor:
    """The mean over each stride x stride places of `b y x d`."""
    return F.avg_pool2d(x.permute(0, 3, 1, 2), stride, ceil_mode=True).permute(0, 2, 3, 1)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("position", ["none", "bias", "query"])
@pytest.mark.parametrize(("block", "halo"), [(4, 1), (2, 3), (3, 0)])
def test_halo(block: int, halo: int, position: str, stride: int) -> None:
    """Also where it strides, and where the stride does not divide the block and the mean is taken."""

    def sees(i: Place, j: Place) -> bool:
        return all(-halo <= b - a // block * block < block + halo for a, b in zip(i, j, strict=True))

    for grid in GRIDS:
        mixer, x = built(Halo, grid, position, block=block, halo=halo, widen=1.5), image(grid)
        mixer.stride = stride
        k, v = mixer.to_kv(x).split([16, 24], -1)
        q = mixer.to_q(x)[:, :: mixer.step, :: mixer.step]
        zero = (block + halo - 1, block + halo - 1)
        out = mixer.to_out(attended(mixer, [split(mixer, t) for t in (q, k, v)], sees, zero, mixer.step))
        same(mixer(x), out if mixer.step == stride else pooled(out, stride))


def as_halo(mixer: Any, halo: Any) -> Any:
    """Halo attention with the weights of another mixer, but for those of its positions."""
    halo.to_out.load_state_dict(mixer.to_out.state_dict())
    for name, t in mixer.to_qkv.named_parameters():
        getattr(halo.to_q, name).data.copy_(t[:16])
        getattr(halo.to_kv, name).data.copy_(t[16:])
    return halo


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("position", POSITION_NAMES)
def test_halo_of_block_1_is_local(position: str, stride: int) -> None:
    for grid in GRIDS:
        local, x = built(Local, grid, position, side=5), image(grid)
        halo = as_halo(local, built(Halo, grid, position, block=1, halo=2))
        halo.position.load_state_dict(local.position.state_dict())
        halo.stride = stride
        same(halo(x), local(x) if stride == 1 else pooled(local(x), 2))
        assert stride == 2 or halo.macs(grid) == local.macs(grid)


def centred(table: Tensor, axis: int, length: int) -> Tensor:
    return table.narrow(axis, (table.shape[axis] - length) // 2, length)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("position", POSITION_NAMES)
def test_halo_of_one_block_is_full_attention(position: str, stride: int) -> None:
    """A stride asks every second query only."""
    for grid in (Grid(1, 1), Grid(1, 7), Grid(5, 3), Grid(8, 6)):
        full, x = built(Attention, grid, position), image(grid)
        halo = as_halo(full, built(Halo, grid, position, block=8, halo=1))
        for name, axes in (("table", (1, 2)), ("rows", (1,)), ("columns", (1,))):
            if hasattr(full.position, name):
                table = getattr(halo.position, name)
                for axis in axes:
                    table = centred(table, axis, getattr(full.position, name).shape[axis])
                getattr(full.position, name).data.copy_(table)
        halo.stride = stride
        same(halo(x), full(x)[:, ::stride, ::stride])


@pytest.mark.parametrize("along", ["height", "width"])
@pytest.mark.parametrize("position", ["none", "bias", "query"])
def test_axial(position: str, along: str) -> None:
    """A place sees its own column, or its own row."""
    axis = 1 if along == "height" else 0
    for grid in GRIDS:
        mixer, x = built(Axial, grid, position, along=along), image(grid)
        qkv = [split(mixer, t) for t in mixer.to_qkv(x).chunk(3, -1)]
        zero = (grid.y - 1, 0) if along == "height" else (0, grid.x - 1)
        same(mixer(x), mixer.to_out(attended(mixer, qkv, lambda i, j: i[axis] == j[axis], zero)))


@pytest.mark.parametrize("position", POSITION_NAMES)
def test_axial_on_one_line_is_full_attention(position: str) -> None:
    for grid, along in ((Grid(1, 7), "width"), (Grid(6, 1), "height"), (Grid(1, 1), "width")):
        axial, full, x = built(Axial, grid, position, along=along), built(Attention, grid, position), image(grid)
        full.load_state_dict(axial.state_dict())
        same(axial(x), full(x))


def sensitive(layer: Sensitive, x: Tensor) -> Tensor:
    """Equation 4 of Axial-DeepLab for one line `m d`, with the batch norms of its implementation."""
    m, d, h, e = len(x), layer.dim, layer.heads, layer.width
    qkv = torch.stack([affine(layer.qkv_norm, (x @ layer.to_qkv.weight[c]), c) for c in range(2 * d)], -1)
    table, out = layer.offsets.table[0], torch.zeros(m, d)  # 2e 2m-1
    for g, i in product(range(h), range(m)):
        mine = qkv[:, g * 2 * e : (g + 1) * 2 * e]
        q, k, v = mine[i, : e // 2], mine[:, e // 2 : e], mine[:, e:]
        at = [j - i + m - 1 for j in range(m)]
        r_q, r_k, r_v = table[: e // 2, at].mT, table[e // 2 : e, at].mT, table[e:, at].mT  # m channels
        terms = k @ q, r_q @ q, torch.stack([r_k[j] @ k[j] for j in range(m)])
        weights = sum(affine(layer.logit_norm, t, n * h + g) for n, t in enumerate(terms)).softmax(0)
        for c in range(e):
            channel = 2 * (g * e + c)
            out[i, g * e + c] = affine(layer.out_norm, weights @ v[:, c], channel)
            out[i, g * e + c] += affine(layer.out_norm, weights @ r_v[:, c], channel + 1)
    return out


def test_position_sensitive_axial() -> None:
    """The columns first, each by itself, then the rows."""
    for grid in (Grid(1, 1), Grid(1, 4), Grid(5, 3)):
        mixer, x = built(HeightThenWidth, grid), image(grid, b=1)
        columns = torch.stack([sensitive(mixer.height, x[0, :, j]) for j in range(grid.x)], 1)
        rows = torch.stack([sensitive(mixer.width, columns[i]) for i in range(grid.y)])
        same(mixer(x)[0], rows)


@pytest.mark.parametrize("position", POSITION_NAMES)
def test_all_to_all_is_full_attention_without_its_projection(position: str) -> None:
    for grid in GRIDS:
        mixer, full, x = built(AllToAll, grid, position), built(Attention, grid, position), image(grid)
        full.load_state_dict(mixer.state_dict(), strict=False)
        nn.init.zeros_(full.to_qkv.bias)
        nn.init.zeros_(full.to_out.bias)
        nn.init.eye_(full.to_out.weight)
        same(mixer(x), full(x))


def means(x: Tensor) -> Tensor:
    """The mean of the 3 x 3 places around every second one, of those that lie in the grid."""
    rows = []
    for i, j in places(Grid(x.shape[1], x.shape[2]).reduced(2)):
        rows.append(x[:, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2].mean((1, 2)))
    return torch.stack(rows, 1).view(x.shape[0], -(-x.shape[1] // 2), -(-x.shape[2] // 2), -1)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("position", ["none", "bias", "query"])
def test_augmented(position: str, stride: int) -> None:
    for grid in GRIDS:
        mixer, x = Augmented(40, 2, grid, POSITIONS.get(position, part(Position))), image(grid, 40)
        to_qkv, to_out = mixer.to_qkv.weight[:, :, 0, 0], mixer.to_out.weight[:, :, 0, 0]
        mixer.stride = stride
        assert (mixer.keys, mixer.values) == (40, 4)
        coarse = x if stride == 1 else means(x)
        qkv = [split(mixer, t) for t in (coarse @ to_qkv.mT).split([40, 40, 4], -1)]
        zero = (coarse.shape[1] - 1, coarse.shape[2] - 1)
        expected = attended(mixer, qkv, lambda i, j: True, zero) @ to_out.mT
        conv = F.conv2d(x.permute(0, 3, 1, 2), mixer.conv.weight, stride=stride, padding=1).permute(0, 2, 3, 1)
        same(mixer(x), torch.cat([conv, expected], -1))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("position", POSITION_NAMES)
def test_mixers_that_stride_state_what_they_cost(position: str, stride: int) -> None:
    for grid, options in product(GRIDS, ({"block": 4}, {"block": 2, "widen": 2.0, "out": False}, {"block": 1})):
        with torch.device("meta"):
            mixer = Halo(16, 2, grid, POSITIONS.get(position, part(Position)), **options)
        mixer.stride = stride
        assert mixer.macs(grid) == counted(mixer, grid, 16)
    for grid in GRIDS if stride < 3 else []:
        with torch.device("meta"):
            mixer = Augmented(16, 2, grid, POSITIONS.get(position, part(Position)))
            mixer.stride = stride
        assert mixer.macs(grid) == counted(mixer, grid, 16)
