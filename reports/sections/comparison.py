"""Every design at every resolution in one table for each task: what it costs, what it learns, and its ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from reports.colours import Style
from reports.document import Block, Cell, Heading, Part, Piece, Say, Section, Table
from reports.document import Row as Line
from reports.figures.curve import PREDICTED
from reports.frame import Row, grouped, rows_of
from reports.interval import possible_ranks
from reports.sections.cells import SMALL_PRINT, lost, measured
from reports.standing import ranks, span
from reports.units import HEADLINES, title

QUANTITIES = {
    "static": ("params", "macs"),
    "memory": ("peak_bytes",),
    "latency": ("latency_ms", "rank", "throughput_img_s", "largest_batch", "device_ms"),
    "accuracy": (*HEADLINES, "upsampled_x"),
}
ALWAYS = frozenset({"params", "macs", "peak_bytes", "latency_ms", *HEADLINES})  # columns also where all of them failed
Place = tuple[str, str, str, str]  # series, resolution, quantity, setting


@dataclass
class Lookup:
    """The rows of one task by where they belong."""

    values: dict[tuple[Place, str], Row] = field(default_factory=dict)
    failures: dict[Place, Row] = field(default_factory=dict)
    ranks: dict[Place, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: list[Row]) -> Lookup:
        lookup = cls()
        for row in rows:
            place = (row["series"], row["resolution"], row["quantity"], row["setting"])
            if row["status"] == "ok" or row["metric"] in PREDICTED.values():
                lookup.values[place, row["metric"]] = row
            if row["status"] != "ok":
                lookup.failures[place] = row
        lookup.ranks = _ranks([r for r in rows if r["metric"] == "latency_ms" and r["status"] == "ok" and ranks(r)])
        return lookup


def _ranks(rows: list[Row]) -> dict[Place, tuple[int, int]]:
    """The first and the last rank by latency that the intervals allow, where there are two designs or more."""
    result: dict[Place, tuple[int, int]] = {}
    for race in grouped(rows, "resolution", "setting").values():
        places = possible_ranks(map(span, race)) if len(race) > 1 else []
        result |= {
            (r["series"], r["resolution"], "latency", r["setting"]): p for r, p in zip(race, places, strict=False)
        }
    return result


def section(frame: pd.DataFrame, looks: Mapping[str, Style]) -> Section:
    """A table for each task."""
    own = frame[(frame["tested_at"] == "") | (frame["tested_at"] == frame["resolution"])]
    parts: list[Piece] = [
        Part(str(task), (comparison(f"comparison-{i}", str(task), rows_of(rows)),), str(task))
        for i, (task, rows) in enumerate(own.groupby("task"))
    ]
    return Section("comparison", "Comparison", (*parts, Say((SMALL_PRINT,), "quiet")))


def comparison(name: str, task: str, rows: list[Row], lead: tuple[str, Mapping[str, str]] | None = None) -> Table:
    """Designs by name at each resolution, never by a rank that their intervals do not support.

    `lead` is one column more, the first: its heading, and its text by series.
    """
    lookup = Lookup.of(rows)
    columns = list(_columns(task, rows, lookup))
    sizes = sorted({(r["pixels"], r["resolution"], r["scope"]) for r in rows})
    first = (lambda s: (Cell(lead[1][s]),)) if lead else (lambda s: ())
    blocks = []
    for size in sizes:
        here = sorted({r["series"] for r in rows if (r["pixels"], r["resolution"], r["scope"]) == size})
        lines = (Line((*first(s), *(_cell(lookup, (s, size[1], *c[:2]), c[2]) for c in columns)), s) for s in here)
        blocks.append(Block(f"{size[1]} {'tokens a side' if size[2] == 'mixer' else 'pixels'}", tuple(lines)))
    headings = [Heading("Rank by latency" if m == "rank" else title(m), setting) for _, setting, m in columns]
    if lead:
        headings.insert(0, Heading(lead[0]))
    prose = (0,) if lead else ()
    return Table(name, f"All designs, {task}", "Design", tuple(headings), tuple(blocks), prose=prose)


def _columns(task: str, rows: list[Row], lookup: Lookup) -> Iterator[tuple[str, str, str]]:
    """Quantity, setting and metric of each column; the commonest setting first."""
    score = HEADLINES[task == "segmentation"]
    known = {(place[2], place[3], metric) for place, metric in lookup.values}
    largest = {r["setting"] for r in rows if r["fills_memory"]}  # has no latency that compares
    batched = {r["setting"] for r in rows if r["batch"] > 1}  # of one image, throughput is latency told otherwise
    ranked = {(place[2], place[3]) for place in lookup.ranks}
    for quantity, metrics in QUANTITIES.items():
        count = Counter(r["setting"] for r in rows if r["quantity"] == quantity)
        for setting in sorted(count, key=lambda s: (-count[s], s)):
            for metric in metrics:
                measured = (quantity, setting, metric) in known
                measured &= metric != "throughput_img_s" or setting in batched | largest
                always = metric in ALWAYS - set(HEADLINES) and setting not in largest
                shown = measured or always or metric == score
                if (quantity, setting) in ranked if metric == "rank" else shown:
                    yield quantity, setting, metric


def _cell(lookup: Lookup, place: Place, metric: str) -> Cell:
    row = lookup.values.get((place, "latency_ms" if metric == "rank" else metric))
    if metric == "rank":
        return _rank(lookup.ranks.get(place), row)
    if row:
        return measured(row)
    if metric in ALWAYS and (failure := lookup.failures.get(place)):
        return lost(failure, lookup.values.get((place, PREDICTED.get(metric, "-"))))
    return Cell()


def _rank(ranks: tuple[int, int] | None, row: Row | None) -> Cell:
    if ranks is None:
        return Cell(why="no interval over processes" if row else "")
    first, last = ranks
    return Cell(str(first) if first == last else f"{first} to {last}", value=first)
