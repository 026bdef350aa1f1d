"""What a query sees, on layers whose field is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from suite.field import Layers, seen
from variants.contract import Grid, Mixer, Position
from variants.recipe import part
from variants.swin import ShiftedWindow
from variants.vit import Attention
from variants.window import Window

GRID, DIM = Grid(14, 14), 8


def built(mixer: type[Mixer], **options: int) -> Mixer:
    return mixer(DIM, 2, GRID, part(Position), **options)


def box(top: int, left: int, height: int, width: int) -> Tensor:
    """A field that is true in one rectangle."""
    field = torch.zeros(GRID.y, GRID.x, dtype=torch.bool)
    field[top : top + height, left : left + width] = True
    return field


class Planar(nn.Module):
    """A convolution of `b y x d`."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(DIM, DIM, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("block", "query", "expected"),
    [
        (nn.Linear(DIM, DIM), (3, 9), box(3, 9, 1, 1)),
        (Planar(), (5, 6), box(4, 5, 3, 3)),
        (Planar(), (0, 13), box(0, 12, 2, 2)),
        (Planar(stride=2), (3, 2), box(5, 3, 3, 3)),
        (nn.Sequential(Planar(), Planar()), (5, 6), box(3, 4, 5, 5)),
    ],
)
def test_the_field_of_a_convolution_is_its_kernel(block: nn.Module, query: tuple[int, int], expected: Tensor) -> None:
    assert torch.equal(seen(block, GRID, DIM, query), expected)


def test_one_window_sees_itself_and_a_shifted_one_joins_four() -> None:
    window, shifted = built(Window, window=7), built(ShiftedWindow, window=7)
    assert torch.equal(seen(Layers([window]), GRID, DIM, (7, 7)), box(7, 7, 7, 7))
    assert torch.equal(seen(Layers([window, window]), GRID, DIM, (7, 7)), box(7, 7, 7, 7))
    assert seen(Layers([window, shifted]), GRID, DIM, (7, 7)).all()


def test_full_attention_sees_all_of_any_grid() -> None:
    for grid in (Grid(1, 1), Grid(5, 3), GRID):
        assert seen(built(Attention), grid, DIM, (grid.y // 2, grid.x // 2)).all()


def test_a_layer_is_left_as_it_was_and_always_gives_the_same_answer() -> None:
    block = nn.Linear(DIM, DIM)
    nn.init.zeros_(block.weight)
    first = seen(block, GRID, DIM, (1, 2))
    torch.manual_seed(5)
    assert torch.equal(first, seen(block, GRID, DIM, (1, 2)))
    assert block.weight.dtype == torch.float32 and not block.weight.any()
    assert block.training and block.weight.grad is None
