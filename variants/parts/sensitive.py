"""Position-sensitive attention along one axis: queries, keys and values all know how far apart they are."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from variants.parts.norm import BatchNorm1d, BatchNorm2d
from variants.parts.position import offsets, resized


class Offsets(nn.Module):
    """Learned vectors for the offsets between the places of a line: r_q and r_k of e/2 channels, r_v of e."""

    grows: ClassVar[bool] = True

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.width = width
        self.table = nn.Parameter(torch.randn(1, 2 * width, 2 * length - 1) * width**-0.5)

    def forward(self, length: int) -> tuple[Tensor, ...]:
        """r_q, r_k, r_v as `channels m m`: of each query and key."""
        table = resized(self.table, (2 * self.width, 2 * length - 1))[0]
        of_pairs = table[:, offsets(length, length, table.device)]  # 2e m m
        return of_pairs.split([self.width // 2, self.width // 2, self.width])

    def stretched(self, table: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The vectors of a line of another length, on one of this table's shape."""
        return resized(table, (shape[1], shape[2]))


class Sensitive(nn.Module):
    """Position-sensitive attention along the last axis but one: `b lines m d` -> the same (2003.07853, equation 4)."""

    def __init__(self, dim: int, heads: int, length: int) -> None:
        super().__init__()
        self.dim, self.heads, self.width = dim, heads, dim // heads
        self.to_qkv, self.qkv_norm = nn.Linear(dim, 2 * dim, bias=False), BatchNorm1d(2 * dim)
        self.offsets = Offsets(self.width, length)
        self.logit_norm, self.out_norm = BatchNorm2d(3 * heads), BatchNorm1d(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        b, lines, m, d = x.shape
        qkv = self.qkv_norm(self.to_qkv(x).flatten(0, 2)).view(b * lines, m, self.heads, -1)  # (b lines) m h 2e
        q, k, v = qkv.split([self.width // 2, self.width // 2, self.width], -1)
        r_q, r_k, r_v = self.offsets(m)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # (b lines) h m e
        terms = q @ k.mT, met(q, r_q.transpose(0, 1)), met(k, r_k.permute(2, 0, 1)).mT
        logits = self.logit_norm(torch.cat(terms, 1))  # (b lines) 3h m m
        weights = logits.unflatten(1, (3, self.heads)).sum(1).softmax(-1)  # (b lines) h m m
        mixed = torch.stack([weights @ v, met(weights, r_v.permute(1, 2, 0))], -1)  # (b lines) h m e 2
        out = mixed.transpose(1, 2).reshape(-1, 2 * d)  # (b lines m) 2d
        return self.out_norm(out).view(b, lines, m, d, 2).sum(-1)

    def macs(self, lines: int, m: int) -> int:
        """Multiply-adds for so many lines of m places: a projection, three terms of logits, two of outputs."""
        return lines * m * (2 * self.dim**2 + m * 3 * self.dim // 2 + 2 * m * self.dim)


def met(t: Tensor, table: Tensor) -> Tensor:
    """`b h m e` and a table `m e f`, each place with its own part of it -> `b h m f`."""
    b, h, m, e = t.shape
    return (t.permute(2, 0, 1, 3).reshape(m, b * h, e) @ table).view(m, b, h, -1).permute(1, 2, 0, 3)
