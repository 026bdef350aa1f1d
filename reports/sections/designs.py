"""The designs of a run: their sizes, what they do as the resolution changes, and what their records note."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.colours import Style
from reports.document import Block, Cell, Heading, Section, Table
from reports.document import Row as Line
from reports.frame import grouped, rows_of
from reports.units import number
from suite.record import Record

# shown elsewhere, or too long to show
SHOWN = frozenset(
    "command policy losses foreground_losses plateau_loss predicted_bytes predicted_seconds marks".split()
)
HEADS = ("Layout", "Position", "Budget", "Body", "Head", "As the resolution changes", "Notes")


def section(frame: pd.DataFrame, looks: Mapping[str, Style], records: Sequence[Record]) -> Section:
    """One table."""
    notes: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    series = dict(zip(frame["id"], frame["series"], strict=True))
    for record in records:
        for key, value in record.notes.items() if record.id in series else ():
            notes[series[record.id]][key].append(value)
    first = grouped(rows_of(frame.drop_duplicates("series").sort_values("series")), "series")
    sizes = _sizes(frame)
    rows = tuple(Line(_cells(row, sizes, notes[row["series"]]), row["series"]) for (row,) in first.values())
    table = Table("designs", "Designs", "Design", tuple(map(Heading, HEADS)), (Block("", rows),), prose=(0, 1, 5, 6))
    return Section("designs", "Designs", (table,))


def _sizes(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Series and metric -> its numbers of parameters, each once, by resolution."""
    static = frame[(frame["quantity"] == "static") & (frame["status"] == "ok")].sort_values("pixels")
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for series, metric, value in zip(static["series"], static["metric"], static["value"], strict=True):
        if metric.startswith("params"):
            found[series, metric][number(metric, value)] = None
    return {key: " · ".join(values) for key, values in found.items()}


def _cells(
    row: dict[str, Any], sizes: Mapping[tuple[str, str], str], notes: Mapping[str, list[Any]]
) -> tuple[Cell, ...]:
    budget = "none" if pd.isna(row["params_budget"]) else number("params", row["params_budget"])
    policy = "; ".join(dict.fromkeys(map(said, notes.get("policy", ()))))
    others = "; ".join(f"{k}: {_summary(v)}" for k, v in sorted(notes.items()) if k not in SHOWN)
    body, head = (Cell(sizes.get((row["series"], m), "") or Cell.text) for m in ("params_body", "params_head"))
    return (
        Cell(row["layout"]),
        Cell(row["position"]),
        Cell(budget),
        body,
        head,
        Cell(policy or Cell.text),
        Cell(others or Cell.text),
    )


def _summary(values: list[Any]) -> str:
    """Many values of one note: the range of numbers, the first few of anything else."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return " to ".join(dict.fromkeys(said(float(v)) for v in (min(values), max(values))))
    texts = list(dict.fromkeys(map(said, values)))
    return " · ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def said(value: Any) -> str:
    """A note in words: numbers short, everything else as text."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    return str(value) if len(str(value)) <= 300 else str(value)[:299] + "…"
