"""In what two runs differ before anything is measured: machines, versions and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document import Block, Cell, Heading, Piece, Row, Say, Section, Table
from reports.sections.designs import said
from reports.words import count
from suite.record import Record

VERSIONS = ("commit", "dirty", "lock", "python", "kernel")  # conditions that tell one version of the software
Values = Mapping[str, str]


def section(a: Sequence[Record], b: Sequence[Record], asked: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Section:
    """A table for each: what differs, and how much is equal."""
    pieces: list[Piece] = [
        *_table("machine", "Machine", identity(a), identity(b)),
        *_table("versions", "Version", _conditions(a), _conditions(b)),
    ]
    if all(asked):
        pieces += _table("request", "What was asked for", *({k: said(v) for k, v in one.items()} for one in asked))
    else:
        pieces.append(
            Say(("What was asked for is not known of both runs: starts.jsonl is missing or broken.",), "note")
        )
    return Section("differences", "In what the runs differ", tuple(pieces))


def identity(records: Sequence[Record]) -> dict[str, str]:
    """The identity of a run's machines; where it has several, all values of each field."""
    return _joined([r.machine.get("identity", {}) for r in records])


def differing(a: Values, b: Values) -> list[str]:
    """The names of what differs, in the order of the first."""
    return [name for name in {**a, **b} if a.get(name) != b.get(name)]


def _conditions(records: Sequence[Record]) -> dict[str, str]:
    found = [r.machine.get("conditions", {}) for r in records]
    return _joined([{name: one.get(name) for name in VERSIONS if one.get(name) is not None} for one in found])


def _joined(mappings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    values: dict[str, dict[str, None]] = {}
    for mapping in mappings:
        for name, value in mapping.items():
            values.setdefault(str(name), {})[said(value)] = None
    return {name: "; ".join(found) for name, found in values.items()}


def _table(name: str, title: str, a: Values, b: Values) -> list[Piece]:
    """What differs as a table, and how many fields are equal in a sentence."""
    names = differing(a, b)
    equal = len({**a, **b}) - len(names)
    if not names:
        text = f"{title}: the same in both, in all {count(equal, 'field')}." if equal else f"{title}: not recorded."
        return [Say((text,))]
    rows = tuple(Row((Cell(a.get(n, "–")), Cell(b.get(n, "–"))), head=n.replace("_", " ")) for n in names)
    note = f"The same in both: {count(equal, 'further field')}."
    heads = (Heading("A"), Heading("B"))
    return [Table(f"differences-{name}", title, "Field", heads, (Block("", rows),), note, prose=(0, 1))]
