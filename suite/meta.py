"""Passes over tensors on the meta device, which have shapes and no memory: their account, and their attention.

Attention takes the kernel that it would take on the CPU. So does flex_attention, which stores no weights either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend
from torch.nn.functional import scaled_dot_product_attention  # by this name: suite/flex.py takes its place in F
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import _disable_current_modes

from suite.account import Account
from suite.shapes import called
from suite.step import attention_backend
from suite.work import Work


@contextmanager
def on_meta(backend: str) -> Iterator[None]:
    """Where passes on the meta device take place."""
    with attention_backend("sdpa" if backend == "flex" else backend), OnMeta(backend == "math"):
        yield


class MetaAccount(Account):
    """The account of a pass over meta tensors. What it knows of a call, it does not work out again."""

    def run(self, work: Work, func: Any, args: Any, kwargs: Any) -> Any:
        if work.ignored:
            return func(*args, **kwargs)
        out, known = called(func, args, kwargs)
        known.cost = known.cost or work.cost(args, kwargs, out)
        self.note(known.cost, out)
        return out


class OnMeta(TorchFunctionMode):
    """New tensors lie on the meta device, as under `torch.device`; attention there takes the kernel of the CPU.

    Torch would give it the plain form. One mode for both: each is asked about every call.
    """

    def __init__(self, plain: bool) -> None:
        super().__init__()
        self.plain = plain

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention and not self.plain and fuses(*args, **kwargs):
            return fused_attention(*args, **kwargs)
        if func in _device_constructors() and kwargs.get("device") is None:
            return func(*args, **kwargs | {"device": "meta"})
        return func(*args, **kwargs)


def fused_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """The signature of scaled_dot_product_attention, by the kernel of the CPU, which shares keys by itself."""
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.where(attn_mask, 0.0, torch.full((), -torch.inf, dtype=query.dtype, device=query.device))
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]


def fuses(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **options: Any
) -> bool:
    """Whether torch takes the fused kernel on the CPU. How many images and places there are makes no difference."""
    kinds = [(few(t.shape, t.shape[-1]), t.stride(-1) == 1, t.dtype, t.requires_grad) for t in (query, key, value)]
    if attn_mask is not None:
        kinds.append((few(attn_mask.shape, 2), True, attn_mask.dtype, attn_mask.requires_grad))
    return takes_fused_kernel(tuple(kinds), torch.is_grad_enabled(), args, tuple(sorted(options.items())))


def few(shape: torch.Size, last: int) -> tuple[int, ...]:
    """`... h n e` with at most two of everything but heads, and of e at most `last`."""
    return (*(min(size, 2) for size in shape[:-3]), *shape[-3:-2], min(shape[-2], 2), min(shape[-1], last))


@cache
def takes_fused_kernel(kinds: tuple[Any, ...], grad: bool, args: tuple[Any, ...], options: tuple[Any, ...]) -> bool:
    """Asks torch, with tensors of these (shape, whether the last axis is the innermost, dtype, needs gradient)."""
    with _disable_current_modes(), torch.set_grad_enabled(grad):
        tensors: list[Any] = []
        for shape, innermost, dtype, needs in kinds:
            tensor = torch.empty(shape, dtype=dtype)
            tensors.append((tensor if innermost else tensor.mT.contiguous().mT).requires_grad_(needs))
        choice = torch._fused_sdp_choice(*tensors, *[None] * (4 - len(tensors)), *args, **dict(options))
    return bool(choice == SDPBackend.FLASH_ATTENTION.value)
