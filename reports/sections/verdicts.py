"""What the records say of the survey's claims."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from reports.claims.verdicts import Verdict, verdicts
from reports.claims.view import UNMEASURED
from reports.document import Block, Cell, Heading, Row, Say, Section, Table

MOST_IDS = 3  # of the records behind a verdict; the others are counted


def section(frame: pd.DataFrame) -> Section | None:
    """A row for each claim; None where the records decide none of them."""
    found = list(verdicts(frame))
    if all(v.verdict == UNMEASURED for v in found):
        return None
    headings = (
        Heading("The survey says"),
        Heading("Verdict"),
        Heading("Measured"),
        Heading("Judged by"),
        Heading("Records"),
    )
    table = Table(
        "verdicts",
        "Verdicts on the survey",
        "Claim",
        headings,
        (Block("", tuple(row(v) for v in found)),),
        "A verdict is computed from the records beside it. What is not measured yet names the command that does.",
        prose=(0, 2, 3, 4),
    )
    return Section("verdicts", "Verdicts on the survey", (Say((summary(found),)), table))


def row(one: Verdict) -> Row:
    """One claim."""
    more = f" and {len(one.ids) - MOST_IDS} more" if len(one.ids) > MOST_IDS else ""
    verdict = Cell(one.verdict, status="not_reached" if one.verdict == UNMEASURED else "")
    ids = Cell(", ".join(one.ids[:MOST_IDS]) + more) if one.ids else Cell()
    return Row((Cell(one.claim.says), verdict, Cell(one.said), Cell(one.claim.judged_by), ids), head=one.claim.name)


def summary(found: list[Verdict]) -> str:
    """`Of 21 claims 3 hold, 2 hold within limits, 16 are not measured yet.`"""
    words = {"holds": "hold", "holds within limits": "hold within limits", "does not hold": "do not hold"}
    counts = Counter(words.get(v.verdict, "are not measured yet") for v in found)
    return f"Of {len(found)} claims {', '.join(f'{count} {word}' for word, count in counts.most_common())}."
