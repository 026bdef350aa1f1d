"""Records -> the document that every form of a report is written from, and the looks of its series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.colours import Style, styles
from reports.document import Document, Section
from reports.frame import Row, combined, framed
from reports.naming import machine_labels
from reports.sections import (
    accuracy,
    answers,
    comparison,
    controlled,
    designs,
    laws,
    missing,
    parts,
    prediction,
    reach,
    run,
    scaling,
    stability,
    verdicts,
)
from suite.record import Record


@dataclass(frozen=True)
class Report:
    """A document, how the series in it look, and the tidy table and the records that it was computed from."""

    document: Document
    looks: dict[str, Style]
    rows: list[Row]
    records: Mapping[str, Sequence[Record]]  # by run: A and B, or "" for the only one


def report(name: str, records: Sequence[Record]) -> Report:
    """The report of the records of one run, the last of each case."""
    rows = combined(records)
    frame = framed(rows, machine_labels(records))
    looks = styles(dict(zip(frame["series"], frame["layout"], strict=True)))
    sections: list[Section | None] = []
    if records:
        sections = [
            answers.section(frame, looks),
            accuracy.section(frame, looks, records),
            scaling.section(frame, looks),
            laws.section(frame, looks, records),
            stability.section(frame),
            controlled.section(frame, looks),
            comparison.section(frame, looks),
            reach.section(frame, looks),
            verdicts.section(frame, records),
            prediction.section(frame, looks),
            parts.section(frame),
            missing.section(frame, looks),
            designs.section(frame, looks, records),
            run.section(records, frame),
        ]
    lead = run.lead(records, len(looks))
    document = Document(name, lead, run.statuses(records), tuple(s for s in sections if s))
    return Report(document, looks, rows, {"": records})
