"""Tidy frame -> the comparison of designs at each resolution, and the list of what is not there, each with its why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from reports.frame import Row, rows_of
from reports.interval import possible_ranks
from reports.units import interval, number, title
from reports.words import status_words

QUANTITIES = (
    ("static", ("params", "macs")),
    ("memory", ("peak_bytes",)),
    ("latency", ("latency_ms", "rank", "throughput_img_s")),
    ("accuracy", ("score", "bounds")),
)
HEADINGS = {"rank": "Rank", "bounds": "Chance, ceiling"}
ALONE = frozenset({"within one process", "one seed"})  # intervals over no repetition: marked, and never ranked by
GAP = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """What a table shows at one place; `status` is empty for a measured value and for a gap."""

    text: str = GAP
    under: str = ""
    status: str = ""
    why: str = ""


@dataclass(frozen=True)
class Line:
    series: str
    cells: list[Cell]


@dataclass(frozen=True)
class Block:
    """All designs at one resolution, by name."""

    resolution: str
    lines: list[Line]


@dataclass(frozen=True)
class Table:
    """One task: headings (what, setting) and a block for each resolution."""

    task: str
    headings: list[tuple[str, str]]
    blocks: list[Block]


@dataclass(frozen=True)
class Missing:
    """Cases of one reason: what was to be measured, of what, where, and why it was not."""

    status: str
    series: str
    quantity: str
    why: str
    tasks: list[str] = field(default_factory=list)
    resolutions: list[str] = field(default_factory=list)


@dataclass
class Lookup:
    """The rows of one task by where they belong."""

    values: dict[tuple[str, ...], Row] = field(default_factory=dict)
    failures: dict[tuple[str, ...], Row] = field(default_factory=dict)
    ranks: dict[tuple[str, ...], tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Lookup:
        lookup = cls()
        for row in rows_of(frame):
            place = (row["series"], row["resolution"], row["quantity"], row["setting"])
            if row["status"] == "ok" or row["metric"] == "predicted_bytes":
                lookup.values[(*place, row["metric"])] = row
            if row["status"] != "ok":
                lookup.failures[place] = row
        lookup.ranks = _ranks(lookup.values)
        return lookup


def _ranks(values: dict[tuple[str, ...], Row]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Series, resolution, quantity, setting -> the first and last rank by latency that the intervals allow."""
    races: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
    for key, row in values.items():
        if key[-1] == "latency_ms" and row["interval"].startswith("over"):
            races[key[1], key[3]].append(key)
    result: dict[tuple[str, ...], tuple[int, int]] = {}
    for keys in races.values():
        if len(keys) > 1:
            ranks = possible_ranks((values[k]["low"], values[k]["high"]) for k in keys)
            result |= {k[:4]: rank for k, rank in zip(keys, ranks, strict=True)}
    return result


def comparisons(frame: pd.DataFrame) -> list[Table]:
    """A table for each task: designs by name, never by a rank that their intervals do not support."""
    return [_table(str(task), rows) for task, rows in frame.groupby("task")]


def _table(task: str, frame: pd.DataFrame) -> Table:
    lookup = Lookup.of(frame)
    columns = [c for c in _columns(task, frame) if c[1] != "rank" or any(k[2:4] == (c[0], c[2]) for k in lookup.ranks)]
    blocks = []
    for _, rows in frame.sort_values("pixels").groupby(["pixels", "resolution"], sort=True):
        resolution = str(rows["resolution"].iloc[0])
        series = sorted(rows["series"].unique())
        lines = [Line(s, [_cell(lookup, s, resolution, *c) for c in columns]) for s in series]
        blocks.append(Block(resolution, lines))
    return Table(task, [(HEADINGS.get(m) or title(m), setting) for _, m, setting in columns], blocks)


def _columns(task: str, frame: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Quantity, metric and setting of each column."""
    for quantity, metrics in QUANTITIES:
        rows = frame[frame["quantity"] == quantity]
        score = "top1" if task == "classification" else "miou"
        known = set(rows["metric"])
        count = rows["setting"].value_counts()
        for setting in sorted(count.index, key=lambda s: (-count[s], s)):
            for metric in metrics:
                if metric != "bounds" or known & {"chance", "ceiling"}:
                    yield quantity, score if metric == "score" else metric, setting


def _cell(lookup: Lookup, series: str, resolution: str, quantity: str, metric: str, setting: str) -> Cell:
    place = (series, resolution, quantity, setting)
    if metric == "bounds":
        rows = [row for name in ("chance", "ceiling") if (row := lookup.values.get((*place, name)))]
        return Cell(", ".join(number(row["metric"], row["value"], row["unit"]) for row in rows) or GAP)
    if row := lookup.values.get((*place, "latency_ms" if metric == "rank" else metric)):
        return _rank(lookup.ranks.get(place)) if metric == "rank" else _measured(row)
    if metric != "rank" and (row := lookup.failures.get(place)):
        predicted = lookup.values.get((*place, "predicted_bytes")) if metric == "peak_bytes" else None
        under = f"predicted {number(metric, predicted['value'])}" if predicted else ""
        return Cell(status_words(row["status"]), under, row["status"], row["reason"])
    return Cell()


def _measured(row: Row) -> Cell:
    mark = "¹" if row["interval"] in ALONE else ""
    text = number(row["metric"], row["value"], row["unit"])
    if pd.isna(row["low"]) or pd.isna(row["high"]):
        return Cell(text + mark, why=row["interval"])
    return Cell(text, interval(row["metric"], row["low"], row["high"], row["unit"]) + mark, why=row["interval"])


def _rank(ranks: tuple[int, int] | None) -> Cell:
    if ranks is None:
        return Cell(why="no interval over processes")
    first, last = ranks
    return Cell(str(first) if first == last else f"{first} to {last}")


def missing(frame: pd.DataFrame) -> list[Missing]:
    """What was planned and not measured; cases that differ in task or resolution only, and share a reason, are one."""
    places: dict[tuple[str, str, str, str], dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    lost = frame[frame["status"] != "ok"].sort_values(["status", "series", "quantity", "task", "pixels"])
    for row in rows_of(lost):
        what = " · ".join(filter(None, (row["quantity"], row["setting"])))
        places[row["status"], row["series"], what, row["reason"]][row["task"]][row["resolution"]] = None
    found: dict[tuple[Any, ...], Missing] = {}
    for key, tasks in places.items():
        for task, resolutions in tasks.items():
            entry = found.setdefault((*key, *resolutions), Missing(*key, [], list(resolutions)))
            entry.tasks.append(task)
    return list(found.values())


def by_status(entries: Iterable[Missing]) -> dict[str, list[Missing]]:
    """The entries of each status, in the order of the statuses' names."""
    result: dict[str, list[Missing]] = defaultdict(list)
    for entry in entries:
        result[entry.status].append(entry)
    return dict(sorted(result.items()))
