"""Errors under shifts: nothing but rounding where theory says so, and what it says elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from avbench.find import find
from suite.case import Case
from suite.measure import Bench
from suite.shift import Shifts, errors, natural, rolled, shifts, squares, step_of
from variants.axial import Axial
from variants.contract import Grid
from variants.conv import Conv
from variants.local import Local
from variants.mlp_mixer import TokenMLP
from variants.parts.place import Learned, SinCos
from variants.parts.stem import Patches
from variants.recipe import ISOTROPIC, POSITIONS, Part, Recipe, part
from variants.swin import ShiftedWindow
from variants.vit import Attention
from variants.window import Window

PATCH, SIZE = 4, Grid(64, 64)
ROUNDING = 1e-12


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def network(*mixers: Part, depth: int = 3, patch: int = PATCH, **slots: Part) -> nn.Module:
    layout = replace(ISOTROPIC, stem=part(Patches, patch=patch), widths=(16,), depths=(depth,), head_width=8)
    return Recipe(mixers=mixers, layout=layout, **slots).build("classification", 3, SIZE)  # type: ignore[arg-type]  # slots are parts


def told(values: list[float | None]) -> list[float]:
    assert None not in values
    return [v for v in values if v is not None]


@pytest.mark.parametrize("mixers", [(Attention,), (part(Axial, along="height"), part(Axial, along="width"))])
def test_without_positions_what_sees_all_moves_along_with_tokens_but_not_with_pixels(mixers: tuple[Part, ...]) -> None:
    found = shifts(network(*(m if isinstance(m, Part) else part(m) for m in mixers)), SIZE, 2)
    assert max(told(found.token)) < ROUNDING
    assert min(told(found.pixel)) > 0.1, "a token is four pixels wide"


def test_where_a_pixel_is_a_token_both_shifts_are_one() -> None:
    found = shifts(network(part(Axial, along="height"), patch=1, depth=1), SIZE, 2)
    assert max(told(found.pixel)) < ROUNDING


@pytest.mark.parametrize(("mixer", "exact"), [(part(Conv), 3), (part(Local, side=3), 3), (part(Local, side=7), 1)])
def test_what_is_local_moves_along_as_far_inside_as_no_border_is_seen(mixer: Part, exact: int) -> None:
    """Of 16 tokens the interior begins at the fifth; each layer of side w sees w // 2 further."""
    found = told(shifts(network(mixer, depth=6), SIZE, 2).token)
    assert max(found[:exact]) < ROUNDING < min(found[exact:])


def test_windows_move_along_by_whole_windows_alone() -> None:
    windows, images = network(part(Window, window=4)).double().eval(), natural(SIZE, 2)
    with torch.no_grad():
        assert max(told(errors(windows, images, 4 * PATCH))) < ROUNDING
        assert min(told(errors(windows, images, PATCH))) > 1e-3
        shifted = network(part(Window, window=4), part(ShiftedWindow, window=4)).double().eval()
        assert told(errors(shifted, images, 4 * PATCH))[0] < ROUNDING


def test_absolute_positions_stay_where_they_are() -> None:
    """They err by far more than relative ones, which err at the border alone."""

    def error(**slots: Part) -> float:
        return told(shifts(network(part(Attention), **slots), SIZE, 2).token)[-1]

    relative = [error(position=position) for position in POSITIONS.values()]
    absolute = [error(place=part(place)) for place in (Learned, SinCos)]
    assert max(relative) < min(absolute) / 2
    assert told(shifts(network(part(TokenMLP)), SIZE, 2).token)[0] > 0.5, "a weight for each place"


def test_what_has_nothing_to_do_with_each_other_errs_by_one() -> None:
    one, other = torch.randn(2, 8, 16, 16, 32)
    difference, varied = squares(one, other)
    assert float((difference / varied).sqrt()) == pytest.approx(1, abs=0.02)
    assert float(squares(one, one)[0]) == 0


def test_tokens_are_rolled_by_parts_of_tokens() -> None:
    tokens = torch.tensor([0.0, 1, 2, 3]).view(1, 1, 4, 1)

    def moved(distance: float) -> Tensor:
        return rolled(tokens, distance, 2).flatten()

    assert moved(1).tolist() == [3, 0, 1, 2]
    assert moved(0.25).tolist() == [0.75, 0.75, 1.75, 2.75]
    assert moved(1.5).tolist() == [2.5, 1.5, 0.5, 1.5]


def test_images_are_periodic_and_as_smooth_as_natural_ones() -> None:
    images = natural(Grid(64, 48), 16)
    assert images.shape == (16, 3, 64, 48) and float(images.std()) == pytest.approx(1)
    assert float(images.mean((2, 3)).abs().max()) < ROUNDING
    power = torch.fft.fft(images[..., 0], dim=2).abs().square().mean((0, 1))
    assert power[1] > 2 * power[4] > 4 * power[16]
    seam, inside = ((images[:, :, i] - images[:, :, i - 1]).square().mean() for i in (0, 32))
    assert float(seam / inside) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(
    ("out", "step"), [((16, 16), 4), ((1, 1), None), ((2, 2), 32), ((5, 5), None), ((16, 8), None), ((1, 64), None)]
)
def test_a_token_is_a_whole_number_of_pixels_or_no_shift_is_told(out: tuple[int, int], step: int | None) -> None:
    assert step_of(SIZE, torch.empty(1, *out, 3)) == step


def test_a_pyramid_is_shifted_by_a_token_of_each_layer() -> None:
    """Aligned with what each stage joins, so that windows of a whole grid move along in every one of them."""
    layout = replace(find("swin").layout, widths=(8, 16), depths=(1, 1), head_width=8)  # type: ignore[attr-defined]
    net = Recipe(mixers=(part(Attention),), layout=layout).build("classification", 3, SIZE)
    found = shifts(net, SIZE, 2)
    assert len(told(found.token)) == 2
    assert max(told(found.token)) < ROUNDING


def test_errors_are_among_the_fields_of_a_record() -> None:
    case = Case("field", "vit", "isotropic", "learned", "classification", 4, 64, 64, widths=(32,), batch=2)
    record = Bench(find).measure(case)
    assert len(record.samples["shift_error_pixel"]) == 12
    for name in ("shift_error_token", "shift_error_pixel"):
        assert record.metrics[name].value == record.samples[name][-1] > 0.01
    assert Shifts([None], [None]).metrics() == {}
