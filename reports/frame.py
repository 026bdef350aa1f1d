"""Records -> one tidy long table, in which repeated measurements of one case have become one row.

Cases that differ in `round` only are one measurement, repeated in fresh processes: the median of the processes with
an interval over them. Accuracies that differ in `seed` only: their mean with an interval over the seeds. The column
`interval` says what an interval is over, because one within a process is no substitute for one over processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reports.interval import of_mean, of_median
from suite.record import COLUMNS, Metric, Record, latest, rows

MEASURED = frozenset({"value", "low", "high", "n", "id", "started", "round"})  # what may differ within one row
SCORES = frozenset({"top1", "miou"})
KEPT_BY_SEED = frozenset({"chance", "ceiling"})  # known, not estimated: their mean has no interval

NAMING = ("layout", "position", "decoder", "params_budget")  # what tells two networks of one design apart
MACHINE = ("machine", "device", "dtype", "backend", "compiled", "threads")
WORK = ("mode", "batch", "classes", "data", "train_images", "train_minutes")
STRICT = (*MACHINE, *WORK)  # settings that are never mixed in one comparison
ADDED = ("quantity", "machine", "id", "interval", "series", "setting", "pixels")
LOOSE = ("lr", "seed")  # settings that may differ between designs, but not within one


def combined(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The rows of the tidy table, as `suite.record.rows` names them, without `round` and with `interval`."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows(_with_prediction(r) for r in latest(records)):
        hidden = MEASURED | {"seed"} if row["quantity"] == "accuracy" else MEASURED
        groups.setdefault(tuple(v for k, v in row.items() if k not in hidden), []).append(row)
    return [_one(group) for group in groups.values()]


def _with_prediction(record: Record) -> Record:
    """A memory that was not measured keeps the metric that tells what it was predicted to be."""
    bytes_ = record.notes.get("predicted_bytes")
    if record.status == "ok" or record.case.quantity != "memory" or not isinstance(bytes_, (int, float)):
        return record
    return replace(record, metrics={"predicted_bytes": Metric(bytes_, "bytes")} | record.metrics)


def _one(group: list[dict[str, Any]]) -> dict[str, Any]:
    """Many rows of one case -> one."""
    first = {k: v for k, v in group[0].items() if k != "round"}
    if first["status"] != "ok" or not first["metric"]:
        return first | {"interval": ""} | ({"n": len(group)} if not first["metric"] else {})
    if first["quantity"] == "accuracy":
        return first | _over_seeds(group)
    return first | _over_processes(group)


def _over_seeds(group: list[dict[str, Any]]) -> dict[str, Any]:
    values, metric = [row["value"] for row in group], group[0]["metric"]
    if len(group) == 1:
        return {"interval": "one seed" if metric in SCORES else ""}
    centre, low, high = of_mean(values)
    if metric not in SCORES:
        return {"value": centre, "low": None, "high": None, "n": len(group), "seed": None, "interval": ""}
    top = 100.0 if group[0]["unit"] == "%" else 1.0
    bounds = {"low": max(low, 0.0), "high": min(high, top)}
    return {"value": centre, **bounds, "n": len(group), "seed": None, "interval": f"over {len(group)} seeds"}


def _over_processes(group: list[dict[str, Any]]) -> dict[str, Any]:
    if len(group) == 1:
        return {"interval": "" if group[0]["low"] is None else "within one process"}
    centre, low, high = of_median([row["value"] for row in group])
    return {"value": centre, "low": low, "high": high, "n": len(group), "interval": f"over {len(group)} processes"}


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """The tidy long table with three columns more: `series`, `setting` and `pixels`.

    `series` is what one line of a figure is called: the design, and its layout, position, decoder or budget where the
    run holds the design with several. `setting` names what else differs between comparable rows (batch, data, machine
    ...): rows of different settings are never compared. `pixels` is the side of the square with as many pixels.
    """
    frame = pd.DataFrame(combined(records))
    if frame.empty:
        return pd.DataFrame(columns=[*COLUMNS, *ADDED])
    frame["pixels"] = (frame["height"] * frame["pixel_width"]) ** 0.5
    frame["params_budget"] = frame["params_budget"].astype("Int64")
    frame["seed"] = frame["seed"].astype("Int64")
    frame[["low", "high"]] = frame[["low", "high"]].astype(float)
    frame["series"] = _series(frame)
    frame["setting"] = _settings(frame)
    return frame


def _series(frame: pd.DataFrame) -> pd.Series[str]:
    names = frame["design"]
    for column in NAMING:
        has_it = frame[frame["task"] == "segmentation"] if column == "decoder" else frame
        varies = has_it.groupby("design")[column].transform("nunique", dropna=False) > 1
        varies = varies.reindex(frame.index, fill_value=False)
        said = frame[column].map({value: _said(column, value) for value in frame[column].unique()})
        names = names.where(~varies, names + " · " + said)
    cell = [frame[c] for c in ("quantity", "task", "resolution")]
    varies = frame.groupby([names, *cell])["recipe"].transform("nunique").groupby(names).transform("max") > 1
    versions = frame["recipe"].map({r: str(i) for i, r in enumerate(sorted(frame["recipe"].unique()), 1)})
    return names.where(~varies, names + " · recipe " + versions)


def _settings(frame: pd.DataFrame) -> pd.Series[str]:
    group = [frame["quantity"], frame["task"]]
    cell = [*group, frame["series"], frame["resolution"], frame["metric"]]
    setting = pd.Series("", index=frame.index)
    for column in (*STRICT, *LOOSE):
        within = group if column in STRICT else cell
        if frame[column].nunique(dropna=False) == 1:
            continue
        count = frame.groupby(within)[column].transform("nunique", dropna=False)
        varies = (count if column in STRICT else count.groupby(group).transform("max")) > 1
        said = frame[column].map({value: _said(column, value) for value in frame[column].unique()})
        setting = setting.where(~varies, setting + np.where(setting == "", "", ", ") + said)
    return setting


def _said(column: str, value: Any) -> str:
    """A field of a case in words: `batch 8`, `compiled`, `5M`."""
    if pd.isna(value):
        return f"no {column.replace('_', ' ')}"
    if column in ("layout", "position", "decoder", "machine", "device", "dtype", "mode"):
        return str(value) or f"no {column}"
    if column == "params_budget":
        return f"{value / 1e6:g}M"
    if column == "compiled":
        return "compiled" if value else "eager"
    return f"{column.replace('_', ' ')} {value}"
