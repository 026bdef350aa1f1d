"""Spread: how far processes differ, learnt from all cases that a machine repeated.

Two processes say little of it: Student's interval over them is 12.7 standard errors wide, each way. But a sweep repeats
many cases on one machine, and their spreads have a law of their own. With the variance s² of the logarithms of one
case, of d degrees of freedom,

    s̃² = (d₀ s₀² + d s²) / (d₀ + d)             Student's interval of s̃², of d₀ + d degrees

where s₀² and d₀ are fitted to the moments of ln s² over all cases: d₀ is large where spreads are alike, and near 0
where each case has its own, and then nothing is borrowed. The degrees are never more than those of all cases together.

Source   Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3(1), article 3, section 6.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, variance

from scipy.optimize import brentq
from scipy.special import digamma, polygamma, stdtrit

from reports.interval import EXACT_FROM, of_median

LEAST = 8  # cases that a law is fitted to
ENDS = -20.0, 20.0  # of ln d₀/2


@dataclass(frozen=True)
class Law:
    """How the variances of the cases are distributed: s₀² times d₀ over a chi-square of d₀ degrees."""

    variance: float
    degrees: float  # infinite: all are alike
    pooled: int  # degrees of freedom of all cases together


def law(cases: Sequence[Sequence[float]]) -> Law | None:
    """The law of cases of two positive values or more; None where too few of them vary."""
    logs = [[math.log(value) for value in values] for values in cases if len(set(values)) > 1]
    if len(logs) < LEAST:
        return None
    halves = [(len(values) - 1) / 2 for values in logs]
    told = [math.log(variance(v)) - digamma(h) + math.log(h) for v, h in zip(logs, halves, strict=True)]
    more = variance(told) - fmean(float(polygamma(1, h)) for h in halves)  # than equal variances would show
    pooled = sum(len(values) - 1 for values in logs)
    if more <= polygamma(1, math.exp(ENDS[1])):
        squares = sum((len(values) - 1) * variance(values) for values in logs)
        return Law(squares / pooled, math.inf, pooled)
    half = math.exp(brentq(lambda x: float(polygamma(1, math.exp(x))) - more, *ENDS))
    return Law(math.exp(fmean(told) + digamma(half) - math.log(half)), 2 * half, pooled)


def moderated(values: Sequence[float], by: Law) -> tuple[float, float, float]:
    """Median, low and high of two positive values or more, with the spread that the law lends them; 95 %."""
    logs, centre, own = [math.log(value) for value in values], median(values), len(values) - 1
    degrees = min(by.degrees + own, by.pooled)
    lent = 1.0 if math.isinf(by.degrees) else by.degrees / (by.degrees + own)
    spread = lent * by.variance + (1 - lent) * variance(logs)
    half = float(stdtrit(degrees, 0.975)) * math.sqrt(spread / len(values))
    return centre, min(centre, math.exp(fmean(logs) - half)), max(centre, math.exp(fmean(logs) + half))


def intervals(cases: Sequence[Sequence[float]]) -> list[tuple[float, float, float]]:
    """Median, low and high of each case of one machine, two positive values or more: as a report has them."""
    by = law([values for values in cases if len(values) < EXACT_FROM])
    return [moderated(values, by) if by and len(values) < EXACT_FROM else of_median(values) for values in cases]
