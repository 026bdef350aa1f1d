"""Positions inside a mixer: what a query is told about where a key is. `none` is variants.contract.Position itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid, Position


def offsets(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """`queries keys`: along one axis, the offset of each key from each query, counted from the smallest one."""
    return torch.arange(keys, device=device) - torch.arange(queries, device=device)[:, None] + queries - 1


class RelativeBias(Position):
    """One learned number for each head and each offset, added to the logits (2103.14030, equation 4)."""

    name, grows = "bias", True
    step = 1  # queries are so many places apart: more than one where a mixer strides itself

    def __init__(self, heads: int, width: int, queries: Grid, keys: Grid) -> None:
        super().__init__(heads, width, queries, keys)
        rows, columns = queries.y + keys.y - 1, queries.x + keys.x - 1
        self.table = nn.Parameter(torch.randn(heads, rows, columns) * 0.02)

    def logits(self, q: Tensor, keys: Grid) -> Tensor:
        """`h (y x) (keys)`: it does not depend on q, only on the size of its block."""
        h, y, x = q.shape[-4:-1]
        y_, x_ = y * self.step, x * self.step
        table = resized(self.table, (y_ + keys.y - 1, x_ + keys.x - 1))
        rows = table.unfold(2, keys.x, 1).flip(2)  # h rows x_ keys.x: the window of the last query came first
        bias = rows[:, :, :: self.step].unfold(1, keys.y, 1).mT  # h y_ x keys.y keys.x, a view: so does it here
        return torch.stack(bias.unbind(1)[:: -self.step], 1).view(h, y * x, keys.n).to(q.dtype)

    def stretched(self, table: Tensor, shape: tuple[int, ...]) -> Tensor:
        return resized(table, (shape[1], shape[2]))


class QueryRelative(Position):
    """A learned vector for each row offset and each column offset, multiplied with the query (1803.02155, 1906.05909).

    `split`: the first half of the query's channels meets the rows, the second the columns, as in SASA; otherwise all
    channels meet both, as in BoTNet (2101.11605) and HaloNet. `shared`: one table for all heads.
    """

    name, grows = "query", True
    step = 1  # queries are so many places apart: more than one where a mixer strides itself

    def __init__(
        self, heads: int, width: int, queries: Grid, keys: Grid, split: bool = False, shared: bool = True
    ) -> None:
        super().__init__(heads, width, queries, keys)
        self.split, self.heads, self.width = split, heads, width // 2 if split else width
        tables = 1 if shared else heads
        self.rows = nn.Parameter(torch.randn(tables, queries.y + keys.y - 1, self.width) * self.width**-0.5)
        self.columns = nn.Parameter(torch.randn(tables, queries.x + keys.x - 1, self.width) * self.width**-0.5)

    def logits(self, q: Tensor, keys: Grid) -> Tensor:
        """`... h (y x) (keys)`."""
        y, x = q.shape[-3:-1]
        if y == x == self.step == 1:
            return self._alone(q.flatten(-3, -2), keys)
        for_rows, for_columns = q.chunk(2, -1) if self.split else (q, q)
        rows = self._meet(for_rows, self.rows, self.reach(y, keys.y))  # ... h y x rows
        columns = self._meet(for_columns, self.columns, self.reach(x, keys.x))  # ... h y x columns
        dy, dx = self.offsets(y, keys.y, q.device), self.offsets(x, keys.x, q.device)
        rows = rows.gather(-1, dy[:, None].expand(*rows.shape[:-1], keys.y))  # ... h y x keys.y
        columns = columns.gather(-1, dx.expand(*columns.shape[:-1], keys.x))  # ... h y x keys.x
        return (rows[..., None] + columns[..., None, :]).flatten(-2).flatten(-3, -2)

    def reach(self, queries: int, keys: int) -> int:
        """Along one axis, the number of offsets in the table."""
        return queries * self.step + keys - 1

    def offsets(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """`queries keys`: along one axis, the entry of the table for each query and key."""
        return offsets(queries * self.step, keys, device)[:: self.step]

    def _alone(self, q: Tensor, keys: Grid) -> Tensor:
        """One query in a block sees every offset once, so the vectors of rows and columns are joined before q comes."""
        rows, columns = resized(self.rows.mT, (self.width, keys.y)), resized(self.columns.mT, (self.width, keys.x))
        rows, columns = torch.broadcast_tensors(rows[..., None], columns[..., None, :])  # tables width keys.y keys.x
        table = (torch.cat([rows, columns], 1) if self.split else rows + columns).flatten(2).to(q.dtype)
        return met(q, table)

    def _meet(self, q: Tensor, table: Tensor, length: int) -> Tensor:
        table = resized(table.mT, (self.width, length)).to(q.dtype)  # tables e length
        return met(q.flatten(-3, -2), table).unflatten(-2, q.shape[-3:-1])

    def macs(self, queries: Grid, keys: Grid) -> int:
        if queries.n == self.step == 1:
            return self.heads * self.width * (1 + self.split) * keys.n
        reach = self.reach(queries.y, keys.y) + self.reach(queries.x, keys.x)
        return self.heads * queries.n * self.width * reach

    def stretched(self, table: Tensor, shape: tuple[int, ...]) -> Tensor:
        return resized(table.mT, (shape[2], shape[1])).mT


class Rotary(Position):
    """q and k turned by angles that grow with the row (first half of a head) and the column (second), so that their
    product depends on the offset alone (2104.09864, in two dimensions). No parameters.

    Frequencies fall geometrically from 1 to 1/100 radians a token.
    """

    name = "rotary"

    def __init__(self, heads: int, width: int, queries: Grid, keys: Grid) -> None:
        super().__init__(heads, width, queries, keys)
        self.register_buffer("frequency", 100 ** -torch.linspace(0, 1, width // 4 + 1)[:-1], persistent=False)
        self.frequency: Tensor

    def turn(self, t: Tensor) -> Tensor:
        y, x = t.shape[1:3]
        f = len(self.frequency)  # channels beyond 4 f, where 4 does not divide e, stay as they are
        rows = (torch.arange(y, device=t.device)[:, None] * self.frequency)[:, None].expand(y, x, f)
        columns = (torch.arange(x, device=t.device)[:, None] * self.frequency).expand(y, x, f)
        angle = torch.cat([rows, columns], -1)[:, :, None]  # y x 1 2f
        cos, sin = angle.cos().to(t.dtype), angle.sin().to(t.dtype)
        even, odd, rest = t.split([2 * f, 2 * f, t.shape[-1] - 4 * f], -1)  # b y x h 2f, twice, and what is left
        return torch.cat([even * cos - odd * sin, even * sin + odd * cos, rest], -1)


def met(q: Tensor, tables: Tensor) -> Tensor:
    """`... h n e` and `tables e m` -> `... h n m`: one table for all heads, or one for each."""
    if len(tables) == 1:
        return q @ tables[0]
    logits = torch.einsum("bhne,hem->bhnm", q.reshape(-1, *q.shape[-3:]), tables)  # fvcore counts no ellipsis
    return logits.view(*q.shape[:-1], -1)


def resized(table: Tensor, size: tuple[int, int]) -> Tensor:
    """`tables rows columns`, interpolated to another size where it was built for one."""
    if table.shape[-2:] == size:
        return table
    for axis in (1, 2):
        if size[axis - 1] == 1:
            table = table.narrow(axis, table.shape[axis] // 2, 1)  # the offset 0, the only one that is left
    return F.interpolate(table[None], size, mode="bilinear", align_corners=True)[0]
