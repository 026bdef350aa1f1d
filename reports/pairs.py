"""Two runs -> what was measured in both, pair by pair, and how the second stands to the first.

Rows are paired by their whole case. What finds no partner so is paired by the case without what a machine decides
(device, threads, the largest batch) and without the version of a design (its recipe and solved sizes), where each run
has one such row only. Numbers of two runs stand side by side; they never enter one ranking.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reports.figures.told import ends
from reports.frame import MEASURED, Row, framed, rows_of
from reports.standing import ranks, span
from reports.units import kind

OWN = MEASURED | {
    "ids",
    "repeats",
    "marks",
    "bound",
    "interval",
    "status",
    "reason",
    "machine",
    "seed",
}  # of a run, not a case
LOOSE = frozenset({"device", "threads", "recipe", "widths", "extra"})  # of a machine, or of the version of a design
NAMED = ("series", "setting", "pixels", "kind")
Key = Callable[[Row], tuple[Any, ...]]


@dataclass(frozen=True)
class Change:
    """The second run against the first; without ends where one of them has no interval over processes or seeds."""

    value: float
    low: float | None = None
    high: float | None = None
    neutral: float = 1.0  # what stands for no change: 0 where it is a difference

    @property
    def equal(self) -> bool:
        """Whether two exact numbers are the same."""
        return self.low == self.high == self.value == self.neutral

    @property
    def sign(self) -> int | None:
        """−1 if surely below no change, 1 if surely above, 0 if perhaps neither; None where nobody can tell."""
        if self.low is None or self.high is None:
            return None
        return -1 if self.high < self.neutral else int(self.low > self.neutral)


@dataclass(frozen=True)
class Pair:
    """One number in both runs, under one name; None, or a failure, where a run does not have it."""

    a: Row | None
    b: Row | None

    @property
    def row(self) -> Row:
        """The row that was measured, of the first run if both were."""
        return next(row for row in (self.a, self.b) if row and row["status"] == "ok")

    @property
    def change(self) -> Change | None:
        """How b stands to a: a ratio, of scores a difference. None where a run has no number, or one below zero."""
        a, b = self.a, self.b
        if not a or not b or a["status"] != "ok" or b["status"] != "ok":
            return None
        if kind(a["metric"]) == "score":
            return _change(a, b, float, float, 0.0)
        if min(a["value"], b["value"], *ends(a), *ends(b)) > 0:
            return _change(a, b, math.log, math.exp, 1.0)
        return Change(1.0, 1.0, 1.0) if a["value"] == b["value"] and ranks(a) and ranks(b) else None


def _change(a: Row, b: Row, to: Callable[[float], float], back: Callable[[float], float], neutral: float) -> Change:
    """b − a on the scale of `to`; the runs are independent, so its interval joins theirs [a₋, a₊] and [b₋, b₊] to

        b − a − √((b − b₋)² + (a₊ − a)²)   and   b − a + √((b₊ − b)² + (a − a₋)²)

    Zou and Donner 2008, Statistics in Medicine 27, 1693.
    """
    at, bt = to(a["value"]), to(b["value"])
    if not (ranks(a) and ranks(b)):
        return Change(back(bt - at), neutral=neutral)
    (a_low, a_high), (b_low, b_high) = (map(to, ends(row)) for row in (a, b))
    below, above = math.hypot(bt - b_low, a_high - at), math.hypot(b_high - bt, at - a_low)
    return Change(back(bt - at), back(bt - at - below), back(bt - at + above), neutral)


def pairs(a: Sequence[Row], b: Sequence[Row]) -> list[Pair]:
    """The combined rows of two runs: first what both hold, then what one lost, then what one never had."""
    found: list[tuple[Row | None, Row | None]] = []
    for key in (_case, _loose_case):
        met = list(_met(a, b, key))
        found += met
        gone = {id(row) for pair in met for row in pair}
        a, b = ([row for row in rows if id(row) not in gone] for rows in (a, b))
    lost_a, lost_b = ({_place(row): row for row in rows if row["status"] != "ok"} for rows in (a, b))
    found += [(row, lost_b.get(_place(row))) for row in a]
    found += [(lost_a.get(_place(row)), row) for row in b]
    return _named([pair for pair in found if any(row and row["status"] == "ok" for row in pair)])


def _met(a: Sequence[Row], b: Sequence[Row], key: Key) -> Iterator[tuple[Row, Row]]:
    """The rows of equal key, where each run has one of it only."""
    sides: tuple[dict[Any, list[Row]], ...] = ({}, {})
    for side, rows in zip(sides, (a, b), strict=True):
        for row in rows:
            side.setdefault(key(row), []).append(row)
    for shared, ours in sides[0].items():
        theirs = sides[1].get(shared, [])
        if len(ours) == len(theirs) == 1:
            yield ours[0], theirs[0]


def _case(row: Row) -> tuple[Any, ...]:
    return tuple(value for name, value in row.items() if name not in OWN)


def _loose_case(row: Row) -> tuple[Any, ...]:
    left_out = OWN | LOOSE | ({"batch"} if row["fills_memory"] else set())
    return tuple(value for name, value in row.items() if name not in left_out)


def _place(row: Row) -> tuple[Any, ...]:
    """The case of a number, whichever number of it this is: what failed has none."""
    return _loose_case(row | {"metric": "", "tested_at": "", "unit": ""})


def _named(found: Sequence[tuple[Row | None, Row | None]]) -> list[Pair]:
    """Both rows of each pair under the series and the setting of the one that was measured."""
    told = [Pair(*pair).row | {"machine": ""} for pair in found]
    made = []
    for (a, b), named in zip(found, rows_of(framed(told, {"": ""})), strict=True):
        shared = {name: named[name] for name in NAMED}
        made.append(Pair(*(row and _ended(row) | shared for row in (a, b))))
    return made


def _ended(row: Row) -> Row:
    """The row with NaN for ends that it does not have, as a frame has it."""
    return row | {end: math.nan for end in ("low", "high") if row[end] is None}


def orders(found: Sequence[Pair]) -> tuple[int, int]:
    """`order` of the designs at each resolution, added up."""
    sizes: dict[str, list[Pair]] = {}
    for pair in found:
        sizes.setdefault(pair.row["resolution"], []).append(pair)
    counts = [order(of) for of in sizes.values()]
    return sum(same for same, _ in counts), sum(other for _, other in counts)


def order(found: Sequence[Pair]) -> tuple[int, int]:
    """Of the pairs of designs that both runs tell apart: how many stand in the same order in both, and how many not."""
    spans = [(span(p.a), span(p.b)) for p in found if p.a and p.b and p.change and ranks(p.a) and ranks(p.b)]
    same = other = 0
    for i, (one_a, one_b) in enumerate(spans):
        for two_a, two_b in spans[:i]:
            ahead = (_ahead(one_a, two_a), _ahead(one_b, two_b))
            same += 0 not in ahead and ahead[0] == ahead[1]
            other += 0 not in ahead and ahead[0] != ahead[1]
    return same, other


def _ahead(one: tuple[float, float], other: tuple[float, float]) -> int:
    """1 if one ends before the other begins, −1 the other way round, else 0."""
    return int(one[1] < other[0]) - int(other[1] < one[0])
