"""The backend `flex`: softmax attention through flex_attention, which torch compiles for each shape that it meets.

Whatever calls `scaled_dot_product_attention` of torch.nn.functional calls this instead. It takes the function's place
there, since a TorchFunctionMode would be asked about every operator of a network, for a microsecond each.
Compiling falls into the pass that warms up. Uncompiled, flex_attention would store the n x n weights: it never runs so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

from suite.case import Case

SHAPES = 64  # for which the kernel may be compiled in one network; beyond them torch refuses
LEAST_WIDTH = 16  # of a head on CUDA: the narrowest product of Triton's


class NotTakenError(RuntimeError):
    """flex_attention does not take what a network asks of it, or the network never asks."""


def refusal(case: Case) -> str:
    """Why the case is not tried with this backend; empty where it is."""
    if case.backend != "flex":
        return ""
    if case.compiled:
        return "flex_attention is compiled by itself: choose --compile no, or --backend sdpa"
    if case.device == "cpu" and case.mode == "train":
        return "flex_attention has no gradients on the CPU: choose --backend sdpa, or --device cuda"
    return ""


@contextmanager
def flex() -> Iterator[None]:
    """Meanwhile softmax attention is flex_attention. NotTakenError at the end if there was none."""
    import suite.compiled  # noqa: F401  # here, because the compiler takes seconds to load; it does so without a warning

    plain, calls = F.scaled_dot_product_attention, 0

    def stand_in(query: Tensor, *others: Any, **options: Any) -> Tensor:
        nonlocal calls
        if query.is_meta:  # simulated: see suite/meta.py
            return plain(query, *others, **options)
        calls += 1
        return attention(query, *others, **options)

    F.scaled_dot_product_attention = stand_in
    try:
        with torch._dynamo.config.patch(recompile_limit=SHAPES):
            yield
    finally:
        F.scaled_dot_product_attention = plain
    if not calls:
        raise NotTakenError("there is no softmax attention that flex_attention could take: choose --backend sdpa")


def attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """Signature and result of scaled_dot_product_attention, by the compiled kernel. NotTakenError says why not."""
    if dropout_p or is_causal:
        raise NotTakenError("here flex_attention has neither dropout nor a causal mask: choose --backend sdpa")
    if query.is_cuda and (width := min(query.shape[-1], value.shape[-1])) < LEAST_WIDTH:
        raise NotTakenError(f"on CUDA flex_attention takes heads from {LEAST_WIDTH} channels, not {width}")
    if query.dim() == 3:  # without heads
        mask = attn_mask if attn_mask is None or attn_mask.dim() < 3 else attn_mask[:, None]
        query, key, value = (t[:, None] for t in (query, key, value))  # b 1 n e
        return attention(query, key, value, mask, scale=scale)[:, 0]
    if attn_mask is not None:
        attn_mask = attn_mask.view((1,) * (4 - attn_mask.dim()) + attn_mask.shape)
    try:
        return kernel()(query, key, value, attn_mask, scale, enable_gqa)
    except RuntimeError as error:
        if "out of resource" not in str(error):
            raise
        heads = f"heads of {query.shape[-1]} and {value.shape[-1]} channels in {query.dtype}"
        raise NotTakenError(f"no flex_attention for {heads} fits this device: choose --backend sdpa") from error


@cache
def kernel() -> Callable[..., Tensor]:
    """`attend`, compiled for each shape by itself; a failure is an error, never the uncompiled form."""
    return torch.compile(attend, fullgraph=True, dynamic=False)


def attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float | None, shares_keys: bool
) -> Tensor:
    """`b h n e`, `b h m e`, `b h m f` -> `b h n f`. `bias`, or a mask, is `b h n m`, of size 1 where all are alike."""
    if bias is None:
        return flex_attention(query, key, value, scale=scale, enable_gqa=shares_keys)
    told, varies = bias.squeeze(), [size > 1 for size in bias.shape]

    def with_bias(score: Tensor, *places: Tensor) -> Tensor:
        here = told[tuple(place for place, vary in zip(places, varies, strict=True) if vary)]
        return torch.where(here, score, -torch.inf) if told.dtype == torch.bool else score + here

    return flex_attention(query, key, value, score_mod=with_bias, scale=scale, enable_gqa=shares_keys)


def forget() -> None:
    """Drops what was compiled for other networks: torch would look through all of it at every call."""
    torch._dynamo.reset()
