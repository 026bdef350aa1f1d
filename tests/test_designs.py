"""What every design must be true to: in every layout, with every position that it takes, at every size."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import ORACLES
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from avbench.find import find, folder, names
from suite.trace import fvcore_macs
from variants.contract import Grid, Mixer, Position
from variants.recipe import LAYOUTS, PLACES, POSITIONS, Part, Recipe, part
from variants.vit import Attention
from variants.window import Window

NAMES = names()
ALL_POSITIONS = ["none", *PLACES, *POSITIONS]
SIZES = [Grid(32, 32), Grid(1, 1), Grid(7, 31), Grid(65, 40), Grid(97, 33), Grid(224, 160)]
GRIDS_TO_COUNT = [Grid(14, 14), Grid(1, 1), Grid(1, 7), Grid(5, 3), Grid(13, 11), Grid(32, 24)]
PADS_WITH_ZEROS = {"Conv", "SpatialReduction"}  # a convolution's padding is part of what it is


def small(recipe: Recipe, depth: int) -> Recipe:
    """The same design, narrow and at most so many blocks deep in each stage."""
    layout = recipe.layout.scaled(32 / recipe.widths[0])
    return replace(recipe, layout=replace(layout, depths=tuple(min(d, depth) for d in layout.depths)))


@cache
def forms(name: str) -> dict[str, Recipe]:
    """The design as it is, with every position that it takes, and in every other layout with two of them, all small.

    What it does not take is refused in one sentence.
    """
    recipe: Any = find(name)
    depth = len(recipe.mixers)
    found = {"as it is": small(recipe, max(depth, 2) if recipe.layout.name == "bottleneck" else depth)}
    for layout in LAYOUTS:
        for position in ALL_POSITIONS if layout == recipe.layout.name else ["none", "query"]:
            try:
                form = recipe.in_layout(layout).with_position(position)
            except ValueError as refusal:
                assert str(refusal) and "\n" not in str(refusal)
            else:
                found[f"{layout}, {position}"] = small(form, depth)
    return found


def mixers(name: str) -> list[Part]:
    """The mixers that the design consists of."""
    recipe: Any = find(name)
    return list(dict.fromkeys((*recipe.early, *recipe.mixers)))


def built(mixer: Part, grid: Grid, position: str = "none", heads: int = 2, width: int = 8) -> Mixer:
    """The mixer alone, in float64, every parameter drawn anew so that no gate is shut and no bias is zero."""
    module: Mixer = mixer(heads * width, heads, grid, POSITIONS.get(position, part(Position))).double().eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def takes(mixer: Part) -> list[str]:
    """The positions that the mixer itself can use."""
    return sorted(mixer.make.takes)  # type: ignore[attr-defined]  # a Mixer class


@pytest.fixture
def doubled() -> Iterator[None]:
    """Everything is built in float64, buffers too."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", NAMES)
def test_a_design_says_what_it_is(name: str) -> None:
    text = ast.get_docstring(ast.parse((folder() / f"{name}.py").read_text())) or ""
    starts = [line.split(" ")[0] for line in text.splitlines()]
    assert [word for word in starts if word in ("Paper", "Time", "Memory", "Departs")] == [
        "Paper", "Time", "Memory", "Departs",
    ]  # fmt: skip
    card = find(name).card  # type: ignore[attr-defined]  # a recipe
    assert all(str(getattr(card, f.name)).strip() for f in fields(card))
    assert 1980 <= card.year <= 2030


