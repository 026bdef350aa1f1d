"""What the samples of one process say: the interval of their median, and whether there are enough of them.

The interval is that of order statistics, 95 %: it assumes nothing of the shape of the noise, but speaks for this
process only.
"""

from __future__ import annotations

from functools import cache
from statistics import median, quantiles

NARROW = 0.01  # an interval of the median this wide, relative to it, is enough
FEW, MANY = 6, 32  # samples: six is the least that has a 95 % interval, from 32 on the noise can be judged


def interval_of_median(samples: list[float]) -> tuple[float, float] | tuple[None, None]:
    """The narrowest symmetric pair of order statistics that holds the median with 95 %; none below six samples."""
    ordered, n = sorted(samples), len(samples)
    if n < FEW:
        return None, None
    k = rank(n)
    return ordered[k - 1], ordered[n - k]


@cache
def rank(n: int) -> int:
    """The largest k for which the k-th smallest and k-th largest of n samples enclose the median with 95 %."""
    k, below, ways = 0, 1, 1  # ways to have k samples below the median, and k or fewer
    while 40 * below <= 2**n:  # of 2ⁿ equal chances, one in 40 on either side
        k += 1
        ways = ways * (n - k + 1) // k
        below += ways
    return k


def enough(samples: list[float]) -> str:
    """Why no more samples are needed: `interval`, `noise`, or nothing while they are."""
    low, high = interval_of_median(samples)
    if low is not None and high is not None and high - low < NARROW * median(samples):
        return "interval"
    return "noise" if len(samples) >= MANY and len(samples) % 8 == 0 and noise_is_stable(samples) else ""


def noise_is_stable(samples: list[float]) -> bool:
    """Whether the relative spread of the first half, the second half and the whole agree within a tenth."""
    half = len(samples) // 2
    spreads = [relative_spread(part) for part in (samples[:half], samples[half:], samples)]
    return max(spreads) <= 1.1 * min(spreads)


def relative_spread(samples: list[float]) -> float:
    """The distance between the quartiles over the median."""
    low, middle, high = quantiles(samples, n=4)
    return (high - low) / middle


def settled(times: list[float]) -> bool:
    """Whether the last five differ by under 1 %."""
    return len(times) >= 5 and max(times[-5:]) < min(times[-5:]) * (1 + NARROW)
