"""Positions and places are their formulas, and mean the same on other grids."""

from __future__ import annotations

from math import cos, sin

import pytest
import torch
from oracles import places, said, turned
from torch import Tensor

from avbench.find import find
from variants.contract import Grid, Position
from variants.parts.place import Learned, Nowhere, SinCos
from variants.parts.position import QueryRelative, RelativeBias, Rotary

BLOCKS = [  # queries, keys centred on them
    (Grid(3, 5), Grid(3, 5)),
    (Grid(1, 1), Grid(5, 5)),
    (Grid(4, 2), Grid(8, 6)),
    (Grid(1, 6), Grid(1, 6)),
]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def by_loops(position: Position, q: Tensor, queries: Grid, keys: Grid) -> Tensor:
    """`b h (y x) (keys)`: for each query and each key, what is said of their offset.

    Where the keys are a larger block, it is centred on the queries.
    """
    reach = Grid(queries.y + keys.y - 1, queries.x + keys.x - 1)
    margin = (keys.y - queries.y) // 2, (keys.x - queries.x) // 2
    rows = []
    for i in places(queries):
        offsets = [(j[0] - margin[0] - i[0], j[1] - margin[1] - i[1]) for j in places(keys)]
        rows.append(torch.as_tensor(said(position, q[:, :, i[0], i[1]], offsets, reach)).expand(2, 2, -1))
    return torch.stack(rows, 2)


@pytest.mark.parametrize(("queries", "keys"), BLOCKS)
@pytest.mark.parametrize("built_for", ["the same", "another"])
def test_logits_are_looked_up_by_offset(queries: Grid, keys: Grid, built_for: str) -> None:
    """On the block that it was built for, and stretched onto another one."""
    q = drawn(2, 2, queries.y, queries.x, 8)
    sizes = (queries, keys) if built_for == "the same" else (Grid(queries.y, queries.x + 2), Grid(keys.y, keys.x + 2))
    for position in (
        RelativeBias(2, 8, *sizes),
        QueryRelative(2, 8, *sizes),
        QueryRelative(2, 8, *sizes, split=True),
        QueryRelative(2, 8, *sizes, shared=False),
        QueryRelative(2, 8, *sizes, split=True, shared=False),
    ):
        found = position.double().logits(q, keys)
        assert found is not None
        torch.testing.assert_close(found.expand(2, 2, queries.n, keys.n), by_loops(position, q, queries, keys))


def test_a_position_is_taken_where_any_mixer_takes_it() -> None:
    """Also by one that only some stages have; a refusal speaks of the design."""
    for name, taken in (("nonlocal", "bias"), ("botnet", "rotary"), ("performer", "rotary")):
        assert find(name).with_position(taken).position_name == taken
    for name, positions in (("performer", "learned, none, rotary, sincos"), ("conv", "learned, none, sincos")):
        with pytest.raises(ValueError, match=f"^{name} takes the positions {positions}, not bias$"):
            find(name).with_position("bias")


def test_no_position_says_nothing() -> None:
    position, t = Position(2, 8, Grid(3, 3), Grid(3, 3)), drawn(1, 3, 3, 2, 8)
    assert position.logits(t, Grid(3, 3)) is None
    assert position.turn(t) is t
    assert position.macs(Grid(3, 3), Grid(3, 3)) == 0


@pytest.mark.parametrize("width", [4, 6, 8, 16])
def test_rotary_turns_as_its_formula_says(width: int) -> None:
    position, t = Rotary(2, width, Grid(5, 3), Grid(5, 3)), drawn(2, 5, 3, 2, width)
    torch.testing.assert_close(position.turn(t), turned(position, t), rtol=1e-5, atol=1e-5)


