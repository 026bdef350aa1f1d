"""Slow forms of mixers, written query by query from their formulas, for float64 and small grids.

An oracle takes a mixer and its input `b y x d` and returns what the mixer must return. It reads the mixer's weights
and options and shares no code with it: which keys a query sees is a list of places, and what a position says about
a query and a key is looked up for their offset alone.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, floor, sin
from typing import Any

import torch
from torch import Tensor

from variants.contract import Grid, Position
from variants.parts.position import QueryRelative, RelativeBias, Rotary

Place = tuple[int, int]  # row, column; of an offset too


def places(grid: Grid) -> list[Place]:
    """All places of a grid, row by row."""
    return [(i, j) for i in range(grid.y) for j in range(grid.x)]


def attended(
    mixer: Any, x: Tensor, sees: Callable[[Place], list[Place]], reach: Grid, steps: tuple[int, int] = (1, 1)
) -> Tensor:
    """Softmax attention of each place to the places that it sees, with the mixer's projections and position.

    `reach` is how many row offsets and column offsets there are between a query and the keys of its block, which lie
    `steps` rows and columns apart.
    """
    b, y, x_, d = x.shape
    q, k, v = (t.view(b, y, x_, mixer.heads, -1) for t in mixer.to_qkv(x).split(d, -1))  # b y x h e
    q, k = turned(mixer.position, q) * (d // mixer.heads) ** -0.5, turned(mixer.position, k)
    out = torch.zeros_like(q)
    for i in places(Grid(y, x_)):
        keys = sees(i)
        rows, columns = zip(*keys, strict=True)
        offsets = [((row - i[0]) // steps[0], (column - i[1]) // steps[1]) for row, column in keys]
        query = q[:, i[0], i[1]]  # b h e
        logits = torch.einsum("bhe,bmhe->bhm", query, k[:, rows, columns])
        logits = logits + said(mixer.position, query, offsets, reach)
        out[:, i[0], i[1]] = torch.einsum("bhm,bmhe->bhe", logits.softmax(-1), v[:, rows, columns])
    return mixer.to_out(out.flatten(3))


def turned(position: Position, t: Tensor) -> Tensor:
    """`b y x h e`: q or k, turned by row in the first half of a head and by column in the second if it is rotary."""
    if not isinstance(position, Rotary):
        return t
    f, out = t.shape[-1] // 4, t.clone()
    for row, column in places(Grid(t.shape[1], t.shape[2])):
        for c in range(2 * f):
            angle = row * 100 ** (-c / f) if c < f else column * 100 ** (-(c - f) / f)
            even, odd = t[:, row, column, :, c], t[:, row, column, :, c + 2 * f]
            out[:, row, column, :, c] = even * cos(angle) - odd * sin(angle)
            out[:, row, column, :, c + 2 * f] = even * sin(angle) + odd * cos(angle)
    return out


def said(position: Position, q: Tensor, offsets: list[Place], reach: Grid) -> Tensor | float:
    """`b h m`, or what broadcasts to it: what the position adds for keys at these offsets from the query `b h e`."""
    if isinstance(position, RelativeBias):
        table = position.table.permute(1, 2, 0)  # rows columns h
        return torch.stack([entry(entry(table, o[0], reach.y), o[1], reach.x) for o in offsets], -1)
    if isinstance(position, QueryRelative):
        for_rows, for_columns = q.chunk(2, -1) if position.split else (q, q)
        tables = position.rows.transpose(0, 1), position.columns.transpose(0, 1)  # rows h e, columns h e
        rows = torch.stack([(entry(tables[0], o[0], reach.y) * for_rows).sum(-1) for o in offsets], -1)
        return rows + torch.stack([(entry(tables[1], o[1], reach.x) * for_columns).sum(-1) for o in offsets], -1)
    return 0.0


def entry(table: Tensor, offset: int, reach: int) -> Tensor:
    """What a table says of an offset, stretched linearly so that its ends meet the ends of the reach.

    The middle of the table is the offset 0, whatever the reach.
    """
    last = len(table) - 1
    place = last / 2 if reach == 1 else (offset + reach // 2) * last / (reach - 1)
    low = min(floor(place), max(last - 1, 0))
    return table[low] + (place - low) * (table[min(low + 1, last)] - table[low])


def full(mixer: Any, x: Tensor) -> Tensor:
    """Full attention: every place sees all."""
    grid = Grid(x.shape[1], x.shape[2])
    return attended(mixer, x, lambda i: places(grid), Grid(2 * grid.y - 1, 2 * grid.x - 1))


def window(mixer: Any, x: Tensor) -> Tensor:
    """Windows: a place sees those of the same window of the tiling that starts `shift` places after the corner.

    A grid that is one window along an axis is not shifted along it. A tiling that starts inside the grid leaves a
    strip before its first window. The window at the end and that strip are the two parts of what the shift wraps.
    """
    grid = Grid(x.shape[1], x.shape[2])
    sides = min(mixer.window, grid.y), min(mixer.window, grid.x)
    lengths = grid.y, grid.x
    starts = [side // 2 if mixer.shifted and side < n else 0 for side, n in zip(sides, lengths, strict=True)]

    def tile(i: Place) -> Place:
        row, column = ((i[axis] - starts[axis]) // sides[axis] for axis in (0, 1))
        return row, column

    reach = Grid(2 * sides[0] - 1, 2 * sides[1] - 1)
    return attended(mixer, x, lambda i: [j for j in places(grid) if tile(j) == tile(i)], reach)


def apart(mixer: Any, x: Tensor) -> Tensor:
    """A place sees those that lie whole steps from it: ⌈y/w⌉ rows and ⌈x/w⌉ columns. An offset counts the steps."""
    grid = Grid(x.shape[1], x.shape[2])
    sides = min(mixer.window, grid.y), min(mixer.window, grid.x)
    steps = -(-grid.y // sides[0]), -(-grid.x // sides[1])

    def group(i: Place) -> list[Place]:
        return [j for j in places(grid) if not (j[0] - i[0]) % steps[0] and not (j[1] - i[1]) % steps[1]]

    return attended(mixer, x, group, Grid(2 * sides[0] - 1, 2 * sides[1] - 1), steps)


def reduced(mixer: Any, x: Tensor) -> Tensor:
    """All places see one key for each r x r places: their weighted sum, normalised if r is more than 1."""
    b, y, x_, d = x.shape
    r, keys = mixer.reduction, []
    for row, column in places(Grid(-(-y // r), -(-x_ // r))):
        inside = [(i, j) for i, j in places(Grid(r, r)) if row * r + i < y and column * r + j < x_]
        if r == 1:
            keys.append(x[:, row, column])
            continue
        kernel = mixer.to_coarse.weight
        terms = [x[:, row * r + i, column * r + j] @ kernel[:, :, i, j].mT for i, j in inside]
        t = torch.stack(terms).sum(0) + mixer.to_coarse.bias
        t = (t - t.mean(-1, keepdim=True)) / (t.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()
        keys.append(t * mixer.norm.weight + mixer.norm.bias)
    q = mixer.to_q(x).view(b, y * x_, mixer.heads, -1)
    k, v = mixer.to_kv(torch.stack(keys, 1)).view(b, -1, 2, mixer.heads, d // mixer.heads).unbind(2)  # b m h e
    weights = (torch.einsum("bnhe,bmhe->bhnm", q, k) * (d // mixer.heads) ** -0.5).softmax(-1)
    return mixer.to_out(torch.einsum("bhnm,bmhe->bnhe", weights, v).reshape(b, y, x_, d))


def local(mixer: Any, x: Tensor) -> Tensor:
    """A place sees the side x side places around it that lie in the grid."""
    grid, r = Grid(x.shape[1], x.shape[2]), mixer.side // 2
    near = lambda i: [j for j in places(grid) if abs(j[0] - i[0]) <= r and abs(j[1] - i[1]) <= r]  # noqa: E731
    return attended(mixer, x, near, Grid(mixer.side, mixer.side))


def neighborhood(mixer: Any, x: Tensor) -> Tensor:
    """A place sees the side x side places around it, or at the border the side x side places nearest to it."""
    grid = Grid(x.shape[1], x.shape[2])
    sides = min(mixer.side, grid.y), min(mixer.side, grid.x)

    def near(i: Place) -> list[Place]:
        corner = [
            max(0, min(i[0] - mixer.side // 2, grid.y - sides[0])),
            max(0, min(i[1] - mixer.side // 2, grid.x - sides[1])),
        ]
        return [(corner[0] + row, corner[1] + column) for row, column in places(Grid(*sides))]

    return attended(mixer, x, near, Grid(2 * sides[0] - 1, 2 * sides[1] - 1))


def linear(mixer: Any, x: Tensor) -> Tensor:
    """Attention with the weights φ(q)·φ(k) over their sum, φ(t) = t + 1 for t > 0 and exp(t) below: n x n of them."""
    b, y, x_, d = x.shape
    q, k, v = (t.reshape(b, y * x_, mixer.heads, -1) for t in mixer.to_qkv(x).split(d, -1))  # b n h e
    q, k = (torch.where(t > 0, t + 1, t.exp()) for t in (q, k))
    weights = torch.einsum("bnhe,bmhe->bhnm", q, k)
    out = torch.einsum("bhnm,bmhe->bnhe", weights / weights.sum(-1, keepdim=True), v)
    return mixer.to_out(out.reshape(b, y, x_, d))


def conv(mixer: Any, x: Tensor) -> Tensor:
    """Each place is the sum of its 9 neighbours, each times its own matrix; outside the grid there is nothing."""
    grid, out = Grid(x.shape[1], x.shape[2]), torch.zeros_like(x)
    for i in places(grid):
        for row, column in places(Grid(3, 3)):
            j = i[0] + row - 1, i[1] + column - 1
            if 0 <= j[0] < grid.y and 0 <= j[1] < grid.x:
                out[:, i[0], i[1]] += x[:, j[0], j[1]] @ mixer.conv.weight[:, :, row, column].mT
    return out


ORACLES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "Attention": full,
    "Window": window,
    "ShiftedWindow": window,
    "Local": local,
    "Neighborhood": neighborhood,
    "GridAttention": apart,
    "SpatialReduction": reduced,
    "Linear": linear,
    "Conv": conv,
}
