"""What was planned and is not there, each with its why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from reports.colours import Style
from reports.document import Block, Cell, Heading, Part, Piece, Say, Section, Table
from reports.document import Row as Line
from reports.frame import rows_of
from reports.words import count, status_words

MOST_LINES = 400  # the rest is counted, and in records.csv
OPEN = 40  # lines that are shown unasked


@dataclass(frozen=True)
class Missing:
    """Cases of one reason: what was to be measured, of what, where, and why it was not."""

    status: str
    series: str
    quantity: str
    why: str
    tasks: list[str] = field(default_factory=list)
    resolutions: list[str] = field(default_factory=list)


def section(frame: pd.DataFrame, looks: Mapping[str, Style]) -> Section:
    """A part for each status."""
    entries = missing(frame)
    if not entries:
        return Section("missing", "What is not there, and why", (Say(("Everything that was planned was measured.",)),))
    shown = entries[:MOST_LINES]
    parts: list[Piece] = []
    for status in dict.fromkeys(e.status for e in shown):
        found = [e for e in shown if e.status == status]
        title = f"{status_words(status)}: {count(len(found), 'entry')}".replace("entrys", "entries")
        parts.append(Part(title, (_table(status, found),), folded=len(shown) > OPEN))
    more = len(entries) - len(shown)
    rest = (Say((f"{more} further entries are in records.csv.",), "note"),) if more else ()
    return Section("missing", "What is not there, and why", (*parts, *rest))


def missing(frame: pd.DataFrame) -> list[Missing]:
    """What was planned and not measured; cases that differ in task or resolution only, and share a reason, are one."""
    places: dict[tuple[str, str, str, str], dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    lost = frame[frame["status"] != "ok"].sort_values(["status", "series", "quantity", "task", "pixels"])
    for row in rows_of(lost):
        what = " · ".join(filter(None, (row["quantity"], row["setting"])))
        places[row["status"], row["series"], what, row["reason"]][row["task"]][row["resolution"]] = None
    found: dict[tuple[Any, ...], Missing] = {}
    for key, tasks in places.items():
        for task, resolutions in tasks.items():
            entry = found.setdefault((*key, *resolutions), Missing(*key, [], list(resolutions)))
            entry.tasks.append(task)
    return list(found.values())


def _table(status: str, entries: list[Missing]) -> Table:
    rows = tuple(
        Line(
            (
                Cell(e.quantity, ", ".join(e.tasks)),
                Cell(", ".join(e.resolutions)),
                Cell(e.why or "no reason was recorded"),
            ),
            e.series,
        )
        for e in entries
    )
    headings = (Heading("What"), Heading("Pixels"), Heading("Why"))
    return Table(
        f"missing-{status}",
        f"Not there: {status_words(status)}",
        "Design",
        headings,
        (Block("", rows),),
        prose=(0, 1, 2),
    )
