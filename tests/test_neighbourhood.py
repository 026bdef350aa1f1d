"""The operators of local attention are their definitions, and each other's derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from variants.contract import Grid
from variants.parts.inward import inward_back_mix, inward_logits, inward_mix
from variants.parts.neighbourhood import inside, neighbour_logits, neighbour_mix

SIDES = st.sampled_from([1, 3, 5, 7, 9])


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


SHAPES = {
    "b": st.integers(1, 2),
    "h": st.integers(1, 3),
    "y": st.integers(1, 13),
    "x": st.integers(1, 13),
    "e": st.integers(1, 5),
    "side": SIDES,
}


def unfolded(t: Tensor, side: int) -> Tensor:
    """`b h y x e` -> `b h y x e side²`: the neighbourhood of each place, zeros outside the grid."""
    b, h, y, x, e = t.shape
    columns = F.unfold(t.permute(0, 1, 4, 2, 3).reshape(b * h, e, y, x), side, padding=side // 2)
    return columns.view(b, h, e, side**2, y, x).permute(0, 1, 4, 5, 2, 3)


@given(**SHAPES)
@settings(max_examples=60)
def test_both_are_their_definitions(b: int, h: int, y: int, x: int, e: int, side: int) -> None:
    q, k, v, w = drawn(b, h, y, x, e), drawn(b, h, y, x, e), drawn(b, h, y, x, e), drawn(b, h, y, x, side**2)
    logits, mixed = neighbour_logits(q, k, side), neighbour_mix(w, v, side)
    torch.testing.assert_close(logits, torch.einsum("bhyxe,bhyxeo->bhyxo", q, unfolded(k, side)))
    torch.testing.assert_close(mixed, torch.einsum("bhyxo,bhyxeo->bhyxe", w, unfolded(v, side)))


def squares(y: int, x: int, side: int) -> Tensor:
    """`y x (side side)`: the keys, by number, of each place, in a square that stays in the grid."""
    rows, columns = min(side, y), min(side, x)
    keys = []
    for i in range(y):
        for j in range(x):
            row, column = (max(0, min(at - side // 2, n - m)) for at, n, m in ((i, y, rows), (j, x, columns)))
            keys.append([(row + o) * x + column + p for o in range(rows) for p in range(columns)])
    return torch.tensor(keys).view(y, x, -1)


@given(**SHAPES)
@settings(max_examples=60)
def test_inward_squares_are_their_definitions(b: int, h: int, y: int, x: int, e: int, side: int) -> None:
    q, k, v = drawn(b, h, y, x, e), drawn(b, h, y, x, e), drawn(b, h, y, x, e)
    keys = squares(y, x, side)
    w = drawn(b, h, y, x, keys.shape[-1])
    near = k.flatten(2, 3)[:, :, keys], v.flatten(2, 3)[:, :, keys]  # b h y x side² e
    by_key = torch.zeros(b, h, y * x, e, dtype=torch.float64)
    by_key.index_add_(2, keys.flatten(), (w[..., None] * q[..., None, :]).flatten(2, 4))
    torch.testing.assert_close(inward_logits(q, k, side), torch.einsum("bhyxe,bhyxoe->bhyxo", q, near[0]))
    torch.testing.assert_close(inward_mix(w, v, side), torch.einsum("bhyxo,bhyxoe->bhyxe", w, near[1]))
    torch.testing.assert_close(inward_back_mix(w, q, side).flatten(2, 3), by_key)


@pytest.mark.parametrize("order", ["b y x h e", "b y x e h", "b h e y x"])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_inputs_may_lie_in_any_order(side: int, order: str) -> None:
    """Values and derivatives do not depend on how the memory is laid out, torch's channels-last order among others."""
    lies = [order.split().index(letter) for letter in "bhyxe"]
    sizes = {"b": 2, "h": 3, "y": 5, "x": 6}

    def laid(e: int) -> Tensor:
        return drawn(*(sizes.get(letter, e) for letter in order.split())).permute(lies)

    q, k, w, g = laid(4), laid(4), laid(side**2), laid(side**2)
    for op, first, second, out in (
        (neighbour_logits, q, k, g),
        (neighbour_mix, w, k, q),
        (inward_logits, q, k, g),
        (inward_mix, w, k, q),
        (inward_back_mix, w, k, q),
    ):
        found, expected = (
            derivatives(op, (t(first), t(second)), t(out), side) for t in (Tensor.clone, Tensor.contiguous)
        )
        torch.testing.assert_close(found, expected)


def derivatives(op: Any, inputs: tuple[Tensor, Tensor], g: Tensor, side: int) -> tuple[Tensor, ...]:
    """The operator's output and what it sends back to its inputs."""
    inputs = tuple(t.requires_grad_() for t in inputs)  # type: ignore[assignment]  # two
    out = op(*inputs, side)
    return (out.detach(), *torch.autograd.grad(out, inputs, g))


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(2, 5), Grid(4, 3)])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_derivatives(grid: Grid, side: int) -> None:
    """First and second derivatives are what small differences along random directions say."""
    q, k = (drawn(1, 2, grid.y, grid.x, 2).requires_grad_() for _ in range(2))
    w = drawn(1, 2, grid.y, grid.x, side**2).requires_grad_()
    inner = drawn(1, 2, grid.y, grid.x, min(side, grid.y) * min(side, grid.x)).requires_grad_()
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(lambda q, k: neighbour_logits(q, k, side), (q, k), fast_mode=True)
        assert check(lambda w, v: neighbour_mix(w, v, side), (w, k), fast_mode=True)
        assert check(lambda q, k: inward_logits(q, k, side), (q, k), fast_mode=True)
        assert check(lambda w, v: inward_mix(w, v, side), (inner, k), fast_mode=True)
        assert check(lambda w, q: inward_back_mix(w, q, side), (inner, k), fast_mode=True)


@pytest.mark.parametrize(
    ("op", "side"),
    [(neighbour_logits, 1), (neighbour_mix, 1), (neighbour_logits, 3), (neighbour_mix, 3), (inward_logits, 3),
     (inward_mix, 3), (inward_back_mix, 3)],
)  # fmt: skip
def test_torch_accepts_them_as_operators(op: Any, side: int) -> None:
    """Schema, meta kernel, and autograd with traced shapes, as torch.compile needs them."""
    first, second = (drawn(1, 2, 4, 5, 3).requires_grad_() for _ in range(2))
    if op not in (neighbour_logits, inward_logits):
        first = drawn(1, 2, 4, 5, side**2).requires_grad_()
    torch.library.opcheck(op, (first, second, side))


def test_inside_is_where_the_grid_is() -> None:
    """A place lies inside if moving a one from there by the offset does not lose it."""
    for grid, side in ((Grid(3, 4), 3), (Grid(1, 6), 5), (Grid(2, 2), 7)):
        ones = torch.ones(1, 1, grid.y, grid.x, 1, dtype=torch.float64)
        seen = unfolded(ones, side)[0, 0, :, :, 0] > 0
        assert torch.equal(inside(grid, side, torch.device("cpu")), seen)


@pytest.mark.parametrize("op", [neighbour_logits, inward_logits])
def test_no_tensor_of_side_squared_keys_is_made(op: Any) -> None:
    """The largest tensor inside the operator is well under the side² n e numbers of an unfolded one."""
    q, k, side = drawn(1, 1, 32, 32, 64), drawn(1, 1, 32, 32, 64), 7
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profile:
        op(q, k, side)
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert 0 < largest < side**2 * k.nbytes / 4
