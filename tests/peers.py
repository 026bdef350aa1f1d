"""What a comparison with a public implementation needs: its weights in ours, and how far the outputs lie apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from variants.contract import Grid
from variants.recipe import Recipe

TOLERANCE = 1e-10  # relative error, in float64


def drawn(network: nn.Module) -> Any:
    """The network in float64 for inference, every weight and every running statistic drawn anew.

    Weights neither amplify nor fade what goes through them, so that each is seen in the output.
    """
    network = network.double().eval()
    for name, t in network.state_dict().items():
        if name.endswith("running_var"):
            t.uniform_(0.5, 1.5)
        elif t.is_floating_point() and t.dim() < 2:
            t.normal_(1.0 if name.endswith("weight") else 0.0, 0.1)
        elif t.is_floating_point():
            t.normal_(0.0, (t[0].numel() if name.endswith("weight") else t.shape[-1]) ** -0.5)
    return network


def built(recipe: Recipe, side: int, classes: int = 10) -> Any:
    """The network for square images, drawn."""
    return drawn(recipe.build("classification", classes, Grid(side, side)))


def given(ours: nn.Module, theirs: Iterable[Tensor]) -> Any:
    """Our network in float64 with their tensors, taken in our order; a matrix may be a 1 x 1 convolution."""
    state, values = ours.double().eval().state_dict(), list(theirs)
    assert len(state) == len(values)
    for (name, tensor), value in zip(state.items(), values, strict=True):
        assert tensor.numel() == value.numel(), f"{name}: {tuple(tensor.shape)} from {tuple(value.shape)}"
        tensor.copy_(value.reshape(tensor.shape))
    return ours


def copy(*pairs: tuple[Any, Any]) -> None:
    """Into each left module or tensor, all that the right one holds; a matrix may be a 1 x 1 convolution."""
    for ours, theirs in pairs:
        mine, its = ([m.data] if isinstance(m, Tensor) else list(m.state_dict().values()) for m in (ours, theirs))
        for to, t in zip(mine, its, strict=True):
            to.copy_(t.reshape(to.shape))


def error(ours: Tensor, theirs: Tensor) -> float:
    """How far ours lie from theirs, over the length of theirs."""
    return float((ours.flatten() - theirs.flatten()).norm() / theirs.norm())


def agree(ours: nn.Module, theirs: nn.Module, *shape: int) -> None:
    """Both say the same of images that neither has seen."""
    images = torch.randn(shape, dtype=torch.float64)
    with torch.no_grad():
        assert error(ours(images), theirs(images)) < TOLERANCE
