"""Accuracy as a measurement: which designs the seeds tell apart, and whether a loss still fell.

Designs are compared seed by seed, since one seed shows all of them the same images, as long as they saw as many:

    difference_s = score of one - score of the other, at seed s        Student's t of their mean, over seeds
    better       = how often a seed of one scores above a seed of the other, of all such pairs, equal ones half

Of all pairs, those are told apart whose probability is below 5 % after Holm's step-down for the number of pairs.
Over several families, shares of the way from chance to ceiling are pooled: their interquartile mean (2108.13264).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import sqrt
from random import Random
from statistics import fmean, linear_regression

from scipy.special import stdtr

from reports.frame import Row
from reports.interval import of_mean, student
from suite.record import Record

ALPHA = 0.05
PART = 1 / 3  # of a training, its end, over which the fall of the loss is told
RESAMPLES = 1000  # of a bootstrap
LEAST = 5  # points of a curve that a fall is told from

Scores = Mapping[str, Mapping[int, float]]
"""By series and seed."""


@dataclass(frozen=True)
class Pair:
    """One series against another, over the seeds that both have."""

    one: str
    other: str
    difference: float  # the mean of one - other
    low: float  # 95 %, of this pair alone
    high: float
    n: int  # seeds
    p: float  # two-sided, by Holm's step-down over all pairs
    better: float  # the probability that one beats the other (Agarwal et al. 2021, 2108.13264)

    @property
    def told(self) -> bool:
        """Whether the two are told apart."""
        return self.p < ALPHA


@dataclass(frozen=True)
class Trend:
    """By what share of itself a loss fell over the last third of its training, along the line of least squares."""

    fall: float  # negative: it rose
    low: float  # 95 %
    high: float


def comparable(rows: Iterable[Row], records: Mapping[str, Record]) -> dict[str, dict[int, float]]:
    """The scores of the rows with several seeds whose trainings all saw as many images as most did; `records` by id."""
    seen = [(row, images_seen(row, records)) for row in rows if row["repeats"]]
    usual = _usual([images for _, images in seen])
    return {
        row["series"]: {records[i].case.seed: score for i, score in zip(row["ids"], row["repeats"], strict=True)}
        for row, images in seen
        if images == usual
    }


def images_seen(row: Row, records: Mapping[str, Record]) -> tuple[float, ...]:
    """How many images its trainings saw, each number once; none where a record does not say."""
    found = (records[i].metrics.get("images_seen") for i in row["ids"])
    return tuple(sorted({metric.value for metric in found if metric}))


def _usual(seen: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """What most saw, if each of their seeds saw as much; of equally many, the most images."""
    equal = Counter(images for images in seen if len(images) < 2)
    return max(equal, key=lambda images: (equal[images], images), default=())


def pairs(scores: Scores) -> list[Pair]:
    """Every two series that have two seeds or more in common, as the mapping orders them."""
    found = []
    for one, other in combinations(scores, 2):
        seeds = sorted(scores[one].keys() & scores[other].keys())
        if len(seeds) > 1:
            found.append(_pair(one, other, *([scores[name][seed] for seed in seeds] for name in (one, other))))
    return [replace(pair, p=p) for pair, p in zip(found, holm([pair.p for pair in found]), strict=True)]


def _pair(one: str, other: str, ones: Sequence[float], others: Sequence[float]) -> Pair:
    """Of differences that are all equal nobody knows how they vary: they tell nothing."""
    differences = [a - b for a, b in zip(ones, others, strict=True)]
    better = fmean((a > b) + (a == b) / 2 for a in ones for b in others)
    mean, low, high = of_mean(differences)
    degrees, half = len(differences) - 1, high - mean
    t = mean / half * student(degrees) if half > 1e-12 else 0.0
    return Pair(one, other, mean, low, high, len(differences), float(2 * stdtr(degrees, -abs(t))), better)


def holm(ps: Sequence[float]) -> list[float]:
    """Probabilities, each adjusted for all of them: p < 5 % then holds wrongly for any of them in 5 % of cases."""
    adjusted, least = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = least
    return adjusted


def groups(names: Sequence[str], told: Collection[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The largest sets of which no two are told apart, in the order of their first by `names` (Piepho 2004)."""
    found = [frozenset(names)]
    for one, other in told:
        split = [group for group in found if {one, other} <= group]
        parts = {group - {name} for group in split for name in (one, other)}
        kept = [group for group in found if group not in split]
        found = kept + [part for part in parts if not any(part < whole for whole in (*kept, *parts))]
    ordered = [tuple(name for name in names if name in group) for group in found]
    return sorted(ordered, key=lambda group: [names.index(name) for name in group])


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of what is left without the lowest and the highest quarter, each rounded down."""
    cut = len(values) // 4
    return fmean(sorted(values)[cut : len(values) - cut])


def over_families(families: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Interquartile mean of all scores, low and high: 95 % of a bootstrap that draws families, and then seeds of each.

    The drawing is fixed, so the same scores have the same interval.
    """
    chance = Random(0)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = chance.choices(families, k=len(families))
        drawn.append(interquartile_mean([score for of in chosen for score in chance.choices(of, k=len(of))]))
    drawn.sort()
    tail = round(0.025 * RESAMPLES)
    return interquartile_mean([s for of in families for s in of]), drawn[tail], drawn[-1 - tail]


def trend(losses: Sequence[Sequence[float]]) -> Trend | None:
    """Of (images seen, loss) points; None where too few of them lie in the last third, or the line starts below 0."""
    end = losses[-1][0] if losses else 0
    last = [point for point in losses if point[0] >= end * (1 - PART)]
    if len(last) < LEAST:
        return None
    xs, ys = zip(*last, strict=True)
    slope, start = linear_regression(xs, ys)
    level, span = start + slope * end * (1 - PART), end * PART
    if level <= 0:
        return None
    middle, degrees = fmean(xs), len(xs) - 2
    left = sum((y - start - slope * x) ** 2 for x, y in last)
    half = student(degrees) * sqrt(left / degrees / sum((x - middle) ** 2 for x in xs))
    return Trend(*(-span * s / level for s in (slope, slope + half, slope - half)))