@pytest.mark.parametrize("name", NAMES)
def test_both_tasks_at_every_size(name: str) -> None:
    """Logits of the right shape, finite, for images of any size and any number of classes."""
    recipe = forms(name)["as it is"]
    for task, classes, built_for in (("classification", 1, Grid(32, 32)), ("segmentation", 3, Grid(33, 47))):
        network = recipe.build(task, classes, built_for).eval()
        for b, size in enumerate((built_for, Grid(1, 1), Grid(13, 37), Grid(64, 20)), start=1):
            with torch.no_grad():
                logits = network(torch.randn(min(b, 2), 3, size.y, size.x))
            shape = (min(b, 2), classes) if task == "classification" else (min(b, 2), classes, size.y, size.x)
            assert logits.shape == shape
            assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_every_form_learns(name: str) -> None:
    """In each layout, and with each position, the loss of either task reaches every parameter."""
    for i, (form, recipe) in enumerate(forms(name).items()):
        task = ("classification", "segmentation")[i % 2]
        network = recipe.build(task, 3, Grid(33, 47)).train()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
        logits = network(torch.randn(2, 3, 33, 47))
        F.cross_entropy(logits, torch.randint(3, (2, *logits.shape[2:]))).backward()
        deaf = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not deaf, f"{form}: nothing reaches {deaf}"
        assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_the_stated_cost_of_a_mixer_is_the_counted_cost(name: str) -> None:
    """To the unit, with each position, on grids that it was built for and on others."""
    for mixer in mixers(name):
        for position in takes(mixer):
            for grid in GRIDS_TO_COUNT:
                with torch.device("meta"):
                    module = mixer(32, 2, grid, POSITIONS.get(position, part(Position))).eval()
                for on in (grid, Grid(9, 11)):
                    assert counted(module, on.y, on.x, 32) == module.macs(on), f"{mixer}, {position}, {on}"


@pytest.mark.parametrize("name", NAMES)
def test_the_stated_cost_of_a_network_is_the_counted_cost(name: str) -> None:
    """To the unit, in each layout, at sizes that divide and at sizes that do not.

    The design as it is meets all sizes, also those that it was not built for; other layouts meet the sizes in turn.
    """
    own = forms(name)["as it is"].layout.name
    for i, (form, recipe) in enumerate(forms(name).items()):
        if i and form.startswith(own):
            continue  # it differs in its position alone, and so in its mixer alone: counted above
        for j, size in enumerate(SIZES if i == 0 else [SIZES[i % len(SIZES)]]):
            with torch.device("meta"):
                network = recipe.build(("classification", "segmentation")[(i + j) % 2], 5, size).eval()
            assert counted(network, 3, size.y, size.x) == network.macs(size), f"{form}, {size}"
        assert fvcore_macs(network, size) == network.macs(size), f"{form}, {size}, counted by fvcore"
        if i == 0:
            assert counted(network, 3, 40, 72) == network.macs(Grid(40, 72)), f"{form}, built for {size}"


def counted(network: nn.Module, *shape: int) -> int:
    """What torch counts on the meta device for one input of this shape."""
    with torch.no_grad(), FlopCounterMode(display=False) as mode:
        network(torch.empty(1, *shape, device="meta"))
    return mode.get_total_flops() // 2


GRIDS = st.builds(Grid, st.integers(1, 13), st.integers(1, 13))
many = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), grid=GRIDS, batch=st.integers(1, 3), heads=st.integers(1, 4))
@many
def test_mixers_are_their_formulas(name: str, data: Any, grid: Grid, batch: int, heads: int, doubled: None) -> None:
    """On every grid: the shape stays, all is finite, each image is alone, and a slow form says the same."""
    for mixer in mixers(name):
        position = data.draw(st.sampled_from(takes(mixer)))
        module = built(mixer, grid, position, heads)
        x = torch.randn(batch, grid.y, grid.x, 8 * heads)
        with torch.no_grad():
            out = module(x)
            assert out.shape == x.shape
            assert out.isfinite().all()
            torch.testing.assert_close(torch.cat([module(image[None]) for image in x]), out, rtol=1e-9, atol=1e-9)
            if oracle := ORACLES.get(mixer.make.__name__):
                torch.testing.assert_close(out, oracle(module, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), grid=GRIDS, other=GRIDS)
@many
def test_padding_leaks_nothing(name: str, data: Any, grid: Grid, other: Grid, doubled: None) -> None:
    """Whatever a mixer pads with, its output is the same; also on a grid that it was not built for."""
    for mixer in mixers(name):
        if mixer.make.__name__ in PADS_WITH_ZEROS:
            continue
        module = built(mixer, other, data.draw(st.sampled_from(takes(mixer))))
        x = torch.randn(1, grid.y, grid.x, 16)
        with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
            expected = module(x)
            patch.setattr(F, "pad", lambda t, pads, *_, **__: torch.constant_pad_nd(t, pads, 7.0))
            torch.testing.assert_close(module(x), expected, rtol=1e-9, atol=1e-9)


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
