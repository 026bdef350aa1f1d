"""Noise of pixels: normal numbers, each a function of an image's key and of the pixel's place in the image alone.

The bits are MurmurHash3's finaliser (Appleby 2011, public domain) of place and key, in whole numbers that wrap around
at 2³², so that every device makes the same; the inverse of the normal distribution follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from variants.contract import Grid

STEP, FIRST, SECOND = 0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35  # odd multipliers


@dataclass(frozen=True)
class Noise:
    """The same grey added to red, green and blue, drawn anew for each pixel at every size, as a camera would."""

    strength: float  # one standard deviation, of the range from black to white
    key: Tensor  # b in int64, below 2^32

    def of(self, size: Grid) -> Tensor:
        """`b 1 Y X`."""
        bits = hashed(torch.arange(size.n, device=self.key.device), self.key)  # b (Y X)
        return normal(bits).mul_(self.strength).view(-1, 1, size.y, size.x)


def normal(bits: Tensor) -> Tensor:
    """The normal number below which lies the share of the distribution that the upper 23 bits of int32 tell."""
    share = shifted(bits, 9).float().add_(0.5).mul_(2**-23)  # exact in float32, so neither 0 nor 1
    return share.mul_(2).sub_(1).erfinv_().mul_(sqrt(2))


def hashed(place: Tensor, key: Tensor) -> Tensor:
    """32 bits as int32 `b n` for places `n` and keys `b`, both int64."""
    bits = signed(place * STEP)[None] ^ signed(key)[:, None]
    for shift, factor in ((16, FIRST), (13, SECOND)):
        bits ^= shifted(bits, shift)
        bits *= signed_number(factor)
    bits ^= shifted(bits, 16)
    return bits


def shifted(bits: Tensor, by: int) -> Tensor:
    """int32 shifted to the right, zeros coming in from the left."""
    return (bits >> by).bitwise_and_(2 ** (32 - by) - 1)


def signed(whole: Tensor) -> Tensor:
    """The lower 32 bits of int64 as int32."""
    return (((whole & (2**32 - 1)) ^ 2**31) - 2**31).int()


def signed_number(whole: int) -> int:
    return ((whole & (2**32 - 1)) ^ 2**31) - 2**31
