"""Over the families of a run: how far from chance to ceiling each design comes, in each family and in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from reports.accuracy import over_families
from reports.document import Block, Cell, Heading, Table
from reports.document import Row as Line
from reports.frame import Row, grouped
from reports.units import BOUNDS, HEADLINES

LEAST = 3  # families: of two, the middle is the mean
NOTE = (
    "Learnt: 0 % is chance, 100 % the ceiling. The interquartile mean leaves out the lowest and the highest quarter "
    "of the trainings of all families; its 95 % interval is that of a bootstrap, which draws families and then seeds. "
    "Designs that did not learn from every family are not listed; one that saw fewer images shows what it learnt from "
    "them."
)

Learnt = dict[str, dict[str, list[float]]]
"""By series and family, for each seed: the share of the way from chance to ceiling."""


def families(rows: Sequence[Row]) -> Iterator[Table]:
    """The table, where designs learnt from several families whose chance and ceiling are known."""
    own = [r for r in rows if r["status"] == "ok" and r["tested_at"] in ("", r["resolution"])]
    blocks, names = [], sorted({_name(r) for r in own if r["metric"] == "ceiling"})
    if len(names) < LEAST:
        return
    for (_, resolution), here in sorted(grouped(own, "pixels", "resolution").items()):
        found = {series: of for series, of in learnt(here).items() if sorted(of) == names}
        if found:
            blocks.append(Block(f"{resolution} pixels", tuple(_lines(found))))
    if blocks:
        heads = (Heading("Interquartile mean"), *map(Heading, names))
        yield Table("accuracy-families", "Learnt, over all families", "Design", heads, tuple(blocks), NOTE)


def learnt(rows: Sequence[Row]) -> Learnt:
    """Of rows of one resolution. Nothing, where a family was learnt from in several settings: they do not compare."""
    if any(len({r["setting"] for r in of}) > 1 for of in grouped(rows, "task", "data").values()):
        return {}
    shares: Learnt = {}
    for (series, *_), of in grouped(rows, "series", "task", "data").items():
        by_metric = {r["metric"]: r for r in of}
        score = next((by_metric[name] for name in HEADLINES if name in by_metric), None)
        if score and by_metric.keys() >= set(BOUNDS):
            chance, ceiling = (by_metric[bound]["value"] for bound in BOUNDS)
            values = score["repeats"] or (score["value"],)
            shares.setdefault(series, {})[_name(score)] = [(v - chance) / (ceiling - chance) for v in values]
    return shares


def _name(row: Row) -> str:
    return str(row["data"]).partition(":")[2] or str(row["data"])


def _lines(found: Learnt) -> Iterator[Line]:
    """Best first."""
    middles = {series: over_families(list(of.values())) for series, of in found.items()}
    for series, (middle, low, high) in sorted(middles.items(), key=lambda one: (-one[1][0], one[0])):
        cells = [Cell(f"{100 * middle:.0f} %", f"{100 * low:.0f} to {100 * high:.0f} %", "", "", middle, low, high)]
        for _, values in sorted(found[series].items()):
            share = fmean(values)
            cells.append(Cell(f"{100 * share:.0f} %", value=share, shade=min(1.0, max(0.0, share))))
        yield Line(tuple(cells), series)
