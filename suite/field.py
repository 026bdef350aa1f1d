"""What an output depends on: the places of the input with a derivative that is not zero, and how much lies where.

For each layer l of a network, its output at the centre and the input at the place j, in tokens or in pixels:

    mass_lj = Σ_c |∂ (u · out_l) / ∂ x_jc|          u: a random direction over the channels of the central output
    field_l = share of j with mass_lj > 0           effective_l = least share of j that holds 90 % of Σ_j mass_lj

The field is a property of what is connected with what. So it is taken in float64, on a copy whose weights are moved at
random: no gate is shut and nothing rounds to zero. The effective field is that of the weights as they are, in float32:
of every layer before training, of the last one before and after, see docs/decisions/0024-fields-and-training.md.

Paper    Understanding the Effective Receptive Field, Luo et al. 2016 (1701.04128).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from suite.record import Metric
from variants.contract import Grid, Mixer

DRAWS = 2  # of weights and input: what one draw hides behind a ReLU, another shows
DEVIATION = 0.2  # of every parameter: large enough to open gates that start shut, small enough to saturate none
MOVED = 0.05  # what is added to the parameters of a whole network, whose layers multiply what they are given
MASS = 0.9


@dataclass(frozen=True)
class Fields:
    """Shares of the places of the input, a number for each layer; the effective ones are means over images."""

    tokens: Grid  # of the first layer's input
    shares: dict[str, list[float]]  # field_tokens, field_pixels, effective_tokens, effective_pixels

    @property
    def full_after(self) -> int | None:
        """The layers after which the centre depends on every token; None if it never does."""
        return next((i for i, share in enumerate(self.shares["field_tokens"], start=1) if share == 1), None)

    def metrics(self) -> dict[str, Metric]:
        """`field_tokens_1`, `_2` and `_last`, as of the other shares; the number of layers, and those to a full field.

        The share of every layer is among a record's samples.
        """
        found = {"layers": Metric(len(self.shares["field_tokens"]), "layers")}
        if self.full_after is not None:
            found["field_full_after"] = Metric(self.full_after, "layers")
        for name, shares in self.shares.items():
            told = {"1": shares[0], "last": shares[-1]} | ({"2": shares[1]} if len(shares) > 1 else {})
            unit = f"of {name.split('_')[1]}"
            found |= {f"{name}_{layer}": Metric(share, unit) for layer, share in told.items()}
        return found


class Layers(nn.Module):
    """Mixers one after the other, each added to its input, as the blocks of a network add them."""

    def __init__(self, mixers: Iterable[Mixer]) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(mixers)

    def forward(self, x: Tensor) -> Tensor:
        for mixer in self.mixers:
            x = x + mixer(x)  # b y x d
        return x


def fields(network: Any, images: Tensor) -> Fields:
    """The fields of a network for images `b 3 Y X`, two or more. The network is left as it is.

    Its batch norms first take the statistics of the images, as training would set them.
    """
    images = images.float()
    effective = list(masses(settled(deepcopy(network).float(), images), images))
    exact = settled(moved(deepcopy(network).double()), images.double())
    field = list(masses(exact, images.double()))
    return Fields(
        Grid(*field[0][0].shape[1:]),
        {
            "field_tokens": [share_seen(tokens) for tokens, _ in field],
            "field_pixels": [share_seen(pixels) for _, pixels in field],
            "effective_tokens": [share_of_mass(tokens) for tokens, _ in effective],
            "effective_pixels": [share_of_mass(pixels) for _, pixels in effective],
        },
    )


def effective(network: Any, images: Tensor) -> tuple[float, float]:
    """The effective field of the last layer of a network in eval mode: shares of tokens and of pixels.

    The mean over images `b 3 Y X`, one at a time, along one u of a fixed seed; torch's generators stay as they were.
    """
    found = []
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        for image in images.split(1):
            torch.manual_seed(0)
            ((by_token, by_pixel),) = masses(network, image, last=True)
            found.append((share_of_mass(by_token), share_of_mass(by_pixel)))
    tokens, pixels = zip(*found, strict=True)
    return fmean(tokens), fmean(pixels)


def masses(network: Any, images: Tensor, last: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """For each layer, or the last, the mass of its central output's derivative: by token `b y x`, by pixel `b Y X`."""
    images = images.clone().requires_grad_()
    tokens, outputs = passed(network, images)
    for out in outputs[-1:] if last else outputs:
        centre = out[:, out.shape[1] // 2, out.shape[2] // 2]  # b d
        along = centre @ torch.randn_like(centre[0])  # b
        by_token, by_pixel = torch.autograd.grad(along.sum(), [tokens, images], retain_graph=True)
        yield by_token.abs().sum(-1), by_pixel.abs().sum(1)


def passed(network: Any, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What enters the first layer, and what each layer returns: `b y x d`, with their graph."""
    entered: list[Tensor] = []
    outputs: list[Tensor] = []
    layers = network.layers()
    hooks = [layer.register_forward_hook(lambda _, args, out: outputs.append(out)) for layer in layers]
    hooks.append(layers[0].register_forward_pre_hook(lambda _, args: entered.append(args[0])))
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return entered[0], outputs


def settled(network: nn.Module, images: Tensor) -> nn.Module:
    """The network in eval mode, its batch norms with the statistics of these images."""
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over what comes
    if norms:
        with torch.no_grad():
            network.train()(images)
    return network.eval()


def moved(network: nn.Module) -> nn.Module:
    """The network with noise added to every parameter, so that none is zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=MOVED)
    return network


def share_seen(mass: Tensor) -> float:
    """`b y x` -> the share of places with any mass for any image: what one hides behind a ReLU, another shows."""
    return float((mass > 0).any(0).double().mean())


def share_of_mass(mass: Tensor) -> float:
    """`b y x` -> the least share of places that holds MASS of it; the mean over images."""
    ordered = mass.flatten(1).double().sort(descending=True).values  # b n
    gathered = ordered.cumsum(1) / ordered.sum(1, keepdim=True)
    return float(((gathered < MASS).sum(1) + 1).double().mean() / ordered.shape[1])


def seen(block: nn.Module, grid: Grid, dim: int, query: tuple[int, int]) -> Tensor:
    """`y x`: whether the output of `block` at the row and column `query` changes with the input at each place.

    The block maps `b y x d` to `b y x d`, or to a grid of its own of which `query` is a place. It is left as it is: a
    copy in float64 gets weights from a fixed seed, so that the same block always gives the same answer.
    """
    block = deepcopy(block).double().eval()
    generator = torch.Generator().manual_seed(0)
    found = torch.zeros(grid.y, grid.x, dtype=torch.bool)
    for _ in range(DRAWS):
        for parameter in block.parameters():
            nn.init.normal_(parameter, std=DEVIATION, generator=generator)
        found |= derivative(block, grid, dim, query, generator).abs().amax(-1) > 0
    return found


def derivative(block: nn.Module, grid: Grid, dim: int, query: tuple[int, int], generator: torch.Generator) -> Tensor:
    """`y x d`: the derivative of a random direction of the query's output, at a random input."""
    x = torch.randn(1, grid.y, grid.x, dim, dtype=torch.float64, generator=generator).requires_grad_()
    out = block(x)[0, query[0], query[1]]  # d
    direction = torch.randn(out.shape, dtype=torch.float64, generator=generator)
    (slope,) = torch.autograd.grad(out @ direction, x)
    return slope[0]
