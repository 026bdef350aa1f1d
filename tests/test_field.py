"""What a query sees, on layers whose field is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import fakes
import pytest
import torch
from sweeps import CALIBRATIONS, axes, pretend
from torch import Tensor, nn

from avbench.find import find, names
from suite.axes import Limits
from suite.case import Case
from suite.field import Fields, Layers, effective, fields, masses, passed, seen, settled, share_of_mass
from suite.measure import Bench
from suite.plan import plan
from suite.shift import shifts
from variants.axial import Axial
from variants.contract import Grid, Mixer, Position
from variants.conv import Conv
from variants.halo import Halo
from variants.local import Local
from variants.mlp_mixer import TokenMLP
from variants.neighborhood import Neighborhood
from variants.parts.stem import Patches
from variants.recipe import ISOTROPIC, Part, Recipe, part
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


Sees = Callable[[int, int], bool]  # along one axis: does the place i see the place j?
PATCH, SIDE = 4, 14


def all_(i: int, j: int) -> bool:
    return True


def itself(i: int, j: int) -> bool:
    return i == j


def near(reach: int) -> Sees:
    return lambda i, j: abs(i - j) <= reach


def inward(side: int) -> Sees:
    def first(i: int) -> int:
        return min(max(i - side // 2, 0), SIDE - side)

    return lambda i, j: 0 <= j - first(i) < side


def windows(side: int, shift: int = 0) -> Sees:
    padded = -(-SIDE // side) * side
    return lambda i, j: (i - shift) % padded // side == (j - shift) % padded // side and (i < shift) == (j < shift)


def blocks(block: int, halo: int) -> Sees:
    return lambda i, j: -halo <= j - i // block * block < block + halo


def share_by_theory(layers: list[tuple[Sees, Sees]]) -> float:
    """What the central place depends on: each layer in turn, the last one first, adds whom its places see."""
    seen_ = {(SIDE // 2, SIDE // 2)}
    for rows, columns in reversed(layers):
        places = product(range(SIDE), repeat=2)
        seen_ = {(r, c) for r, c in places if any(rows(i, r) and columns(j, c) for i, j in seen_)} | seen_
    return len(seen_) / SIDE**2


THEORY: dict[str, tuple[list[Part], list[tuple[Sees, Sees]]]] = {
    "vit": ([part(Attention)], [(all_, all_)]),
    "mlp_mixer": ([part(TokenMLP)], [(all_, all_)]),
    "window": ([part(Window, window=4)], [(windows(4), windows(4))]),
    "swin": (
        [part(Window, window=4), part(ShiftedWindow, window=4)],
        [(windows(4), windows(4)), (windows(4, 2), windows(4, 2))],
    ),
    "axial": ([part(Axial, along="height"), part(Axial, along="width")], [(all_, itself), (itself, all_)]),
    "local": ([part(Local, side=5)], [(near(2), near(2))]),
    "conv": ([part(Conv)], [(near(1), near(1))]),
    "halo": ([part(Halo, block=4, halo=1)], [(blocks(4, 1), blocks(4, 1))]),
    "neighborhood": ([part(Neighborhood, side=5)], [(inward(5), inward(5))]),
}


def network(*mixers: Part, depth: int = 4) -> nn.Module:
    """A small transformer on tokens of PATCH x PATCH pixels."""
    layout = replace(ISOTROPIC, stem=part(Patches, patch=PATCH), widths=(16,), depths=(depth,), head_width=8)
    return Recipe(mixers=mixers, layout=layout).build("classification", 3, Grid(PATCH * SIDE, PATCH * SIDE))


def images(side: int = PATCH * SIDE) -> Tensor:
    return torch.randn(2, 3, side, side)


@pytest.mark.parametrize("name", THEORY)
def test_the_field_of_every_layer_is_that_of_theory(name: str) -> None:
    mixers, layers = THEORY[name]
    depth = 8 if name == "conv" else 4
    theory = [layers[i % len(layers)] for i in range(depth)]
    found = fields(network(*mixers, depth=depth), images())
    assert found.shares["field_tokens"] == [share_by_theory(theory[: i + 1]) for i in range(depth)]
    assert found.shares["field_pixels"] == found.shares["field_tokens"], "patches do not overlap"
    assert found.tokens == GRID


def test_what_theory_says_of_depth() -> None:
    full = {name: fields(network(*mixers), images()).full_after for name, (mixers, _) in THEORY.items()}
    assert (full["vit"], full["mlp_mixer"], full["axial"], full["local"]) == (1, 1, 2, 4)
    assert (full["window"], full["conv"]) == (None, None)
    shares = fields(network(*THEORY["window"][0]), images()).shares["field_tokens"]
    assert shares == [16 / 196] * 4, "without a shift depth adds nothing"
    assert full["swin"] == 4, "windows of 4 on 14 places: 4, 8, 12 and all"


def test_the_effective_field_is_the_least_share_with_nine_tenths() -> None:
    even, one = torch.ones(1, 10, 10), torch.zeros(1, 10, 10)
    one[0, 3, 4] = 2.0
    assert share_of_mass(even) == 0.9
    assert share_of_mass(one) == 0.01
    assert share_of_mass(torch.cat([even, one])) == pytest.approx(0.455)
    assert share_of_mass(torch.tensor([[[8.0, 1.0, 1.0]]])) == pytest.approx(2 / 3)


def test_the_effective_field_of_the_last_layer_is_a_mean_over_images() -> None:
    net, pictures = network(part(Conv), depth=2).eval(), images()
    before = torch.get_rng_state()
    found = effective(net, pictures)
    assert torch.equal(torch.get_rng_state(), before)
    assert found == pytest.approx(torch.tensor([effective(net, picture) for picture in pictures.split(1)]).mean(0))
    alone = []
    for picture in pictures.split(1):
        torch.manual_seed(0)
        direction = torch.randn(16)
        out = passed(net, picture.requires_grad_())[1][-1]
        (slope,) = torch.autograd.grad(out[0, SIDE // 2, SIDE // 2] @ direction, picture)
        alone.append(share_of_mass(slope.abs().sum(1)))
    assert found[1] == pytest.approx(sum(alone) / 2) and alone[0] != alone[1]
    assert 0 < found[0] < share_by_theory(THEORY["conv"][1] * 2)


def test_the_mass_is_the_derivative() -> None:
    """Against differences: of a network that is linear in its tokens there is no other slope."""
    net = network(part(Conv), depth=1).double().eval()
    layer, picture = net.layers()[0], images().double()  # type: ignore[operator]  # a Network
    with torch.no_grad():
        layer.to_out.weight.zero_()  # what remains, x + conv(norm(x)), bends in the norm alone
    torch.manual_seed(3)
    ((by_token, _),) = list(masses(net, picture))
    torch.manual_seed(3)
    direction = torch.randn(16, dtype=torch.float64)
    with torch.no_grad():
        x = net.backbone.stem(picture)  # type: ignore[operator, union-attr]
        for row, column in ((7, 7), (6, 8), (3, 7)):
            slopes = []
            for channel in range(16):
                step = torch.zeros_like(x)
                step[0, row, column, channel] = 1e-6
                slopes.append((layer(x + step) - layer(x - step))[0, 7, 7] @ direction / 2e-6)
            assert by_token[0, row, column] == pytest.approx(float(torch.stack(slopes).abs().sum()), abs=1e-7)


@pytest.mark.parametrize("name", names())
def test_every_design_has_fields(name: str) -> None:
    """In its own layout, narrow and shallow: a share of places for each layer, the effective ones no larger."""
    recipe: Any = find(name)
    layout = recipe.layout.scaled(32 / recipe.widths[0])
    recipe = replace(recipe, layout=replace(layout, depths=tuple(min(d, len(recipe.mixers)) for d in layout.depths)))
    network = recipe.build("classification", 3, Grid(32, 48))
    found = fields(network, torch.randn(8, 3, 32, 48))
    field, effective = found.shares["field_tokens"], found.shares["effective_tokens"]
    assert len(field) == len(effective) == sum(recipe.depths)
    assert all(0 < e <= f <= 1 for e, f in zip(effective, field, strict=True))
    shifted = shifts(network, Grid(32, 64), 2)
    assert len(shifted.token) == len(shifted.pixel) == len(field)
    assert all(value is None or 0 <= value < 1.5 for value in (*shifted.token, *shifted.pixel))


def test_a_network_is_left_as_it_is_and_settled_as_training_would() -> None:
    net = network(part(Conv)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    torch.manual_seed(1)
    first = fields(net, images())
    torch.manual_seed(1)
    assert fields(net, images()) == first
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    norm, x = nn.BatchNorm2d(3), images() * 5 + 2
    settled(norm, x)
    torch.testing.assert_close(norm(x).mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)


def test_batch_norms_take_the_statistics_of_the_images() -> None:
    norm = nn.BatchNorm2d(3)
    net = network(part(Conv), depth=1)
    net.backbone.stem = nn.Sequential(norm, net.backbone.stem)  # type: ignore[operator, union-attr]
    norm.running_mean = torch.full((3,), 9.0)
    seen_: list[Tensor] = []
    norm.register_forward_hook(lambda module, args, out: seen_.append(out.detach().mean()))
    fields(net, images())
    assert seen_[-1] == pytest.approx(0, abs=0.1)


def test_a_field_is_a_record() -> None:
    case = Case("field", "vit", "isotropic", "learned", "classification", 4, 64, 64, widths=(32,), batch=2)
    record = Bench(find).measure(case)
    assert (record.status, record.notes["tokens"]) == ("ok", "4x4")
    assert {name: metric.value for name, metric in record.metrics.items()}.items() >= {
        "layers": 12, "field_full_after": 1, "field_tokens_1": 1, "field_tokens_2": 1, "field_tokens_last": 1,
    }.items()  # fmt: skip
    assert record.metrics["effective_pixels_last"].unit == "of pixels"
    assert len(record.samples["effective_tokens"]) == 12
    assert Bench(find).measure(case).metrics == record.metrics


def test_what_never_sees_all_has_no_depth_to_a_full_field() -> None:
    shares = {name: [0.25] for name in ("field_tokens", "field_pixels", "effective_tokens", "effective_pixels")}
    assert set(Fields(GRID, shares).metrics()) == {
        "layers", *(f"{name}_{layer}" for name in shares for layer in ("1", "last")),
    }  # fmt: skip


def test_a_field_is_planned_once_for_all_tasks() -> None:
    asked = replace(axes(32, tasks=("classification", "segmentation"), metrics="field"), rounds=3)
    asked = replace(asked, learning=replace(asked.learning, seeds=2))
    (row,) = plan([find("vit").fitted(300_000)], asked, CALIBRATIONS, Limits(), pretend).cases
    assert (row.status, row.case.task, row.case.batch) == ("ok", "classification", 3)
    assert row.seconds > 10 * (row.pass_seconds or 1e9)
    assert "field" not in replace(axes(32)).quantities


def test_a_network_that_tells_no_layers_does_not_apply() -> None:
    rows = plan([fakes.find("tiny")], axes(32, metrics="field,memory"), CALIBRATIONS, Limits(), pretend).cases
    (row,) = [p for p in rows if p.case.quantity == "field"]
    assert (row.status, row.reason) == ("not_applicable", "tiny does not tell its layers: leave out --metric field")
