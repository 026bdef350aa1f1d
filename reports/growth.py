"""Growth: the power of its size by which a quantity rises, fitted, beside the one that the design states.

    log q = a + p log n         n: pixels of the image, or tokens where a mixer was measured alone

p is the exponent, by least squares over LEAST sizes or more, with its standard error and Student's interval. Of a sum
of terms the fit sees the mean slope from the first size to the last: that is the leading term's exponent, which is what
a design states, only where this term outweighs the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from reports.interval import student
from reports.naming import NETWORK
from suite.record import Record

LEAST = 4  # sizes of a fit
STATED_BY = {"macs": "stated_time", "latency_ms": "stated_time", "device_ms": "stated_time", "cpu_ms": "stated_time",
             "peak_bytes": "stated_memory"}  # fmt: skip
CURVE = ["task", "setting", "scope", "series", "metric"]  # what the points of one curve have in common
EXPONENTS = [*CURVE, *"design against exponent error low high sizes smallest largest stated stated_exponent".split()]
DEGREES = {"n": 1.0, "Y": 0.5, "X": 0.5}  # of a symbol in n; of every other, 0
POWERS = {"²": 2.0, "³": 3.0}
SYMBOL = re.compile(r"\s*(?:(?P<number>\d+)|(?P<name>[A-Za-z]+)|(?P<sign>[√+/()²³]|\^[\d.]+))")


@dataclass(frozen=True)
class Line:
    """A straight line through points, by least squares."""

    slope: float
    error: float  # the slope's standard error
    mean_x: float
    mean_y: float
    spread: float  # Σ (x - mean)²
    variance: float  # of what is left, about the line
    n: int

    @property
    def t(self) -> float:
        """Student's 97.5 % point for this line."""
        return student(self.n - 2)

    def at(self, x: float) -> float:
        return self.mean_y + self.slope * (x - self.mean_x)

    def root(self) -> tuple[float, float, float] | None:
        """Where the line crosses zero, with Fieller's interval, whose ends may be infinite; None if it is flat."""
        if self.slope == 0:
            return None
        noise = self.t**2 * self.variance
        a, b = self.slope**2 - noise / self.spread, self.slope * self.mean_y
        inside = b * b - a * (self.mean_y**2 - noise / self.n)
        x = self.mean_x - self.mean_y / self.slope
        if a <= 0 or inside < 0:  # the slope could be zero: one side is open, or both
            return x, -np.inf, np.inf
        low, high = sorted((-b + sign * inside**0.5) / a for sign in (-1, 1))
        return x, self.mean_x + low, self.mean_x + high


def line(x: ArrayLike, y: ArrayLike) -> Line:
    """Through three points or more, at two places or more."""
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    mean_x, mean_y, n = xs.mean(), ys.mean(), len(xs)
    spread = ((xs - mean_x) ** 2).sum()
    slope = ((xs - mean_x) * (ys - mean_y)).sum() / spread
    left = ys - mean_y - slope * (xs - mean_x)
    variance = (left**2).sum() / (n - 2)
    error = (variance / spread) ** 0.5
    return Line(float(slope), float(error), float(mean_x), float(mean_y), float(spread), float(variance), n)


