"""Maps: from them and the values alone the output of a mixer can be made again; what has no weights shows its field."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from mixers import built, image
from torch import Tensor

from avbench.find import find
from suite.maps import ATTENTION, GRADIENT, Map, divergence, map_of, maps, met, variation
from variants.axial import Axial
from variants.bilateral import Bilateral
from variants.botnet import AllToAll
from variants.contract import Grid
from variants.conv import Conv
from variants.efficient import Efficient
from variants.halo import Halo
from variants.linear import Linear
from variants.local import Local
from variants.maxvit import GridAttention
from variants.neighborhood import Neighborhood
from variants.nlm import NonLocalMeans
from variants.performer import Performer
from variants.pvt import SpatialReduction
from variants.recipe import part
from variants.relu_linear import ReluLinear
from variants.rnn import ReNet
from variants.single_head import SingleHead
from variants.swin import ShiftedWindow
from variants.vit import Attention
from variants.window import Window
from variants.xcit import CrossCovariance

NonLocal = find("nonlocal").early[1].make  # type: ignore[attr-defined]  # its module is named by a keyword
GRID = Grid(6, 5)
PLACES = list(product(range(GRID.y), range(GRID.x)))
POSITIVE = {  # weights above zero, of which each query gives out 1
    "vit": part(Attention), "one head": part(SingleHead), "window": part(Window, window=4),
    "swin": part(ShiftedWindow, window=4), "grid": part(GridAttention, window=4), "height": part(Axial, along="height"),
    "width": part(Axial, along="width"), "local": part(Local, side=3), "neighborhood": part(Neighborhood, side=3),
    "botnet": part(AllToAll), "linear": part(Linear), "efficient": part(Efficient), "performer": part(Performer),
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("doubled")


def whole(mixer: Any, x: Tensor, head: int | None = None) -> Tensor:
    """`n n`: the map of every place, each of which sums to 1."""
    kind, weights = map_of(mixer, x, PLACES, head)
    assert kind == ATTENTION
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(GRID.n))
    return weights.flatten(1)


@pytest.mark.parametrize(
    ("name", "position"), [(name, position) for name, p in POSITIVE.items() for position in sorted(p.make.takes)]
)
def test_maps_and_values_make_the_output_again(name: str, position: str) -> None:
    mixer, x = built(POSITIVE[name], GRID, position), image(GRID, b=1)
    values = mixer.to_qkv(x).flatten(1, 2)[0, :, 32:].view(GRID.n, mixer.heads, -1)  # n h e
    heads = range(mixer.heads) if mixer.heads > 1 else [None]
    mixed = torch.cat([whole(mixer, x, h) @ values[:, h or 0] for h in heads], -1)  # n d
    out = mixer.to_out(mixed) if hasattr(mixer, "to_out") else mixed
    torch.testing.assert_close(out, mixer(x).view(GRID.n, -1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", [part(Bilateral, side=3), part(NonLocalMeans, side=3)])
def test_a_filter_shows_its_weights(make: Any) -> None:
    mixer, x = built(make, GRID), image(GRID, b=1)
    torch.testing.assert_close(whole(mixer, x) @ x.view(GRID.n, -1), mixer(x).view(GRID.n, -1), rtol=1e-9, atol=1e-9)


def test_a_block_with_its_halo_shows_softmax_over_what_it_sees() -> None:
    """Without projections of its own making: keys that are all alike are weighed alike."""
    mixer = built(part(Halo, block=4, halo=1), GRID, "query")
    with torch.no_grad():
        mixer.to_q.weight.zero_()
        mixer.to_q.bias.zero_()
    weights = whole(mixer, image(GRID, b=1)).view(GRID.y, GRID.x, GRID.y, GRID.x)
    expected = torch.zeros(GRID.y, GRID.x)
    expected[:5, :5] = 1 / 25  # the first block has rows and columns 0 to 3, its halo ends at 4
    torch.testing.assert_close(weights[2, 1], expected)


def test_keys_of_a_coarser_grid_and_projected_values_have_maps_too() -> None:
    for make in (part(SpatialReduction, reduction=2), part(NonLocal), part(ReluLinear)):
        assert (whole(built(make, GRID), image(GRID, b=1)) > 0).all(), make


def test_channels_that_attend_to_channels_look_at_their_own_place() -> None:
    assert torch.equal(whole(built(CrossCovariance, GRID), image(GRID, b=1)), torch.eye(GRID.n))


def test_the_heads_of_relu_attention_are_told_apart() -> None:
    mixer, x = built(ReluLinear, GRID), image(GRID, b=1)
    maps_of_heads = []
    for sign in (1, -1):
        with torch.no_grad():
            mixer.to_qkv.weight[:8] *= sign  # q of the first head
        torch.manual_seed(0)
        maps_of_heads.append([map_of(mixer, x, PLACES, head)[1] for head in range(2)])
    (first, second), (first_after, second_after) = maps_of_heads
    assert variation(first, first_after) > 1e-3
    assert variation(second, second_after) < 1e-12


@pytest.mark.parametrize(("make", "reach"), [(Conv, 1), (ReNet, 9)])
def test_what_has_no_weights_over_places_shows_its_gradient_field(make: Any, reach: int) -> None:
    kind, weights = map_of(built(make, GRID), image(GRID, b=1), [(2, 2), (5, 0)])
    assert kind == GRADIENT
    rows, columns = torch.arange(GRID.y)[:, None], torch.arange(GRID.x)
    for place, (row, column) in enumerate([(2, 2), (5, 0)]):
        near = ((rows - row).abs() <= reach) & ((columns - column).abs() <= reach)
        assert torch.equal(weights[place] > 0, near)


def test_the_maps_of_a_network() -> None:
    """Every mixer in its turn and at its own grid, for places that lie in all of them; the network stays as it is."""
    recipe: Any = find("swin").sized((16, 16, 32, 32), ())
    network = recipe.build("classification", 3, Grid(64, 96)).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    picture = torch.randn(3, 64, 96)
    found = list(maps(network, picture, [(0.0, 0.0), (0.99, 0.5)]))
    mixers: list[Any] = [mixer for mixer, _, _ in met(network, picture)]
    assert [type(mixer).__name__ for mixer in mixers] == ["Window", "ShiftedWindow"] * 6
    assert [m.mixer for m in found] == [i for i, mixer in enumerate(mixers) for _ in range(mixer.heads)]
    assert {m.kind for m in found} == {ATTENTION}
    assert [tuple(found[i].weights.shape) for i in (0, -1)] == [(2, 16, 24), (2, 2, 3)]
    assert found[0].weights[1, 15, 12] > 0, "a place sees itself"
    assert not found[0].weights[1, 0].any(), "but not the window above"
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_with_heads_shows_each() -> None:
    recipe: Any = find("vit").sized((128,), ())
    found = list(maps(recipe.build("classification", 3, Grid(32, 32)), torch.randn(3, 32, 32), [(0.5, 0.5)]))
    assert [(m.mixer, m.head) for m in found] == [(i, head) for i in range(12) for head in range(recipe.heads[0])]
    assert recipe.heads[0] > 1
    assert all(isinstance(m, Map) and m.name == "Attention" for m in found)


def test_how_unlike_maps_are() -> None:
    here, there = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    even = torch.tensor([[[0.5, 0.5]]])
    assert divergence(torch.stack([here, here, here])) == 0
    assert divergence(torch.stack([here, there])) == pytest.approx(1)
    assert divergence(torch.stack([here, even])) == pytest.approx(0.311278, abs=1e-6), "H(¾, ¼) - H(½, ½) / 2"
    assert (variation(here, here), variation(here, even), variation(here, there)) == (0, 0.5, 1)
