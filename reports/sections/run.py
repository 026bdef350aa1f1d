"""The run: what was asked for, on which machines, under which conditions, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.document import Facts, Part, Piece, Say, Section
from reports.naming import constants
from reports.sections.designs import said
from reports.units import number
from reports.words import Words, count, status_words
from suite.record import Record, machine_name


def lead(records: Sequence[Record], series: int) -> Words:
    """What a run holds, in one sentence."""
    if not records:
        return ("This run holds no records yet: the sweep that writes to this folder has not finished its first case.",)
    time = number("total_ms", 1000 * sum(r.seconds for r in records))
    started = sorted(r.started for r in records if r.started)
    dates = ""
    if started:
        first, last = (s[:16].replace("T", " ") for s in (started[0], started[-1]))
        dates = f", {first} to {last[11:] if last[:10] == first[:10] else last} UTC"
    return (f"{count(series, 'design')}, {count(len(records), 'case')}, {time} of measuring{dates}.",)


def statuses(records: Sequence[Record]) -> tuple[tuple[str, str, int], ...]:
    """Status, its words, and how many cases have it."""
    return tuple((s, status_words(s), n) for s, n in Counter(r.status for r in records).most_common())


def section(records: Sequence[Record], frame: pd.DataFrame) -> Section:
    """Commands, settings, machines and conditions."""
    machines: dict[str, list[Record]] = {}
    for record in records:
        machines.setdefault(machine_name(record.machine), []).append(record)
    pieces: list[Piece] = []
    if len(machines) > 1:
        pieces.append(
            Say((f"Records of {len(machines)} machines: they are shown apart and never ranked together.",), "note")
        )
    if frozen := constants(frame):
        pieces.append(Facts("All memories and latencies", _pairs(frozen)))
    for _, found in sorted(machines.items()):
        pieces += _machine(found)
    commands = dict.fromkeys(str(r.notes["command"]) for r in records if "command" in r.notes)
    pieces += [Facts("Command", (("", command),)) for command in sorted(commands)]
    schemas = ", ".join(map(str, sorted({r.schema for r in records})))
    pieces.append(Say((f"Made by avbench from records.jsonl, schema {schemas or 'unknown'}.",), "quiet"))
    return Section("run", "Machine and run", tuple(pieces))


def _machine(records: Sequence[Record]) -> list[Piece]:
    """Identity, and the conditions of all of its records: the range of numbers, each other value once."""
    identity = records[0].machine.get("identity", {})
    if not identity:
        return [Say(("The machine was not recorded.",), "note")]
    pieces: list[Piece] = [Facts("Machine", _pairs(identity))]
    conditions: dict[str, list[Any]] = {}
    for record in records:
        for key, value in record.machine.get("conditions", {}).items():
            conditions.setdefault(key.replace("_", " "), []).append(value)
    if conditions:
        facts = Facts("", tuple((k, _range(v)) for k, v in conditions.items()))
        pieces.append(Part("Conditions while measuring, recorded and not compared", (facts,), folded=True))
    return pieces


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((k.replace("_", " "), said(v)) for k, v in values.items())


def _range(values: list[Any]) -> str:
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(values):
        return " to ".join(dict.fromkeys(said(float(v)) for v in (min(numbers), max(numbers))))
    texts = list(dict.fromkeys(said(v) for v in values))
    return ", ".join(texts[:4]) + (f" and {len(texts) - 4} more" if len(texts) > 4 else "")
