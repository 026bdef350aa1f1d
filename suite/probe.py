"""Probes: what the survey claims of a mixer and no other quantity shows, each a number of the mixer alone.

    sequential_steps   operators that must wait for one another; see suite/chain.py
    data_dependence    how much the mixer's derivative differs between two images: 0 of what is linear
    map_change         how much the weights over places differ between two images; see suite/maps.py
    head_divergence    how unlike the maps of its heads are
    softmax_distance   how far it is from softmax attention on the same q, k and v: 1 as far as the plain mean is
    twin_error         how far it is from the mixer of another design that it should equal

Tokens are normal noise, every one of the same length, as a layer norm leaves them. Weights are as at the start of a
training, then moved at random as for the field, so that no gate is shut. Maps are in float32, the rest in float64.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.chain import sequential_steps
from suite.field import moved
from suite.maps import ATTENTION, divergence, map_of, variation
from suite.record import Metric
from variants.contract import Grid, Mixer

PAIRS = 2  # of images, over which a number is a mean
PLACES = 4  # along each axis at most, whose maps are compared


def probe(alone: Any, grid: Grid, device: str = "cpu") -> dict[str, Metric]:
    """Every number that a mixer alone has, on a grid of two tokens or more. It is left as it is."""
    mixer: Any = moved(deepcopy(alone.mixer).double().eval())
    light: Any = deepcopy(mixer).float()  # for maps, which take most of the time
    width = alone.token_width
    pairs = [(tokens(grid, width, device), tokens(grid, width, device)) for _ in range(PAIRS)]
    found = {"sequential_steps": Metric(sequential_steps(deepcopy(alone).to("meta"), grid), "operators")}
    found["data_dependence"] = mean([data_dependence(mixer, *pair) for pair in pairs])
    if map_of(light, pairs[0][0].float(), [(0, 0)])[0] == ATTENTION:
        found["map_change"] = mean([map_change(light, x.float(), other.float()) for x, other in pairs])
        if getattr(light, "heads", 1) > 1:
            found["head_divergence"] = mean([head_divergence(light, x.float()) for x, _ in pairs])
    if projects_all(mixer):
        found["softmax_distance"] = mean([softmax_distance(mixer, x) for x, _ in pairs])
    if (twin := mixer.twin(grid)) is not None:
        found["twin_error"] = mean([distance(mixer(x), twin.to(x)(x)) for x, _ in pairs])
    return found


def tokens(grid: Grid, width: int, device: str = "cpu") -> Tensor:
    """`1 y x d` in float64, each token of the length √d."""
    x = torch.randn(1, grid.y, grid.x, width, dtype=torch.float64, device=device)
    return F.normalize(x, dim=-1) * width**0.5


def mean(values: list[float]) -> Metric:
    """A number without a unit: the mean over the pairs."""
    return Metric(sum(values) / len(values), "", n=len(values))


def distance(out: Tensor, other: Tensor) -> float:
    """|out - other| / |other|."""
    return float((out - other).norm().detach() / other.norm().detach())


def data_dependence(mixer: nn.Module, first: Tensor, second: Tensor) -> float:
    """|J(x)ᵀu - J(x')ᵀu| / √(|J(x)ᵀu| |J(x')ᵀu|): J the derivative of the output, u a random direction over all of it.

    A convolution multiplies any image by the same J. Attention has another J for each image, since its weights are
    made of it.
    """
    u = torch.randn_like(mixer(first).detach())
    slopes = []
    for x in (first.clone().requires_grad_(), second.clone().requires_grad_()):
        (slope,) = torch.autograd.grad((mixer(x) * u).sum(), x)
        slopes.append(slope)
    difference, lengths = (slopes[0] - slopes[1]).norm(), slopes[0].norm() * slopes[1].norm()
    return float(difference / lengths.sqrt())


def map_change(mixer: Mixer, first: Tensor, second: Tensor) -> float:
    """By what share the weights over places move to other places when the image changes."""
    places = places_of(Grid(*mixer(first).shape[1:3]))
    return variation(map_of(mixer, first, places)[1], map_of(mixer, second, places)[1])


def head_divergence(mixer: Any, x: Tensor) -> float:
    """The mean divergence between the maps of two heads, in bits."""
    places, heads = places_of(Grid(*mixer(x).shape[1:3])), range(mixer.heads)
    return divergence(torch.stack([map_of(mixer, x, places, head)[1] for head in heads]))


def places_of(grid: Grid) -> list[tuple[int, int]]:
    """At most PLACES x PLACES places, evenly spread."""
    rows, columns = (range(0, side, -(-side // PLACES)) for side in (grid.y, grid.x))
    return [(row, column) for row in rows for column in columns]


def projects_all(mixer: Mixer) -> bool:
    """Whether the mixer makes q, k and v of one width by `to_qkv`, and its output of the heads by `to_out`."""
    to_qkv, to_out = getattr(mixer, "to_qkv", None), getattr(mixer, "to_out", None)
    if not (isinstance(to_qkv, nn.Linear) and isinstance(to_out, nn.Linear) and mixer.packs == "qkv"):
        return False
    return to_qkv.out_features == 3 * to_qkv.in_features == 3 * to_out.in_features


def softmax_distance(mixer: Any, x: Tensor) -> float:
    """|out - out'| / |mean - out'|: out' is softmax attention without positions, over the whole grid, by the same
    projections, and `mean` is what attention gives that weighs all values alike.

    q and k are scaled alike so that the logits have a deviation of 1: those of weights that are not trained are all but
    equal, and there the plain mean would be softmax attention.
    """
    mixer = deepcopy(mixer)
    q, k, v = qkv_of(mixer, x)
    scale = (q @ k.mT * q.shape[-1] ** -0.5).std() ** -0.5
    with torch.no_grad():
        for parameter in mixer.to_qkv.parameters():
            parameter[: 2 * mixer.to_qkv.in_features] *= scale
    attended = F.scaled_dot_product_attention(q * scale, k * scale, v)  # b h n e
    alike = v.mean(-2, keepdim=True).expand(v.shape)
    true, plain = (mixer.to_out(t.transpose(1, 2).reshape(x.shape)).detach() for t in (attended, alike))
    return float((mixer(x).detach() - true).norm() / (plain - true).norm())


def qkv_of(mixer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`b y x d` -> `b h n e`, three times."""
    qkv = mixer.to_qkv(x).flatten(1, 2).unflatten(-1, (3, mixer.heads, -1))  # b n 3 h e
    q, k, v = qkv.detach().permute(2, 0, 3, 1, 4)
    return q, k, v
