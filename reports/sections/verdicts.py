"""What the records say of the survey's claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from reports.claims.verdicts import Verdict, verdicts
from reports.claims.view import OPEN, UNMEASURED
from reports.document import Block, Cell, Heading, Part, Row, Say, Section, Table
from suite.record import Record

NOTE = (
    "A verdict is computed from the records, which are listed below, and only where their intervals tell; what is not "
    "measured yet, or not told apart, names the command that would."
)
PLURAL = {
    "holds": "hold",
    "holds within limits": "hold within limits",
    "does not hold": "do not hold",
    OPEN: "are not told apart",
    UNMEASURED: "are not measured yet",
}


def section(frame: pd.DataFrame, records: Sequence[Record]) -> Section | None:
    """A row for each claim; None where the records decide none of them."""
    found = list(verdicts(frame, records))
    if all(v.verdict == UNMEASURED for v in found):
        return None
    heads = tuple(map(Heading, ("The survey says", "Verdict", "Measured", "Judged by", "Records")))
    block = Block("", tuple(map(row, found)))
    table = Table("verdicts", "Verdicts on the survey", "Claim", heads, (block,), NOTE, prose=(0, 2, 3))
    behind = Part("Records behind the verdicts", (sources(found),), folded=True)
    return Section("verdicts", "Verdicts on the survey", (Say((summary(found),)), table, behind))


def row(one: Verdict) -> Row:
    """One claim."""
    verdict = Cell(one.verdict, status="not_reached" if one.verdict in (OPEN, UNMEASURED) else "")
    count = Cell(str(len(one.ids)), value=len(one.ids)) if one.ids else Cell()
    return Row((Cell(one.claim.says), verdict, Cell(one.said), Cell(one.claim.judged_by), count), head=one.claim.name)


def sources(found: Sequence[Verdict]) -> Table:
    """Every record behind each verdict, by the id that it has in records.jsonl."""
    rows = tuple(Row((Cell(", ".join(v.ids)),), head=v.claim.name) for v in found if v.ids)
    heads = (Heading("Ids in records.jsonl"),)
    return Table("verdict-records", "Records behind the verdicts", "Claim", heads, (Block("", rows),), prose=(0,))


def summary(found: Sequence[Verdict]) -> str:
    """`Of 21 claims 3 hold, 2 hold within limits, 16 are not measured yet.`"""
    counts = Counter(PLURAL[v.verdict] for v in found)
    return f"Of {len(found)} claims {', '.join(f'{count} {word}' for word, count in counts.most_common())}."
