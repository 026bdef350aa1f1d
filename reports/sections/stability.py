"""Rank stability: whether designs that two settings both tell apart stand in the same order of latency in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import pandas as pd

from reports.document import Block, Cell, Heading, Section, Table
from reports.document import Row as Line
from reports.frame import Row, grouped, rows_of
from reports.pairs import Pair, orders

NOTE = (
    "Pairs of designs at one resolution whose latency intervals do not overlap in either setting. Where many stand in "
    "the other order, an answer in one setting is none in the other."
)


def section(frame: pd.DataFrame) -> Section | None:
    """A line for each two settings of one task; None where no two have such pairs."""
    timed = frame[(frame["metric"] == "latency_ms") & (frame["status"] == "ok")]
    heads = tuple(map(Heading, ("Pairs told apart in both", "In the other order", "Share")))
    blocks = tuple(
        Block(f"{task}, {scope}", lines)
        for (task, scope), rows in sorted(grouped(rows_of(timed), "task", "scope").items())
        if (lines := tuple(_lines(rows)))
    )
    if not blocks:
        return None
    table = Table("stability", "Order by latency in two settings", "Settings", heads, blocks, NOTE, first=True)
    return Section("stability", "Rank stability", (table,))


def _lines(rows: list[Row]) -> Iterator[Line]:
    for (one, ours), (other, theirs) in combinations(sorted(grouped(rows, "setting").items()), 2):
        same, swapped = orders(shared(ours, theirs))
        if both := same + swapped:
            cells = Cell(str(both), value=both), Cell(str(swapped), value=swapped)
            share = Cell(f"{100 * swapped / both:.1f} %", value=swapped / both)
            yield Line((*cells, share), head=f"{one[0]} | {other[0]}")


def shared(ours: Sequence[Row], theirs: Sequence[Row]) -> list[Pair]:
    """The latencies of the networks that two settings share."""
    partners = {(row["resolution"], row["series"]): row for row in theirs}
    return [Pair(row, b) for row in ours if (b := partners.get((row["resolution"], row["series"])))]
