"""Meta tensors at the price of a look-up: each operator's shapes are worked out once for equal arguments.

Torch works out shapes of meta tensors in Python, which takes as long as small kernels do; networks ask for the same
few hundreds again and again, layer by layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from suite.account import tensors_of

KNOWN: dict[Any, Any] = {}  # (operator, arguments) -> outputs, each as (shape, strides, dtype)
FUNCTIONAL: dict[Any, bool] = {}


def run_on_meta(func: Any, args: Any, kwargs: Any) -> Any:
    """What `func(*args, **kwargs)` returns for meta tensors."""
    key = key_of(func, args, kwargs)
    if key in KNOWN:
        return made(KNOWN[key])
    out = func(*args, **kwargs)
    if key is not None and all(tensor.is_meta for tensor in tensors_of(out)):  # others hold numbers, not only shapes
        KNOWN[key] = described(out)
    return out


def key_of(func: Any, args: Any, kwargs: Any) -> Any:
    """What is equal for calls that return the same shapes. None for a call whose shapes are not to be remembered."""
    if not functional(func):
        return None
    key = (func, signature(args), signature(tuple(kwargs.items())))
    try:
        hash(key)
    except TypeError:
        return None
    return key


class Remembered(TorchDispatchMode):
    """Runs operators on meta tensors by `run_on_meta`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run_on_meta(func, args, kwargs or {})


def functional(func: Any) -> bool:
    """Whether the operator returns tensors of its own, in memory of their own, and changes none."""
    if func not in FUNCTIONAL:
        arguments, returns = func._schema.arguments, func._schema.returns
        shares = any(a.alias_info for a in (*arguments, *returns)) or func is torch.ops.aten._unsafe_view.default
        FUNCTIONAL[func] = bool(returns) and not shares
    return FUNCTIONAL[func]


def signature(value: Any) -> Any:
    """Something hashable that is equal for arguments which lead to the same shapes."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device.type
    if isinstance(value, list | tuple):
        return tuple([signature(v) for v in value])
    return type(value), value


def described(out: Any) -> Any:
    """Tensors as (shape, strides, dtype, device), lists and tuples of them as such, all else as it is."""
    if isinstance(out, Tensor):
        return Described(out)
    return type(out)(described(o) for o in out) if isinstance(out, list | tuple) else out


def made(description: Any) -> Any:
    """New meta tensors from what `described` returned."""
    if isinstance(description, Described):
        return description.make()
    return type(description)(made(d) for d in description) if isinstance(description, list | tuple) else description


class Described:
    """Shape, strides, dtype and device of a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.like = (tensor.shape, tensor.stride())
        self.options: dict[str, Any] = {"dtype": tensor.dtype, "device": tensor.device}

    def make(self) -> Tensor:
        return torch.empty_strided(*self.like, **self.options)
