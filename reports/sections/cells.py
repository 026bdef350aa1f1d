"""A row of a tidy frame -> a cell of a table, the same in every table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from reports.document import Cell
from reports.frame import Row
from reports.units import interval, number
from reports.words import status_words

ALONE = frozenset({"within one process", "one seed"})  # intervals over no repetition: marked, and never ranked by
NO_TIME = frozenset({"not_reached", "too_slow"})  # left for want of time: no failure
SMALL_PRINT = (
    "Small print: 95 % intervals. ¹ An interval within one process, or a single seed: it says nothing of other "
    "processes or seeds, so it ranks nothing. ² Disturbed while it was measured: point at it to see by what. “–”: this "
    "run holds no record from which to tell it. 1 MAC is one multiply-add; 1 MiB is 2²⁰ bytes."
)


def measured(row: Row) -> Cell:
    """A value, its interval, and marks where it was not repeated or was disturbed."""
    mark = ("¹" if row["interval"] in ALONE else "") + ("²" if row["marks"] else "")
    text, value = number(row["metric"], row["value"], row["unit"]), float(row["value"])
    why = "; ".join(filter(None, (row["interval"], row["marks"])))
    if row["low"] != row["low"] or row["high"] != row["high"]:
        return Cell(text + mark, f"bound by {row['bound']}" if row["bound"] else "", why=why, value=value)
    low, high = float(row["low"]), float(row["high"])
    return Cell(text, interval(row["metric"], low, high, row["unit"]) + mark, "", why, value, low, high)


def failed(rows: Iterable[Row]) -> Counter[str]:
    """How many trainings failed, by their status."""
    bad = {i: r["status"] for r in rows if r["status"] not in {"ok", *NO_TIME} for i in r["ids"]}
    return Counter(bad.values())


def failed_words(found: Counter[str]) -> str:
    """`1 diverged, 1 not finite`."""
    return ", ".join(f"{number} {status_words(status)}" for status, number in sorted(found.items()))


def lost(row: Row, predicted: Row | None = None) -> Cell:
    """A status with its reason, and what the value was predicted to be."""
    under = f"predicted {number(predicted['metric'], predicted['value'])}" if predicted else ""
    return Cell(status_words(row["status"]), under, row["status"], row["reason"])
