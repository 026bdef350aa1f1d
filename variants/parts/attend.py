"""Softmax attention, by the fused kernel wherever it can be used."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, scale: float | None = None) -> Tensor:
    """softmax(scale q kᵀ + bias) v: `b h n e`, `b h m e`, `b h m c` and what broadcasts to `b h n m` -> `b h n c`.

    `scale` is 1 / √e where it is not given. Each query must see a key. Away from CUDA the fused kernel has no gradient
    for a bias, and torch's own plain form looks for queries that see none, at half the cost of all; this one does not.
    """
    if bias is not None and bias.requires_grad and not q.is_cuda:
        weights = (q * (q.shape[-1] ** -0.5 if scale is None else scale) @ k.mT).add_(bias)  # b h n m
        del bias  # it may be as large, and a caller that does not name it has it no longer
        weights = weights.softmax(-1)
        return weights @ v
    if bias is not None and q.is_cuda:  # the kernels there copy a bias whose rows are not aligned, as it is given
        bias = bias[(None,) * (q.dim() - bias.dim())]
    elif bias is not None:
        bias = bias.expand(*q.shape[:-1], k.shape[-2])
    return F.scaled_dot_product_attention(q, k, v, bias, scale=scale)