def test_rotary_depends_on_the_offset_alone() -> None:
    """The product of one query and one key is the same wherever the pair lies, and not the same at other offsets."""
    position, q, k = Rotary(1, 16, Grid(9, 9), Grid(9, 9)).double(), drawn(16), drawn(16)
    queries, keys = (position.turn(t.expand(1, 9, 9, 1, 16))[0, :, :, 0] for t in (q, k))
    product = torch.einsum("yxe,vwe->yxvw", queries, keys)
    for dy, dx in ((0, 0), (2, 0), (0, 3), (4, 1)):
        same = torch.stack([product[i, j, i + dy, j + dx] for i in range(9 - dy) for j in range(9 - dx)])
        torch.testing.assert_close(same, same[:1].expand_as(same))
    assert not product[0, 0, 0, 0].isclose(product[0, 0, 2, 0])
    assert not product[0, 0, 0, 2].isclose(product[0, 0, 2, 0])
    torch.testing.assert_close(queries.norm(dim=-1), q.norm().expand(9, 9))


def test_sincos_is_its_formula() -> None:
    """Channel c of the row half is sin(row f^-c), then cos; then the same for the column; f falls to 1/10000."""
    d, (y, x) = 16, (3, 5)
    table = SinCos(d, Grid(y, x))(torch.zeros(1, y, x, d))[0]
    for row, column in places(Grid(y, x)):
        waves = [
            wave(place * 10000 ** (-c / (d // 4)))
            for place in (row, column)
            for wave in (sin, cos)
            for c in range(d // 4)
        ]
        torch.testing.assert_close(table[row, column], torch.tensor(waves), rtol=1e-5, atol=1e-5)


def test_sincos_refuses_a_width_it_cannot_halve_twice() -> None:
    with pytest.raises(ValueError, match="that 4 divides, not 18"):
        SinCos(18, Grid(3, 3))


def test_nowhere_changes_nothing() -> None:
    x = drawn(1, 2, 2, 8)
    assert Nowhere(8, Grid(2, 2))(x) is x


def test_a_learned_place_is_added_to_its_token() -> None:
    place, x = Learned(8, Grid(3, 4)).double(), drawn(2, 3, 4, 8)
    out = place(x)
    for b in range(2):
        for row, column in places(Grid(3, 4)):
            torch.testing.assert_close(out[b, row, column], x[b, row, column] + place.table[0, row, column])


@pytest.mark.parametrize("grid", [Grid(7, 3), Grid(14, 14), Grid(1, 1), Grid(5, 9)])
def test_learned_places_keep_their_meaning_on_other_grids(grid: Grid) -> None:
    """What is constant stays so, what rises along one axis rises along it, and mirrored tables give mirrored ones."""
    place = Learned(2, Grid(6, 6)).double()
    with torch.no_grad():
        place.table[..., 0] = 3.0
        place.table[..., 1] = torch.arange(6.0)[:, None]
        table = place(torch.zeros(1, grid.y, grid.x, 2, dtype=torch.float64))[0]
        place.table.copy_(place.table.flip(1))
        mirrored = place(torch.zeros(1, grid.y, grid.x, 2, dtype=torch.float64))[0]
    torch.testing.assert_close(table[..., 0], torch.full((grid.y, grid.x), 3.0, dtype=torch.float64))
    assert (table[..., 1].diff(dim=0) > 0).all()
    torch.testing.assert_close(table[..., 1], table[:, :1, 1].expand(grid.y, grid.x))
    torch.testing.assert_close(mirrored, table.flip(0))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 9])
def test_stretched_tables_keep_their_ends_and_their_middle(side: int) -> None:
    """A bias that is the offset itself, built for 5 x 5, stays proportional to the offset on other blocks."""
    position = RelativeBias(1, 8, Grid(5, 5), Grid(5, 5)).double()
    with torch.no_grad():
        position.table.copy_(torch.arange(-4.0, 5.0)[:, None].expand(1, 9, 9))
    bias = position.logits(drawn(1, 1, side, side, 8), Grid(side, side))
    offset = torch.arange(side, dtype=torch.float64) - torch.arange(side, dtype=torch.float64)[:, None]
    rows = offset[:, None, :, None].expand(side, side, side, side).reshape(1, side**2, side**2)
    torch.testing.assert_close(bias, rows * 4 / max(side - 1, 1))
