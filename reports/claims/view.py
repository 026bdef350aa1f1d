"""What judges look at: a tidy frame, asked for numbers, exponents and comparisons by the names of designs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from reports.accuracy import comparable, pairs
from reports.frame import Row, grouped, rows_of
from reports.growth import LEAST, line
from reports.standing import ranks
from suite.record import Record

HOLDS, LIMITS, FAILS = "holds", "holds within limits", "does not hold"
OPEN, UNMEASURED = "not told apart", "not measured yet"
MOST = 5  # sizes of a fit, the largest: there the leading term outweighs the others
NEAR = 0.15  # how far an exponent may be from the stated one to be called equal to it

Answer = bool | None
"""Of a part of a claim: surely so, surely not so, or None where the intervals do not tell."""
WORDS = {True: "it holds for", False: "it does not hold for", None: "it is not told for"}
Place = tuple[float, str, str, int]


@dataclass(frozen=True)
class Finding:
    """What the records say of one claim: the verdict, the sentence with its numbers, and the records' ids."""

    verdict: str  # HOLDS, LIMITS, FAILS or OPEN
    said: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    """A measured value with its interval, where it has one over repetitions, and the row that it stands in."""

    row: Row

    @property
    def value(self) -> float:
        return float(self.row["value"])

    @property
    def low(self) -> float:
        return float(self.row["low"] if pd.notna(self.row["low"]) else self.value)

    @property
    def high(self) -> float:
        return float(self.row["high"] if pd.notna(self.row["high"]) else self.value)

    @property
    def name(self) -> str:
        """The network, with all that tells it from the frame's others of its design."""
        return str(self.row["series"])

    @property
    def at(self) -> str:
        """`64 pixels`, or `14 tokens a side` of a mixer alone."""
        return f"{self.row['resolution']} {'tokens a side' if self.row['scope'] == 'mixer' else 'pixels'}"


@dataclass(frozen=True)
class Fit:
    """An exponent in the number of pixels or tokens, with its interval, and the sizes that it was fitted to."""

    value: float
    low: float
    high: float
    sizes: str


@dataclass
class View:
    """A tidy frame as judges ask it; it remembers which records an answer came from."""

    frame: pd.DataFrame
    records: Mapping[str, Record] = field(default_factory=dict)  # by id
    used: list[str] = field(default_factory=list)

    def rows(self, *designs: str, **fixed: object) -> pd.DataFrame:
        """What was measured of these designs (of all, without any) where every named column has the value named.

        Unless `tested_at` is named, networks are tested at the size at which they learnt.
        """
        found = self.frame[self.frame["status"] == "ok"]
        if designs:
            found = found[found["design"].isin(designs)]
        for column, value in ({"tested_at": ""} | fixed).items():
            if column in found:  # a frame without rows lacks the columns of a case
                found = found[found[column] == value]
        return found

    def common(self, *sets: pd.DataFrame) -> list[Number] | None:
        """A number of each set, all of one size, setting and budget: the largest that all have; None without any."""
        held = [{place(r): r for r in reversed(rows_of(rows.sort_values("series")))} for rows in sets]
        times = Counter(at for rows in held for at in rows)
        shared = sorted(at for at, count in times.items() if count == len(sets))
        if not shared:
            return None
        at = max(shared, key=lambda at: at[0])
        self.used += [i for rows in held for i in rows[at]["ids"]]
        return [Number(rows[at]) for rows in held]

    def exponent(self, rows: pd.DataFrame) -> Fit | None:
        """That of one network in one setting, those with most sizes, over the MOST largest; None below LEAST sizes."""
        curves = grouped(rows_of(rows[rows["value"] > 0].sort_values("pixels")), "task", "setting", "series", "metric")
        points = max(({r["pixels"]: r for r in curve} for curve in curves.values()), key=len, default={})
        largest = list(points.values())[-MOST:]
        if len(largest) < LEAST:
            return None
        found = line(2 * np.log([r["pixels"] for r in largest]), np.log([r["value"] for r in largest]))
        self.used += [i for r in largest for i in r["ids"]]
        half, sizes = found.t * found.error, f"{largest[0]['resolution']} to {Number(largest[-1]).at}"
        return Fit(found.slope, found.slope - half, found.slope + half, sizes)

    def above(self, one: Number, other: Number) -> Answer:
        """Whether one surely lies above the other: scores seed by seed, all else by intervals that may rank."""
        if one.row["quantity"] == "accuracy":
            return self._above_by_seeds(one.row, other.row)
        if not (ranks(one.row) and ranks(other.row)):
            return None
        return True if one.low > other.high else False if one.high < other.low else None

    def _above_by_seeds(self, one: Row, other: Row) -> Answer:
        """As the page tells designs apart: among all that learnt alike, see reports/accuracy.py."""
        alike = self.rows(**{c: one[c] for c in ("task", "setting", "resolution", "metric")})
        for pair in pairs(comparable(rows_of(alike), self.records)):
            if pair.told and {pair.one, pair.other} == {one["series"], other["series"]}:
                return (pair.difference > 0) == (pair.one == one["series"])
        return None

    def learnt(self, score: Number) -> bool:
        """Whether a score lies above chance with its whole interval; so too where chance is not known."""
        chance = self.frame[(self.frame["metric"] == "chance") & (self.frame["id"] == score.row["id"])]["value"]
        return bool(score.low > chance.max()) if len(chance) else True

    def judged(self, said: str, parts: Mapping[str, Answer]) -> Finding:
        """The finding on a claim of several parts, by their names: which are so, where not all are."""
        verdict = graded(list(parts.values()))
        if verdict != HOLDS and len(parts) > 1:
            named = {word: [name for name, answer in parts.items() if answer is is_so] for is_so, word in WORDS.items()}
            said = "; ".join([said, *(f"{word} {joined(names)}" for word, names in named.items() if names)])
        return self.finding(verdict, said)

    def finding(self, verdict: str, said: str) -> Finding:
        """The finding, with the records that were used on the way."""
        return Finding(verdict, said, tuple(dict.fromkeys(self.used)))


def place(row: Row) -> Place:
    """What rows must share to be compared."""
    budget = row["params_budget"]
    return row["pixels"], row["resolution"], row["setting"], int(budget) if pd.notna(budget) else 0


def graded(answers: Sequence[Answer]) -> str:
    """The verdict on a claim of several parts; OPEN where the untold ones could change it."""
    if True in answers and False in answers:
        return LIMITS
    return OPEN if None in answers else HOLDS if all(answers) else FAILS


def grows_as(fit: Fit, stated: float) -> Answer:
    """Whether the whole interval of an exponent lies within NEAR of the stated one."""
    if stated - NEAR <= fit.low and fit.high <= stated + NEAR:
        return True
    return False if fit.high < stated - NEAR or fit.low > stated + NEAR else None


def percent(share: float) -> str:
    """`87.4 %`."""
    return f"{100 * share:.1f} %"


def spanned(number: Number) -> str:
    """`87.4 % (85.0 % to 89.6 %)`; without an interval just the value."""
    said = percent(number.value)
    return f"{said} ({percent(number.low)} to {percent(number.high)})" if number.low < number.high else said


def power(fit: Fit) -> str:
    """`n^1.83 (1.71 to 1.95)`."""
    return f"n^{fit.value:.2f} ({fit.low:.2f} to {fit.high:.2f})"


def joined(words: Iterable[str]) -> str:
    """`a, b and c`."""
    listed = list(words)
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