def exponents(frame: pd.DataFrame, stated: Mapping[str, Mapping[str, str]] | None = None) -> pd.DataFrame:
    """One row for each curve of a tidy frame with LEAST sizes or more.

    The columns: those of CURVE, `design`, `against` (pixels or tokens), `exponent`, its standard `error`, its interval
    `low` to `high`, the number of `sizes`, the `smallest` and `largest` resolution; and `stated`, the growth that the
    design states, of what `stated` (see below) holds, with its `stated_exponent`.
    """
    rows = []
    for key, points in curves(frame):
        if points["pixels"].nunique() < LEAST:
            continue
        fitted = line(2 * np.log(points["pixels"]), np.log(points["value"]))
        half = fitted.t * fitted.error
        design, ends = str(points["design"].iloc[0]), points["resolution"].iloc[[0, -1]]
        row = key | {"design": design, "against": "tokens" if key["scope"] == "mixer" else "pixels"}
        row |= {
            "exponent": fitted.slope,
            "error": fitted.error,
            "low": fitted.slope - half,
            "high": fitted.slope + half,
        }
        row |= {"sizes": fitted.n, "smallest": ends.iloc[0], "largest": ends.iloc[1]}
        said = (stated or {}).get(design, {}).get(STATED_BY[key["metric"]], "")
        rows.append(row | {"stated": said, "stated_exponent": _degree_if_any(said)})
    return pd.DataFrame(rows, columns=EXPONENTS)


POINT = [*CURVE, *NETWORK, *"design resolution pixels value low high interval".split()]  # asked of a point


def curves(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """What was measured of one quantity of one network at every size, the sizes ascending."""
    kept = frame[(frame["status"] == "ok") & frame["metric"].isin(STATED_BY) & (frame["value"] > 0)][POINT]
    for key, points in kept.groupby(CURVE):
        yield dict(zip(CURVE, map(str, key), strict=True)), points.sort_values("pixels").drop_duplicates("pixels")


def stated(records: Iterable[Record]) -> dict[str, dict[str, str]]:
    """By design, how time and memory of its mixer are said to grow, as its records note it."""
    return {
        record.case.design: {k: str(record.notes[k]) for k in ("stated_time", "stated_memory") if k in record.notes}
        for record in records
        if "stated_time" in record.notes
    }


def degree(growth: str) -> float:
    """The exponent of n in a stated growth: `n² d` -> 2, `n √n d` -> 1.5, `n (d + h n)` -> 2, `d e` -> 0.

    What follows a comma says what n is. ValueError if it cannot be read.
    """
    terms = growth.partition(",")[0]
    symbols, at = [], 0
    while at < len(terms.rstrip()):
        if not (found := SYMBOL.match(terms, at)):
            raise ValueError(f"the growth {growth!r} cannot be read: write it like `n² d`, `n √n d` or `n (d + m)`")
        symbols.append(found.group().strip())
        at = found.end()
    try:
        total = _sum(symbols)
    except IndexError:
        total = None
    if total is None or symbols:
        raise ValueError(f"the growth {growth!r} cannot be read: write it like `n² d`, `n √n d` or `n (d + m)`")
    return total


def _degree_if_any(growth: str) -> float | None:
    """The degree; None of what a stranger's card says in words of its own."""
    with suppress(ValueError):
        return degree(growth)
    return None


def _sum(symbols: list[str]) -> float:
    """Takes a sum from the front: the largest degree of its terms."""
    total = _product(symbols)
    while symbols and symbols[0] == "+":
        symbols.pop(0)
        total = max(total, _product(symbols))
    return total


def _product(symbols: list[str]) -> float:
    """Takes a product from the front: the sum of its factors' degrees, what follows a / subtracted."""
    total = _factor(symbols)
    while symbols and symbols[0] not in "+)":
        divided = symbols[0] == "/"
        if divided:
            symbols.pop(0)
        total += -_factor(symbols) if divided else _factor(symbols)
    return total


def _factor(symbols: list[str]) -> float:
    """Takes a symbol, a root, or a sum in parentheses, with its power."""
    first = symbols.pop(0)
    if first == "√":
        return _factor(symbols) / 2
    if first == "(":
        found = _sum(symbols)
        if symbols.pop(0) != ")":
            raise IndexError
    elif first.isascii() and first.isalnum():
        found = DEGREES.get(first, 0.0)
    else:
        raise IndexError
    while symbols and (symbols[0] in POWERS or symbols[0].startswith("^")):
        power = symbols.pop(0)
        found *= POWERS.get(power) or float(power[1:])
    return found
