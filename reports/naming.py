"""What the rows of a tidy frame are called: networks (`series`), what else differs (`setting`), and machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.escape import whole
from suite.record import Record, machine_name

NETWORK = ("layout", "position", "decoder", "params_budget")  # what tells two networks of one design apart
FIRST = ("machine", "device", "dtype", "backend", "compiled", "memory_format", "threads", "scope", "mode", "batch",
         "cache", "classes", "data", "train_images", "train_minutes", "pretrain_images", "lrs", "augment")  # fmt: skip
LOOSE = ("lr", "seed")  # settings that may differ between designs, but not within one
NO_SETTING = frozenset(
    "design task resolution metric tested_at value unit low high n status reason height pixel_width id started recipe "
    "widths extra quantity round tests at_once fills_memory interval repeats marks bound kind pixels series ids".split()
)
LARGEST = -1  # stands for a batch that was chosen as the largest that fits: the choice is the setting, not the number
TELLING = ("gpu", "cpu", "cores", "torch", "driver", "cuda")  # which fields of an identity readers know machines by
PLAIN = frozenset({"machine", "device", "dtype", "backend", "memory_format", "layout", "position", "decoder"})
USUAL = {"scope": "network", "augment": "shift", "pretrain_images": 0}  # go unsaid; all else is said, even by itself
WORDS = {("mode", "train"): "training step", ("scope", "mixer"): "mixer alone", ("scope", "network"): "whole network"}


def series(frame: pd.DataFrame) -> pd.Series[str]:
    """The design of each row, and what tells it from other networks of that design where the frame holds several."""
    names = frame["design"]
    for column in NETWORK:
        has_it = frame[frame["task"] == "segmentation"] if column == "decoder" else frame
        varies = has_it.groupby("design")[column].transform("nunique", dropna=False) > 1
        varies = varies.reindex(frame.index, fill_value=False)
        names = names.where(~varies, names + " · " + _words(frame, column))
    cell = [frame[c] for c in ("quantity", "task", "resolution", "scope")]
    varies = frame.groupby([names, *cell])["recipe"].transform("nunique").groupby(names).transform("max") > 1
    versions = frame["recipe"].map({r: str(i) for i, r in enumerate(sorted(frame["recipe"].unique()), 1)})
    return names.where(~varies, names + " · recipe " + versions)


def settings(frame: pd.DataFrame) -> pd.Series[str]:
    """What differs between the rows of one kind and task beside network, resolution and metric. Needs `series`.

    Every field of a case that this module does not know is one more setting: nothing is compared across it.
    """
    strict = [*FIRST, *sorted(set(frame.columns) - {*FIRST, *LOOSE, *NETWORK, *NO_SETTING, "setting"})]
    batch = frame["batch"].where(~frame["fills_memory"].astype(bool), LARGEST)
    frame = frame.assign(batch=batch)
    group = [frame["kind"], frame["task"]]
    cell = [*group, frame["series"], frame["resolution"], frame["quantity"], frame["metric"], frame["tested_at"]]
    setting = pd.Series("", index=frame.index)
    for column in (*strict, *LOOSE):
        if frame[column].nunique(dropna=False) == 1 and column not in USUAL:
            continue
        within = cell if column in LOOSE else group
        count = frame.groupby(within)[column].transform("nunique", dropna=False)
        varies = (count.groupby(group).transform("max") if column in LOOSE else count) > 1
        if column in USUAL:
            varies = frame[column] != USUAL[column]
        if column == "lr":
            varies &= frame["lrs"].map(len) == 0  # one of several is no setting
        joined = setting + np.where(setting == "", "", ", ") + _words(frame, column)
        setting = setting.where(~varies, joined)
    return setting


def machine_labels(records: Iterable[Record]) -> dict[str, str]:
    """The name of each machine -> the shortest text that tells it from the run's others."""
    identities = {whole(machine_name(r.machine)): r.machine.get("identity", {}) for r in records}
    found = {key for identity in identities.values() for key in identity}
    keys = [*(k for k in TELLING if k in found), *sorted(found - set(TELLING))]
    said = {name: {k: str(i.get(k, f"no {k}")) for k in keys} for name, i in identities.items()}
    alone = [k for k in keys if len({values[k] for values in said.values()}) == len(said)]
    telling = alone[:1] or [k for k in keys if len({values[k] for values in said.values()}) > 1]
    return {name: whole(_identity(values, telling)) for name, values in said.items()}


def _identity(values: Mapping[str, str], telling: Sequence[str]) -> str:
    """A model by itself; what is too short to be told by itself with its name."""
    if len(telling) == 1 and len(values[telling[0]]) > 3:
        return values[telling[0]]
    return ", ".join(f"{k} {values[k]}" for k in telling) or "this machine"


def constants(frame: pd.DataFrame) -> dict[str, str]:
    """The settings that all memories and latencies of a frame share, in words."""
    rows = frame[frame["kind"] == "cost"]
    shared = ("device", "dtype", "backend", "compiled", "memory_format", "threads", "batch", "cache")
    same = (c for c in shared if c in rows and rows[c].nunique(dropna=False) == 1)
    return {c: _said(c, rows[c].iloc[0]).removeprefix(f"{c} ") for c in same}


def _words(frame: pd.DataFrame, column: str) -> pd.Series[str]:
    return frame[column].map({value: _said(column, value) for value in frame[column].unique()}).astype(str)


def _said(column: str, value: Any) -> str:
    """A field of a case in words: `batch 8`, `compiled`, `5M`."""
    if isinstance(value, tuple):
        value = " ".join(map(str, value))
    if value == "" if isinstance(value, str) else pd.isna(value):
        return f"no {column.replace('_', ' ')}"
    if (column, value) in WORDS:
        return WORDS[column, value]
    if column in PLAIN or column == "mode":
        return str(value)
    if column == "params_budget":
        return f"{value / 1e6:g}M"
    if column == "compiled":
        return "compiled" if value else "eager"
    if column == "batch" and value == LARGEST:
        return "largest batch"
    return f"{column.replace('_', ' ')} {value}"
