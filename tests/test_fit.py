"""A budget is met within 1 %, by widths and heads that are sane."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avbench.find import find, names
from variants.contract import Grid, Mixer
from variants.parts.piece import Piece
from variants.parts.width import heads_for
from variants.recipe import LAYOUTS, body_params, part
from variants.vit import RECIPE as VIT
from variants.vit import Attention
from variants.window import Window

NAMES = names()
FIRST = ["conv", "local", "swin", "vit"]


def assert_sane(recipe: Any, budget: int) -> None:
    """Within 1 % of the budget, widths a multiple of 8, heads of an even width from 16 to 128 channels."""
    assert abs(body_params(recipe) / budget - 1) <= 0.01
    assert all(w % 8 == 0 and w >= 16 for w in recipe.widths)
    for stage in range(len(recipe.widths)):
        assert all(w % 8 == 0 and w >= 16 for w in recipe.layout.inner(stage))
    for width in head_widths(recipe):
        assert 16 <= width <= 128 and width % 2 == 0


def head_widths(recipe: Any) -> set[int]:
    """The widths of the heads of all mixers that have several: a single head is as wide as it is."""
    network: nn.Module = on_meta(recipe)
    mixers: list[Any] = [m for m in network.modules() if isinstance(m, Mixer) and getattr(m, "heads", 1) > 1]
    return {m.dim // m.heads for m in mixers}


def on_meta(recipe: Any) -> Any:
    with torch.device("meta"):
        return recipe.build("classification", 10, Grid(224, 224))


@pytest.mark.parametrize("name", NAMES)
def test_every_design_meets_the_sizes_of_the_literature(name: str) -> None:
    """And the size at which tests try it."""
    for budget in (300_000, 1_000_000, 5_000_000, 22_000_000, 86_000_000):
        assert_sane(find(name).fitted(budget), budget)


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_is_met_in_every_layout(name: str) -> None:
    """Of the designs that go into others than their own."""
    design: Any = find(name)
    for layout in () if design.given else LAYOUTS:
        assert_sane(design.in_layout(layout).fitted(5_000_000), 5_000_000)


@pytest.mark.parametrize("name", FIRST)
def test_the_sizes_that_were_found_give_the_same_network_again(name: str) -> None:
    """A record keeps widths and extra; from these and the name comes the same network."""
    found: Any = find(name).fitted(2_000_000)
    again = find(name).sized(found.widths, found.extra)
    assert again == found
    shapes = [[tuple(p.shape) for p in on_meta(recipe).parameters()] for recipe in (found, again)]
    assert shapes[0] == shapes[1]


def test_the_residual_is_said_where_no_network_fits() -> None:
    deep = replace(VIT, name="deep", layout=replace(VIT.layout, depths=(200,)))
    with pytest.raises(
        ValueError, match=r"^deep cannot weigh 10,000 parameters: .* 200 blocks .* choose another --params$"
    ):
        deep.fitted(10_000)


def test_heads_divide_the_width() -> None:
    for dim in range(16, 1500, 8):
        for aim in (16, 32, 64, 128):
            heads = heads_for(dim, aim)
            assert dim % heads == 0
            assert dim // heads <= 128 or dim // heads == dim


def test_what_stands_in_a_record_is_numbers() -> None:
    """The canonical text of a recipe tells two sizes apart, and not two names."""
    one, other = VIT.sized((64,), (3,)), VIT.sized((64,), (4,))
    assert str(one) != str(other)
    assert str(one) == str(replace(one, name="mine"))
    assert str(part(nn.Linear, bias=False)) == "Linear(bias=False)"


def test_two_networks_have_two_texts() -> None:
    """A case rests on the text: what is said of a recipe must be all that its network is made of."""
    conv: Any = find("conv")
    wide = replace(conv, layout=replace(conv.layout, stem_ratio=0.5))
    one, two = (part(Attention), part(Window))
    texts = [str(replace(conv, early=early, mixers=rest)) for early, rest in (((), (one, two)), ((one,), (two,)))]
    assert len({str(conv), str(wide), *texts}) == 4


class Plain(Piece):
    """x + mix(norm(x)): a stranger's block without inner channels."""

    def __init__(self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: Any) -> None:
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(dim), mixer(dim, grid)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(self.norm(x))  # type: ignore[no-any-return]  # a module


def test_blocks_without_inner_channels_are_fitted_by_their_width() -> None:
    plain = replace(VIT, name="plain", layout=replace(VIT.layout, block=part(Plain), depths=(2,)))
    exact = body_params(plain.sized((256,), ()))
    assert plain.fitted(exact).widths == (256,)
    with pytest.raises(ValueError, match=r"^plain cannot weigh"):
        plain.fitted(exact + exact // 50)
