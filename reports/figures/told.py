"""What figures say of their points: units of an axis, the ends of an interval, a point in words."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from reports.frame import Row
from reports.units import interval, kind, number, title

LADDERS = {
    "macs": ((1e9, "GMAC"), (1e6, "MMAC")),
    "bytes": ((2**30, "GiB"), (2**20, "MiB")),
    "ms": ((1000.0, "s"), (1.0, "ms")),
    "rate": ((1.0, "img/s"),),
}


def unit_of(metric: str, rows: Sequence[Row]) -> tuple[float, str]:
    """What the values of an axis are divided by, and the unit that they are in then."""
    if kind(metric) == "score":
        return (100.0 if any(r["unit"] == "%" for r in rows) else 1.0), "%"
    ladder = LADDERS.get(kind(metric), ((1.0, rows[0]["unit"] if rows else ""),))
    middle = median(r["value"] for r in rows)
    return next((step for step in ladder if middle >= step[0]), ladder[-1])


def ends(row: Row) -> tuple[float, float]:
    """The interval of a row, or its value twice."""
    return (row["value"], row["value"]) if row["low"] != row["low"] else (row["low"], row["high"])


def known_ends(row: Row) -> tuple[float | None, float | None]:
    """Low and high of a row; None where it has no interval."""
    return (None, None) if row["low"] != row["low"] else (row["low"], row["high"])


def value_told(row: Row) -> str:
    """A value with its interval and what that is over."""
    text = number(row["metric"], row["value"], row["unit"])
    if row["low"] != row["low"]:
        return text
    return f"{text} ({interval(row['metric'], row['low'], row['high'], row['unit'])}, {row['interval']})"


def point_told(row: Row) -> str:
    """A point of a figure in words."""
    disturbed = f"; {row['marks']}" if row["marks"] else ""
    what = f"{title(row['metric']).lower()} " if row["metric"].startswith("predicted") else ""
    return f"{row['series']}, {row['resolution']}: {what}{value_told(row)}{disturbed}"
