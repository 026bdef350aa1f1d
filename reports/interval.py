"""Intervals of 95 %, and the ranks that they allow.

What is repeated decides the interval: processes for a latency, seeds for an accuracy.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean, median

STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)  # 97.5 % points, 1 to 10 degrees
EXACT_FROM = 6  # the fewest values whose extremes cover their median with 95 %


def student(degrees: int) -> float:
    """The 97.5 % point of Student's t; beyond the table by the Cornish-Fisher expansion, right to three digits."""
    if degrees <= len(STUDENT):
        return STUDENT[degrees - 1]
    z = NormalDist().inv_cdf(0.975)
    second, third = 5 * z**5 + 16 * z**3 + 3 * z, 3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z
    return z + (z**3 + z) / (4 * degrees) + second / (96 * degrees**2) + third / (384 * degrees**3)


def of_mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, low and high: Student's interval over two values or more."""
    centre = fmean(values)
    spread = math.sqrt(sum((v - centre) ** 2 for v in values) / (len(values) - 1))
    half = student(len(values) - 1) * spread / math.sqrt(len(values))
    return centre, centre - half, centre + half


def of_median(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, low and high, over two values or more.

    Six and more: order statistics, which assume nothing of the distribution. Fewer: Student's interval of the
    logarithms (times are skewed and positive), widened to hold the median.
    """
    if len(values) >= EXACT_FROM:
        return _order_statistics(sorted(values))
    centre = median(values)
    if min(values) <= 0:
        _, low, high = of_mean(values)
    else:
        _, low, high = (math.exp(x) for x in of_mean([math.log(v) for v in values]))
    return centre, min(low, centre), max(high, centre)


def _order_statistics(values: list[float]) -> tuple[float, float, float]:
    """The narrowest symmetric pair of order statistics that covers the median with 95 %."""
    n, below, outside = len(values), 0, 0.5 ** len(values)
    while outside + math.comb(n, below + 1) * 0.5**n <= 0.025:
        below += 1
        outside += math.comb(n, below) * 0.5**n
    return median(values), values[below], values[n - 1 - below]


def possible_ranks(intervals: Iterable[tuple[float, float]]) -> list[tuple[int, int]]:
    """For each interval the first and last rank that it may hold, the lowest being 1.

    One is ahead of another only if its interval ends before the other's begins. Those whose first rank is 1 all
    overlap each other: they hold the lowest of all upper ends.
    """
    spans = list(intervals)
    lows, highs = sorted(low for low, _ in spans), sorted(high for _, high in spans)
    return [(1 + bisect_left(highs, low), bisect_right(lows, high)) for low, high in spans]
