"""Meta tensors at the price of a look-up: each operator's shapes are worked out once for equal arguments.

Torch works out shapes of meta tensors in Python, which takes as long as small kernels do; networks ask for the same
few hundreds again and again, layer by layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from suite.alike import alike
from suite.form import described, made, signature
from suite.work import Cost, tensors_of

KNOWN: dict[Any, Known] = {}  # by operator and arguments
FUNCTIONAL: dict[Any, bool] = {}


class Known:
    """What is known of calls with equal arguments."""

    __slots__ = ("cost", "out")

    def __init__(self) -> None:
        self.out: tuple[Any] | None = None  # the forms of what it returns, if it does nothing but return
        self.cost: Cost | None = None


def run_on_meta(func: Any, args: Any, kwargs: Any) -> Any:
    """What `func(*args, **kwargs)` returns for meta tensors."""
    return called(func, args, kwargs)[0]


def recalled(func: Any, args: Any, kwargs: Any) -> tuple[Any] | None:
    """What such a call returns, if it is known already: nothing is worked out."""
    try:
        known = KNOWN.get((func, signature(args), signature(tuple(kwargs.items()))))
    except TypeError:  # what cannot be hashed is not kept
        return None
    return None if known is None or known.out is None else (made(known.out[0]),)


def called(func: Any, args: Any, kwargs: Any) -> tuple[Any, Known]:
    """The same, and what is known of such a call, to be added to."""
    call = (func, signature(args), signature(tuple(kwargs.items())))
    try:
        known = KNOWN.get(call)
    except TypeError:  # what cannot be hashed is not kept
        return func(*args, **kwargs), Known()
    if known is not None and known.out is not None:
        return made(known.out[0]), known
    if functional(func) and all(tensor.is_meta for tensor in tensors_of([*args, *kwargs.values()])):
        out = alike(func, args, kwargs)
    else:
        out = func(*args, **kwargs)
    if known is None:
        known = KNOWN[call] = Known()
        if functional(func) and all(tensor.is_meta for tensor in tensors_of(out)):  # others hold numbers
            known.out = (described(out),)
    return out, known


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
