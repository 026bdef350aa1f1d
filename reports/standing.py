"""Who leads: the designs that may be first by one metric, and those that nothing beats in two, as intervals allow.

A row ranks if its value is exact (a peak of memory, a count) or its interval is over processes or seeds. An interval
within one process, and one of a single seed, rank nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.frame import Row
from reports.interval import possible_ranks
from reports.units import kind

Span = tuple[float, float]

EXACT = frozenset({"bytes", "macs", "count", "ops"})  # kinds of numbers that are counted, not estimated


@dataclass(frozen=True)
class Standing:
    """The rows of one metric at one place, best first by value; `first` are those that none is surely ahead of."""

    metric: str
    first: tuple[Row, ...]
    ranked: tuple[Row, ...]
    unranked: tuple[Row, ...]


@dataclass(frozen=True)
class Front:
    """Who is not beaten in two metrics at once: whatever the truth within the intervals, or for some truth."""

    metrics: tuple[str, str]
    sure: tuple[str, ...]
    perhaps: tuple[str, ...]
    n: int  # of the series that have both, with intervals that rank


def ranks(row: Row) -> bool:
    """Whether the row may be ranked by its value and interval."""
    return row["interval"].startswith("over") or (row["low"] != row["low"] and kind(row["metric"]) in EXACT)


def span(row: Row) -> Span:
    """The interval of a row, turned so that lower is better; an exact value is an interval of no width."""
    low, high = (row["value"], row["value"]) if row["low"] != row["low"] else (row["low"], row["high"])
    return (-high, -low) if kind(row["metric"]) in ("score", "rate") else (low, high)


def standing(metric: str, rows: Sequence[Row]) -> Standing:
    """Who may be first by the metric."""
    ordered = sorted((r for r in rows if r["metric"] == metric), key=lambda r: (_badness(r), r["series"]))
    ranked = [r for r in ordered if ranks(r)]
    places = possible_ranks(map(span, ranked))
    first = tuple(r for r, (best, _) in zip(ranked, places, strict=True) if best == 1)
    return Standing(metric, first, tuple(ranked), tuple(r for r in ordered if not ranks(r)))


def front(metrics: tuple[str, str], rows: Sequence[Row]) -> Front:
    """The front of two metrics over the series that have both with intervals that rank."""
    spans = [{r["series"]: span(r) for r in rows if r["metric"] == m and ranks(r)} for m in metrics]
    pairs = {series: (spans[0][series], spans[1][series]) for series in sorted(spans[0].keys() & spans[1].keys())}
    sure: list[str] = []
    perhaps: list[str] = []
    for series, pair in pairs.items():
        others = [other for name, other in pairs.items() if name != series]
        if not any(_beats(other, pair) for other in others):
            (perhaps if any(_may_beat(other, pair) for other in others) else sure).append(series)
    return Front(metrics, tuple(sure), tuple(perhaps), len(pairs))


def _badness(row: Row) -> float:
    return -row["value"] if kind(row["metric"]) in ("score", "rate") else row["value"]


def _beats(one: tuple[Span, Span], other: tuple[Span, Span]) -> bool:
    """Whether one is surely no worse in both and surely better in at least one."""
    pairs = list(zip(one, other, strict=True))
    return all(a[1] < b[0] or a == b == (a[0], a[0]) for a, b in pairs) and any(a[1] < b[0] for a, b in pairs)


def _may_beat(one: tuple[Span, Span], other: tuple[Span, Span]) -> bool:
    """Whether, for some truth within the intervals, one is no worse in both and better in at least one."""
    pairs = list(zip(one, other, strict=True))
    return all(a[0] <= b[1] for a, b in pairs) and any(a[0] < b[1] for a, b in pairs)
