"""Mixers that never form n x n weights equal slow forms that do, in float64."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixers import built, image, same
from oracles import turned
from torch import Tensor, nn

from variants.contract import Grid
from variants.efficient import Efficient
from variants.linformer import Linformer
from variants.mlp_mixer import TokenMLP
from variants.nystrom import Nystrom, pseudo_inverse
from variants.parts.over_grid import OverGrid
from variants.performer import Performer, orthogonal
from variants.relu_linear import ReluLinear
from variants.single_head import SingleHead
from variants.vit import Attention
from variants.xcit import CrossCovariance

GRIDS = st.builds(Grid, st.integers(1, 7), st.integers(1, 7))
several = settings(max_examples=15)
pytestmark = pytest.mark.usefixtures("doubled")


def heads_of(mixer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v of one image after another and one head after another: `b h n e`."""
    q, k, v = (t.unflatten(-1, (mixer.heads, -1)) for t in mixer.to_qkv(x).chunk(3, -1))  # b y x h e
    q, k = (turned(getattr(mixer, "position", None), t) for t in (q, k))
    return tuple(t.flatten(1, 2).transpose(1, 2) for t in (q, k, v))  # type: ignore[return-value]


def mixed(mixer: Any, x: Tensor, weigh: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What the mixer puts out if `weigh(q, k)`, `n e` each, are its n x n weights."""
    q, k, v = heads_of(mixer, x)
    out = torch.zeros_like(v)
    for b in range(len(x)):
        for h in range(mixer.heads):
            out[b, h] = weigh(q[b, h], k[b, h]) @ v[b, h]
    return mixer.to_out(torch.cat(out.unbind(1), -1)).view(x.shape)  # type: ignore[no-any-return]


@given(grid=GRIDS, heads=st.integers(1, 3))
@several
def test_efficient_is_a_product_of_two_softmaxes(grid: Grid, heads: int) -> None:
    def weigh(q: Tensor, k: Tensor) -> Tensor:
        weights = torch.zeros(len(q), len(k), dtype=q.dtype)
        maps = k.exp() / k.exp().sum(0)
        for i, j in product(range(len(q)), range(len(k))):
            weights[i, j] = (q[i].exp() / q[i].exp().sum()) @ maps[j]
        assert torch.allclose(weights.sum(1), torch.ones((), dtype=q.dtype))
        return weights

    mixer, x = built(Efficient, grid, dim=4 * heads, heads=heads), image(grid, 4 * heads)
    same(mixer(x), mixed(mixer, x, weigh))


@given(grid=GRIDS, heads=st.integers(1, 3), position=st.sampled_from(["none", "rotary"]))
@several
def test_performer_is_its_features(grid: Grid, heads: int, position: str) -> None:
    """Nothing that is subtracted from exponents changes the weights."""
    mixer, x = built(Performer, grid, position, 4 * heads, heads, eps=0.0), image(grid, 4 * heads)

    def weigh(q: Tensor, k: Tensor) -> Tensor:
        features = [(t @ mixer.frequency.T - t.norm(dim=1)[:, None] ** 2 / 2).exp() for t in (q / 2**0.5, k / 2**0.5)]
        weights = features[0] @ features[1].T  # √√e = √2
        return weights / weights.sum(1, keepdim=True)

    same(mixer(x), mixed(mixer, x, weigh))


def test_performer_estimates_softmax_attention() -> None:
    """The error falls as features are added, to a few percent with thousands of them, where logits are not large."""
    grid, x = Grid(5, 6), 0.3 * image(Grid(5, 6), 16)
    exact, errors = built(Attention, grid), []
    with torch.no_grad():
        for features in (16, 256, 4096):
            mixer = built(Performer, grid, features=features)
            mixer.load_state_dict(exact.state_dict(), strict=False)
            errors.append(float((mixer(x) - exact(x)).norm() / exact(x).norm()))
    assert errors[2] < 0.05, errors
    assert errors[2] < errors[1] / 2 < errors[0] / 2


def test_performer_survives_large_logits() -> None:
    mixer, x = built(Performer, Grid(4, 4)), image(Grid(4, 4))
    assert mixer(1000 * x).isfinite().all()


def test_features_are_orthogonal_and_as_long_as_normal_vectors() -> None:
    drawn = orthogonal(40, 16)
    for block in drawn.split(16):
        products = block @ block.T
        assert (products - products.diag().diag()).abs().max() < 1e-4
    assert 0.5 < drawn.square().sum(1).mean() / 16 < 1.5


def test_features_point_everywhere_alike() -> None:
    """The mean of each number of 8000 vectors is zero, within five of its standard errors."""
    assert orthogonal(8000, 8).mean(0).abs().max() < 5 / 8000**0.5


@given(grid=GRIDS, heads=st.integers(1, 3))
@several
def test_linformer_attends_to_projected_keys(grid: Grid, heads: int) -> None:
    mixer, x = built(Linformer, grid, dim=4 * heads, heads=heads, keys=3), image(grid, 4 * heads)
    E = mixer.to_keys.table.flatten(1)  # m n
    mixes = mixed(mixer, x, lambda q, k: (q @ (E @ k).T / 2).softmax(-1) @ E)
    same(mixer(x), mixes)


@given(grid=GRIDS, heads=st.integers(1, 3), landmarks=st.integers(1, 12))
@several
def test_nystrom_rebuilds_the_weights_from_landmarks(grid: Grid, heads: int, landmarks: int) -> None:
    mixer, x = built(Nystrom, grid, dim=4 * heads, heads=heads, landmarks=landmarks, kernel=5), image(grid, 4 * heads)
    step = -(-grid.n // landmarks)

    def weigh(q: Tensor, k: Tensor) -> Tensor:
        q_mark, k_mark = (torch.stack([s.mean(0) for s in t.split(step)]) for t in (q, k))
        left, middle, right = ((a @ b.T / 2).softmax(-1) for a, b in ((q, k_mark), (q_mark, k_mark), (q_mark, k)))
        return left @ pseudo_inverse(middle, 6) @ right

    out, v = mixed(mixer, x, weigh), heads_of(mixer, x)[2]
    near = torch.zeros_like(v)
    for i in range(grid.n):
        for tap in range(5):
            if 0 <= i + tap - 2 < grid.n:
                near[:, :, i] += mixer.near[:, tap, None] * v[:, :, i + tap - 2]
    same(mixer(x), out + torch.cat(near.unbind(1), -1).view(x.shape) @ mixer.to_out.weight.T)


def test_pseudo_inverse_converges_to_the_inverse() -> None:
    A = (2 * torch.eye(9, dtype=torch.float64) + torch.randn(3, 2, 9, 9, dtype=torch.float64)).softmax(-1)
    same(pseudo_inverse(A, 20), torch.linalg.inv(A))


def test_nystrom_with_a_landmark_for_each_token_is_full_attention() -> None:
    grid, x = Grid(3, 4), image(Grid(3, 4), 8)
    mixer, exact = built(Nystrom, grid, dim=8, landmarks=12, steps=40), built(Attention, grid, dim=8)
    mixer.load_state_dict(exact.state_dict() | {"near": torch.zeros_like(mixer.near)})
    torch.testing.assert_close(mixer(x), exact(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("position", ["none", "bias"])
def test_one_head_of_full_attention_is_single_head(position: str) -> None:
    grid, x = Grid(3, 5), image(Grid(3, 5), 12)
    mixer = built(SingleHead, grid, position, 12, heads=3)
    exact = built(Attention, grid, position, 12, heads=1)
    exact.load_state_dict(mixer.state_dict())
    same(mixer(x), exact(x))


@given(grid=GRIDS)
@several
def test_mlp_mixer_is_one_mlp_over_the_places_of_every_channel(grid: Grid) -> None:
    mixer, x = built(TokenMLP, grid, dim=8), image(grid, 8)
    W1, W2 = mixer.to_hidden.table.flatten(1), mixer.to_places.table.flatten(1).T
    out = torch.zeros_like(x).flatten(1, 2)
    for channel in range(8):
        t = x.flatten(1, 2)[..., channel]  # b n
        hidden = nn.functional.gelu((W1 @ t.T).T + mixer.hidden_bias)
        out[..., channel] = (W2 @ hidden.T).T + mixer.place_bias.table.flatten()
    same(mixer(x), out.view(x.shape))


def test_weights_over_places_follow_the_grid() -> None:
    """Interpolated as they are, or scaled so that their sum over all places stays."""
    for summed in (False, True):
        weights = OverGrid(3, Grid(4, 6), 1.0, summed).double()
        same(weights.on(Grid(4, 6)), weights.table.flatten(1))
        nn.init.constant_(weights.table, 0.5)
        for grid in (Grid(1, 1), Grid(8, 12), Grid(5, 3), Grid(2, 13)):
            expected = 24 * 0.5 if summed else grid.n * 0.5
            same(weights.on(grid).sum(1), torch.full((3,), expected, dtype=torch.float64))


@given(grid=GRIDS, heads=st.integers(1, 3))
@several
def test_xcit_lets_channels_attend_to_channels(grid: Grid, heads: int) -> None:
    mixer, x = built(CrossCovariance, grid, dim=4 * heads, heads=heads), image(grid, 4 * heads)
    q, k, v = heads_of(mixer, x)
    out = torch.zeros_like(v)
    for b, h, i in product(range(len(x)), range(heads), range(4)):
        query, keys = q[b, h, :, i], k[b, h].unbind(1)
        logits = [query @ key / (query.norm() * key.norm()) * mixer.temperature[h, 0, 0] for key in keys]
        out[b, h, :, i] = v[b, h] @ torch.stack(logits).softmax(0)
    same(mixer(x), mixer.to_out(torch.cat(out.unbind(1), -1)).view(x.shape))


@given(grid=GRIDS, heads=st.integers(1, 3))
@several
def test_relu_linear_is_attention_with_relu_weights(grid: Grid, heads: int) -> None:
    """At both scales, its n x n weights formed."""
    mixer, x = built(ReluLinear, grid, dim=4 * heads, heads=heads), image(grid, 4 * heads)
    near = mixer.to_qkv(x).permute(0, 3, 1, 2)
    outs = []
    for t in (near, mixer.blend(mixer.gather(near))):
        for head in t.flatten(2).split(12, 1):  # b 3e n
            q, k, v = head.mT.split(4, -1)
            weights = q.relu() @ k.relu().mT  # b n n
            outs.append(weights @ v / (weights.sum(-1, keepdim=True) + 1e-5))
    out = mixer.to_out(torch.cat(outs, -1)).view(x.shape)
    same(mixer(x), mixer.norm(out.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
