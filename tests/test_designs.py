"""What every design must be true to: the claims of `avbench check`, and the slow forms and limits of each mixer."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from narrow import shrunk
from oracles import ORACLES
from torch import Tensor

from avbench.find import find, folder, names
from suite.check import contract, statements
from suite.check_mixer import Met, is_its_formula, keeps_padding_out, keeps_shape, reaches_all, redrawn
from variants.contract import Grid, Mixer, Position
from variants.recipe import POSITIONS, Part, part
from variants.vit import Attention
from variants.window import Window


@pytest.mark.parametrize("name", names())
def test_a_design_keeps_the_contract(name: str) -> None:
    """All that `avbench check` holds an outsider's design to; its budgets are those of test_fit.py."""
    design, text = find(name), ast.get_docstring(ast.parse((folder() / f"{name}.py").read_text())) or ""
    findings = [*statements(design, text), *contract(design, shrunk)]
    assert not [f"{finding.name}: {finding.problem}" for finding in findings if not finding.ok]


def mixers(name: str) -> list[Part]:
    """The mixers that the design consists of."""
    recipe: Any = find(name)
    return list(dict.fromkeys((*recipe.early, *recipe.mixers)))


MIXERS = {str(mixer): mixer for name in names() for mixer in mixers(name)}


def built(mixer: Part, grid: Grid, position: str = "none", heads: int = 2, width: int = 8) -> Mixer:
    """The mixer alone, in float64, every parameter drawn anew so that no gate is shut and no bias is zero."""
    return redrawn(mixer(heads * width, heads, grid, POSITIONS.get(position, part(Position))))


GRIDS = st.builds(Grid, st.integers(1, 13), st.integers(1, 13))


@pytest.mark.parametrize("mixer", MIXERS.values(), ids=list(MIXERS))
@given(data=st.data(), grid=GRIDS, other=st.none() | GRIDS, heads=st.integers(1, 4))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mixer_is_right_on_every_grid(
    mixer: Part, data: Any, grid: Grid, other: Grid | None, heads: int, doubled: None
) -> None:
    """Also on one that it was not built for; where there is a slow form, that says the same."""
    kind: Any = mixer.make
    met = Met(built(mixer, other or grid, data.draw(st.sampled_from(sorted(kind.takes))), heads), 8 * heads)
    assert not keeps_shape(met, [grid])
    assert not keeps_padding_out(met, [grid])
    keys = grid.reduced(getattr(met.mixer, "reduction", 1))
    if min(keys.y, keys.x) > 1:  # along an axis with one key, weights are 1 and what makes them is idle
        assert not reaches_all(met, [grid])
    assert not is_its_formula(met, [grid])
    if oracle := ORACLES.get(kind.__name__):
        x, out = met.run(grid, 2)
        torch.testing.assert_close(out, oracle(met.mixer, x), rtol=1e-9, atol=1e-9)


def centre(table: Tensor, *lengths: int) -> Tensor:
    """The middle of a table along its last axes."""
    for axis, length in zip(range(-len(lengths), 0), lengths, strict=True):
        table = table.narrow(axis, (table.shape[axis] - length) // 2, length)
    return table


def as_full_attention(module: Any, grid: Grid, position: str) -> Attention:
    """Full attention on this grid with the weights of another mixer, and the middle of its table of positions."""
    attention = Attention(module.dim, module.heads, grid, POSITIONS.get(position, part(Position))).double().eval()
    state, y, x = dict(module.state_dict()), 2 * grid.y - 1, 2 * grid.x - 1
    if position == "bias":
        state["position.table"] = centre(state["position.table"], y, x)
    if position == "query":
        state["position.rows"] = centre(state["position.rows"].mT, y).mT
        state["position.columns"] = centre(state["position.columns"].mT, x).mT
    attention.load_state_dict(state)
    return attention


@pytest.mark.parametrize("position", ["none", "bias", "query", "rotary"])
@pytest.mark.parametrize(
    ("name", "option", "sides", "grids"),
    [
        ("window", "window", [5], [Grid(5, 5)]),
        ("swin", "window", [5], [Grid(5, 5)]),
        ("local", "side", [9, 11], [Grid(5, 5), Grid(3, 5), Grid(1, 4)]),
        ("neighborhood", "side", [5], [Grid(5, 5)]),
    ],
)
def test_as_large_as_the_grid_is_full_attention(
    name: str, option: str, sides: list[int], grids: list[Grid], position: str, doubled: None
) -> None:
    for mixer in mixers(name):
        for side, grid in ((side, grid) for side in sides for grid in grids):
            module = built(part(mixer.make, **{option: side}), grid, position)
            x = torch.randn(2, grid.y, grid.x, 16)
            with torch.no_grad():
                attention = as_full_attention(module, grid, position)
                torch.testing.assert_close(module(x), attention(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("position", ["none", "rotary"])
def test_a_window_larger_than_the_grid_is_full_attention(position: str, doubled: None) -> None:
    for grid in (Grid(3, 5), Grid(1, 1), Grid(7, 2)):
        module = built(part(Window, window=7), grid, position)
        x = torch.randn(2, grid.y, grid.x, 16)
        with torch.no_grad():
            attention = as_full_attention(module, grid, position)
            torch.testing.assert_close(module(x), attention(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("grid", [Grid(14, 14), Grid(9, 15), Grid(8, 3)])
def test_a_shift_wraps_nothing_around(grid: Grid, doubled: None) -> None:
    """No output of shifted windows changes with an input that is a window or more away from it."""
    (shifted,) = (m for m in mixers("swin") if m.make.__name__ == "ShiftedWindow")
    module = built(part(shifted.make, window=4), grid, "bias")
    x = torch.randn(1, grid.y, grid.x, 16)
    with torch.no_grad():
        for row, column in ((0, 0), (grid.y - 1, grid.x - 1), (grid.y - 1, 0), (0, grid.x // 2)):
            other = x.clone()
            other[:, row, column] += 1
            changed = (module(other) - module(x)).abs().amax((0, 3)).nonzero()
            assert len(changed) > 0
            assert ((changed - torch.tensor([row, column])).abs() < 4).all()
