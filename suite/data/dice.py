"""Dice: the chance in scenes. What falls is a function of a key, an image's index and the order of the throws alone."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from suite.data.device import sent

FACES = 512  # uniform numbers drawn for each image; a scene may use fewer


class Dice:
    """Uniform numbers for a batch of images, handed out in order.

    The numbers are raw output of the counter-based generator Philox (Salmon et al. 2011), whose stream NumPy promises
    never to change: the key comes from a text, the counter from the index. So an image does not depend on its batch.
    """

    def __init__(self, key: str, indices: Sequence[int], device: str = "cpu") -> None:
        number = int.from_bytes(sha256(key.encode()).digest()[:16], "little")
        raw = np.empty((len(indices), FACES), dtype=np.uint64)
        for row, index in zip(raw, indices, strict=True):
            row[:] = np.random.Philox(key=number, counter=int(index) << 64).random_raw(FACES)
        uniform = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)  # 24 bits: exact in float32
        self.uniform = sent(torch.from_numpy(uniform), device)  # b FACES, in [0, 1)
        self.used = 0

    def throw(self, count: int) -> Tensor:
        """`b count` numbers, uniform in [0, 1), that nobody had before."""
        assert self.used + count <= FACES, f"a scene takes at most {FACES} numbers"
        self.used += count
        return self.uniform[:, self.used - count : self.used]

    def between(self, low: float, high: float, count: int = 1) -> Tensor:
        """`b count` numbers, uniform in [low, high)."""
        return low + (high - low) * self.throw(count)

    def whole(self, end: int, count: int = 1) -> Tensor:
        """`b count` whole numbers in int64, from 0 to end - 1, each as likely as the others."""
        return (self.throw(count) * end).long()

    def order(self, count: int) -> Tensor:
        """`b count`: the numbers from 0 to count - 1 in an order of chance."""
        return self.throw(count).argsort(dim=1)
