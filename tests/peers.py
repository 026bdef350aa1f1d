"""What a comparison with a public implementation needs: its weights in ours, and how far the outputs lie apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def scrambled(network: nn.Module) -> Any:
    """The network in float64 for inference, every weight and every running statistic drawn anew.

    Weights neither amplify nor fade what goes through them, so that each is seen in the output.
    """
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            fan_in = max(tensor.numel() // max(len(tensor), 1), 1)
            drawn = torch.rand_like(tensor) + 0.5 if tensor.dim() == 1 else torch.randn_like(tensor) * fan_in**-0.5
            tensor.copy_(drawn)
    return network.double().eval()


def given(ours: nn.Module, theirs: Iterable[Tensor]) -> Any:
    """Our network with their tensors, taken in our order; a convolution's kernel fits a linear layer of its size."""
    state, values = ours.double().eval().state_dict(), list(theirs)
    assert len(state) == len(values)
    for (name, tensor), value in zip(state.items(), values, strict=True):
        assert tensor.numel() == value.numel(), f"{name}: {tuple(tensor.shape)} from {tuple(value.shape)}"
        tensor.copy_(value.reshape(tensor.shape))
    return ours


def relative_error(ours: nn.Module, theirs: nn.Module, *shape: int) -> float:
    images = torch.randn(shape, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs(images)
        return float((ours(images) - expected).norm() / expected.norm())
