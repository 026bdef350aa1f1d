"""Two runs -> the report that shows them side by side: two machines, or two versions on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.colours import styles
from reports.document import Document, Section
from reports.frame import Row, combined
from reports.pairs import Pair, pairs
from reports.report import Report
from reports.sections import beside, differences, run
from reports.words import Words
from suite.record import Record, machine_name

CASE = ("series", "task", "resolution", "quantity", "metric", "tested_at", "setting", "unit")


@dataclass(frozen=True)
class Run:
    """A run: its name, its records, the last of each case, and what was asked for, where that is known."""

    name: str
    records: Sequence[Record]
    request: Mapping[str, Any]


def report_beside(a: Run, b: Run) -> Report:
    """The report of two runs."""
    found = pairs(combined(a.records), combined(b.records))
    looks = styles({p.row["series"]: p.row["layout"] for p in found})
    groups = beside.groups(found)
    sections = (
        Section("answers", "What changed", (*beside.answer(groups, _machines(a, b)),)),
        beside.section(groups, looks),
        differences.section(a.records, b.records, (a.request, b.request)),
    )
    lead: list[str] = []
    for letter, one in (("A", a), ("B", b)):
        series = {r.case.design for r in one.records}
        lead += [f"{letter} is {one.name}: ", *run.lead(one.records, len(series)), " "]
    document = Document(f"{a.name} beside {b.name}", tuple(lead[:-1]), (), sections)
    return Report(document, looks, [_row(p) for p in found], {"A": a.records, "B": b.records})


def _machines(a: Run, b: Run) -> Words:
    """Whether the runs may be of one machine, in a sentence."""
    names = [{machine_name(r.machine) for r in one.records} for one in (a, b)]
    if any(len(found) > 1 for found in names):
        return (
            "A run with records of several machines is among them: what more than one of them measured is left out.",
        )
    if names[0] == names[1]:
        return ("Both runs are of one identity of machine: what differs are versions of avbench and the hours.",)
    differ = differences.differing(differences.identity(a.records), differences.identity(b.records))
    return (f"The machines differ in {', '.join(differ)}: what follows compares them as much as anything else.",)


def _row(pair: Pair) -> Row:
    """A row of the tidy table: the case, each run's value with its interval, and the change."""
    row: Row = {name: pair.row[name] for name in CASE}
    for letter, side in (("a", pair.a), ("b", pair.b)):
        for name in ("value", "low", "high", "interval", "status"):
            row[f"{letter}_{name}"] = side[name] if side else None
    change = pair.change
    row["change"] = "" if not change else "ratio" if change.neutral else "difference"
    row |= {
        "change_value": change and change.value,
        "change_low": change and change.low,
        "change_high": change and change.high,
    }
    return row
