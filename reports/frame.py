"""Records -> one tidy long table, in which repeated measurements of one case have become one row.

Cases that differ in `round` only are one measurement, repeated in fresh processes: the median of the processes with
an interval over them, which for few of them borrows the spread of other cases (spread.py). Accuracies that differ in
`seed` only: their mean with an interval over the seeds. The column `interval` says what an interval is over, because
one within a process is no substitute for one over processes; `repeats` holds the repeated values, `ids` the records
that they are of, and `marks` what disturbed them. `bound` says of a largest batch whether memory or time bounds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import Any

import pandas as pd

from reports.escape import whole
from reports.interval import EXACT_FROM, of_mean, of_median
from reports.naming import machine_labels, series, settings
from reports.spread import law, moderated
from reports.units import EFFECTIVE, HEADLINES, kind
from suite.record import COLUMNS, Metric, Record, latest, rows

MEASURED = frozenset({"value", "low", "high", "n", "id", "started", "round", "tests"})  # what may differ in one row
NOTED = frozenset({"marks", "bound"})  # what notes say of it
BOUNDS = ("memory", "time")
PREDICTED = {  # quantity -> the note that holds its prediction, and the metric that it becomes
    "memory": ("predicted_bytes", "predicted_bytes", "bytes", 1),
    "latency": ("predicted_seconds", "predicted_ms", "ms", 1000),
}
OF_LARGEST = ("throughput_img_s", "largest_batch")  # what compares where each design has a largest batch of its own
ADDED = (
    "quantity",
    "machine",
    "id",
    "interval",
    "repeats",
    "marks",
    "bound",
    "kind",
    "series",
    "setting",
    "pixels",
    "scope",
    "ids",
)

Row = dict[str, Any]


def combined(records: Iterable[Record]) -> list[Row]:
    """The rows of the tidy table, as `suite.record.rows` names them, without `round`, with `interval` and `repeats`."""
    kept = [_with_prediction(r) for r in latest(records)]
    marks = {r.id: tuple(found) for r in kept if isinstance(found := r.notes.get("marks"), list) and found}
    bounds = {r.id: bound for r in kept if (bound := r.notes.get("bound")) in BOUNDS}
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows(kept):
        row["marks"] = marks.get(row["id"], ())
        row["bound"] = bounds.get(row["id"], "") if row["metric"] == "largest_batch" else ""
        hidden = MEASURED | NOTED | {"seed"} if row["quantity"] == "accuracy" else MEASURED | NOTED
        groups.setdefault(tuple(v for k, v in row.items() if k not in hidden), []).append(row)
    return _spread_alike([_one(group) for group in groups.values()])


def _spread_alike(found: list[Row]) -> list[Row]:
    """The rows, of which those over few processes have intervals that know how far the other cases' processes differ.

    Others are those of the same metric, machine, device and threads.
    """
    few = [row for row in found if row["quantity"] == "latency" and 1 < len(row["repeats"]) < EXACT_FROM]
    positive = [row for row in few if min(row["repeats"]) > 0]
    for alike in grouped(positive, "metric", "machine", "device", "threads").values():
        if by := law([row["repeats"] for row in alike]):
            for row in alike:
                _, row["low"], row["high"] = moderated(row["repeats"], by)
                row["interval"] += f", spread as in {len(alike)} cases"
    return found


def _with_prediction(record: Record) -> Record:
    """The record with what its memory or its time was predicted to be as a metric of its own."""
    note, metric, unit, scale = PREDICTED.get(record.case.quantity, ("", "", "", 1))
    value = record.notes.get(note)
    if not isinstance(value, (int, float)) or not value > 0:
        return record
    return replace(record, metrics={metric: Metric(value * scale, unit)} | record.metrics)


def _one(group: list[Row]) -> Row:
    """Many rows of one case -> one."""
    first = {k: _whole(v) for k, v in group[0].items() if k != "round"}
    values = [row["value"] for row in group] if first["status"] == "ok" and first["metric"] else []
    marked = [row["marks"] for row in group if row["marks"]]
    names = dict.fromkeys(whole(str(name)) for marks in marked for name in marks)
    said = f"{', '.join(names)} ({len(marked)} of {len(group)})" if marked else ""
    first |= {"repeats": tuple(values) if len(values) > 1 else (), "marks": said, "interval": ""}
    first["ids"] = tuple(row["id"] for row in group)
    if not values:  # of trainings that failed, the seed is no setting
        return first | {"n": len(group)} | ({"seed": None} if first["quantity"] == "accuracy" else {})
    return first | (_over_seeds(group, values) if first["quantity"] == "accuracy" else _over_processes(group, values))


def _whole(value: Any) -> Any:
    """The value, its texts such that a file can hold them."""
    if isinstance(value, tuple):
        return tuple(map(_whole, value))
    return whole(value) if isinstance(value, str) else value


def _over_seeds(group: list[Row], values: list[float]) -> Row:
    """The mean with its interval, where the metric is a score, an effective field, or has an interval for each seed.

    Of seeds that are all equal nobody knows how they vary: there the interval is that of one seed.
    """
    row = group[0]
    if len(group) == 1:
        return {"interval": "" if row["low"] is None else "one seed"}
    centre, low, high = of_mean(values)
    said = f"over {len(group)} seeds"
    if min(values) == max(values) and row["low"] is not None:
        low, high, said = row["low"], row["high"], f"{said}, all equal: that of one"
    if row["low"] is None and row["metric"] not in (*HEADLINES, *EFFECTIVE):
        return {"value": centre, "low": None, "high": None, "n": len(group), "seed": None}
    top = inf if kind(row["metric"]) not in ("score", "share") else 100.0 if row["unit"] == "%" else 1.0
    bounds = {"low": max(low, 0.0), "high": min(high, top)}
    return {"value": centre, **bounds, "n": len(group), "seed": None, "interval": said}


def _over_processes(group: list[Row], values: list[float]) -> Row:
    if len(group) == 1:
        return {"interval": "" if group[0]["low"] is None else "within one process"}
    if group[0]["low"] is None and len(set(values)) == 1:
        return {"n": len(group)}  # exact in each
    centre, low, high = of_median(values)
    return {"value": centre, "low": low, "high": high, "n": len(group), "interval": f"over {len(group)} processes"}


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """The tidy long table with four columns more: `kind`, `series`, `setting` and `pixels`.

    `kind` is cost for memory and latency, which answer together, else the quantity. `series` is what one line of a
    figure is called: the design, and its layout, position, decoder or budget where the run holds it with several.
    `setting` names what else differs between rows of a kind and task (mode, batch, data, machine ...): rows of
    different settings are never compared. `pixels` is the side of the square with as many pixels (tokens, where a
    mixer was measured alone).
    """
    records = list(records)
    return framed(combined(records), machine_labels(records))


def framed(rows: Iterable[Row], machines: Mapping[str, str]) -> pd.DataFrame:
    """The tidy frame of combined rows, of those that compare; `machines` holds what each machine is called in it."""
    frame = pd.DataFrame([row for row in rows if comparable(row)])
    if frame.empty:
        return pd.DataFrame(columns=[*COLUMNS, *ADDED])
    frame["machine"] = frame["machine"].map(machines)
    frame["kind"] = frame["quantity"].replace({"memory": "cost", "latency": "cost"})
    frame["pixels"] = (frame["height"] * frame["pixel_width"]) ** 0.5
    frame["params_budget"] = frame["params_budget"].astype("Int64")
    frame["seed"] = frame["seed"].astype("Int64")
    frame[["low", "high"]] = frame[["low", "high"]].astype(float)
    frame["series"] = series(frame)
    frame["setting"] = settings(frame)
    # Python's own strings: rows are read one by one, and there Arrow's take several times as long
    return frame.astype(dict.fromkeys(frame.select_dtypes("str").columns, "object"))


def comparable(row: Row) -> bool:
    """Whether the row means the same for every design: time and memory of a largest batch are of so many images."""
    return not row["fills_memory"] or row["status"] != "ok" or row["metric"] in OF_LARGEST


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame, each by the names of its columns."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def grouped(rows: Iterable[Row], *columns: str) -> dict[tuple[Any, ...], list[Row]]:
    """The rows by the values of some columns, in the order of their first."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[c] for c in columns), []).append(row)
    return groups
