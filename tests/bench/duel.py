"""Two modules timed in turn, and the peak memory of each. Times are CPU seconds of this process, which has one thread.

Blocks alternate, ABAB, so that whatever slows the machine slows both; every block has an input of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from statistics import median

import torch
from torch import Tensor, nn

from suite.memory import profiled_peak

BLOCK_SECONDS = 0.03


@dataclass(frozen=True)
class Side:
    """A module, and what makes an input for it."""

    module: nn.Module
    fresh: Callable[[], Tensor]


@dataclass(frozen=True)
class Ratio:
    """Ours to theirs: the median over rounds, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def run(module: nn.Module, x: Tensor, backward: bool) -> Tensor:
    """The output of one pass, which leaves no gradients."""
    if not backward:
        with torch.no_grad():
            return module(x)
    x.requires_grad_(True)
    out: Tensor = module(x)
    out.backward(torch.ones_like(out))
    module.zero_grad(set_to_none=True)
    x.grad = None
    return out.detach()


def seconds(side: Side, backward: bool, repeats: int) -> float:
    """Of one pass, the mean over a block."""
    x = side.fresh()
    run(side.module, x, backward)
    start = time.process_time()
    for _ in range(repeats):
        run(side.module, x, backward)
    return (time.process_time() - start) / repeats


def time_ratios(ours: Side, theirs: Side, backward: bool, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a pass of ours and of theirs, for each round. Every second round begins with theirs."""
    for side in (ours, theirs):
        side.module.train(backward)
    repeats = [max(1, round(BLOCK_SECONDS / seconds(side, backward, 2))) for side in (ours, theirs)]
    pairs = []
    for i in range(rounds):
        order = (0, 1) if i % 2 == 0 else (1, 0)
        taken = {j: seconds((ours, theirs)[j], backward, repeats[j]) for j in order}
        pairs.append((taken[0], taken[1]))
    return pairs


def ratio_of(pairs: list[tuple[float, float]]) -> Ratio:
    """The median ratio; its interval is between order statistics, those of a sign test."""
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    cut = cut_of(len(ratios))
    return Ratio(median(ratios), ratios[cut], ratios[-1 - cut])


def cut_of(n: int) -> int:
    """How many of n sorted values to leave out at each end, so that the rest holds the median 95 times of 100."""
    cut, outside = 0, 2 / 2**n
    while outside + 2 * comb(n, cut + 1) / 2**n <= 0.05:
        cut += 1
        outside += 2 * comb(n, cut) / 2**n
    return cut


def peak_bytes(side: Side, backward: bool) -> int:
    """The most that a warm pass allocates beyond the parameters and its input."""
    side.module.train(backward)
    x = side.fresh()
    run(side.module, x, backward)
    return profiled_peak(lambda: run(side.module, x, backward)).size
