"""What judges look at: a tidy frame, asked for values, exponents and comparisons by the names of designs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports.frame import rows_of
from reports.growth import exponents
from reports.standing import ranks

HOLDS, LIMITS, FAILS, UNMEASURED = "holds", "holds within limits", "does not hold", "not measured yet"


@dataclass(frozen=True)
class Finding:
    """What the records say of one claim: the verdict, the sentence with its numbers, and the records' ids."""

    verdict: str  # HOLDS, LIMITS or FAILS
    said: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    """A measured value with its interval, where it has one over repetitions, and the record that it comes from."""

    value: float
    low: float
    high: float
    ranks: bool  # whether it is exact, or its interval is over processes or seeds; see reports/standing.py
    id: str

    def below(self, other: Number) -> bool:
        """Whether it lies below, whatever the truth within the intervals; never by an interval that ranks nothing."""
        return self.ranks and other.ranks and self.high < other.low


@dataclass
class View:
    """A tidy frame as judges ask it; it remembers which records an answer came from."""

    frame: pd.DataFrame
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

    def number(self, rows: pd.DataFrame) -> Number | None:
        """The row of the largest size among some, as a number; None without any."""
        if rows.empty:
            return None
        row = rows_of(rows.sort_values(["pixels", "value"]).tail(1))[0]
        self.used.append(str(row["id"]))
        low, high = (float(row[end] if pd.notna(row[end]) else row["value"]) for end in ("low", "high"))
        return Number(float(row["value"]), low, high, ranks(row), str(row["id"]))

    def pair(self, one: pd.DataFrame, other: pd.DataFrame) -> tuple[Number, Number, str] | None:
        """Two sets of rows at the largest resolution that both hold, with that resolution's name."""
        common = set(one["resolution"]) & set(other["resolution"])
        shared = one[one["resolution"].isin(common)].sort_values("pixels")
        if shared.empty:
            return None
        at = str(shared["resolution"].iloc[-1])
        found = [self.number(rows[rows["resolution"] == at]) for rows in (one, other)]
        return None if None in found else (found[0], found[1], at)  # type: ignore[return-value]  # neither is None

    def exponent(self, rows: pd.DataFrame) -> tuple[float, float, float, str] | None:
        """Fitted exponent, low, high, and the range of sizes, of one curve; None below four sizes."""
        found = exponents(rows)
        if len(found) != 1:
            return None
        fit = found.iloc[0]
        self.used += [str(i) for i in rows["id"].unique()]
        return float(fit["exponent"]), float(fit["low"]), float(fit["high"]), f"{fit['smallest']} to {fit['largest']}"

    def finding(self, verdict: str, said: str) -> Finding:
        """The finding, with the records that were used on the way."""
        return Finding(verdict, said, tuple(dict.fromkeys(self.used)))


def percent(share: float) -> str:
    """`87.4 %`."""
    return f"{100 * share:.1f} %"


def spanned(number: Number) -> str:
    """`87.4 % (85.0 % to 89.6 %)`; without an interval just the value."""
    said = percent(number.value)
    return f"{said} ({percent(number.low)} to {percent(number.high)})" if number.low < number.high else said


def graded(held: Sequence[bool]) -> str:
    """The verdict on a claim of several parts, each of which held or not."""
    return HOLDS if all(held) else LIMITS if any(held) else FAILS


def above(one: Number, other: Number) -> str:
    """The verdict on the claim that one number lies above another."""
    return HOLDS if other.below(one) else FAILS if one.below(other) else LIMITS


def power(fit: tuple[float, float, float, str]) -> str:
    """`n^1.83 (1.71 to 1.95)`."""
    return f"n^{fit[0]:.2f} ({fit[1]:.2f} to {fit[2]:.2f})"


def joined(words: Iterable[str]) -> str:
    """`a, b and c`."""
    listed = list(words)
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
