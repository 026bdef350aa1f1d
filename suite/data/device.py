"""What gets from the host to a device without waiting for what the device still has to do.

`torch.tensor` and `.to` copy from memory that may be paged out, and so wait until all queued work is done: on CUDA a
training step would end before the next batch is drawn.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

Values = tuple[float, ...] | tuple[tuple[float, ...], ...]


def constant(values: Values, like: Tensor) -> Tensor:
    """The values on the device of `like`, in its dtype; made once, so never to be changed."""
    return made(values, like.dtype, like.device)


@cache
def made(values: Values, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor that training can use too, even if a test under `torch.inference_mode` was the first to ask for it."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def sent(tensor: Tensor, device: str) -> Tensor:
    """The tensor on the device."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor.to(device)
