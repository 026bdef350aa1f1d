"""Every quantity against resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from reports.colours import Style
from reports.document import Gallery, Part, Piece, Say, Section
from reports.figures.curve import PREDICTED, Curve
from reports.figures.growth import panels
from reports.frame import Row, grouped, rows_of
from reports.units import BOUNDS, HEADLINES, kind, title

DRAWN = ("latency_ms", "peak_bytes", "macs", *HEADLINES)
MOST = 24  # curves of one page: each more setting doubles them, and nobody reads hundreds


def section(frame: pd.DataFrame, looks: Mapping[str, Style]) -> Section | None:
    """A part for each task; None where nothing was measured."""
    found = list(curves(frame))
    shown, more = found[:MOST], len(found) - MOST
    parts: list[Piece] = [
        Part(task, tuple(_galleries([(i, c) for i, (of, c) in enumerate(shown) if of == task], looks)), task)
        for task in dict.fromkeys(task for task, _ in shown)
    ]
    if more > 0:
        parts.append(Say((f"{more} more, of further settings, were not drawn; they are in records.csv.",), "note"))
    return Section("scaling", "Against resolution", tuple(parts)) if parts else None


def _galleries(found: list[tuple[int, Curve]], looks: Mapping[str, Style]) -> Iterator[Part]:
    """The figures of each curve; those of a metric's further settings open when asked for."""
    drawn = set[str]()
    for i, curve in found:
        said = " · ".join(filter(None, (title(curve.metric), curve.under)))
        gallery = Gallery(tuple(panels(curve, looks, f"growth-{i}")))
        yield Part(said, (gallery,), folded=curve.metric in drawn)
        drawn.add(curve.metric)


def curves(frame: pd.DataFrame) -> Iterator[tuple[str, Curve]]:
    """What there is to draw, each with its task: the commonest setting of each metric first."""
    own = frame[(frame["tested_at"] == "") | (frame["tested_at"] == frame["resolution"])]
    by_place = grouped(rows_of(own), "task", "setting", "kind")
    found: list[tuple[int, int, str, Curve]] = []
    for (task, setting, _), rows in by_place.items():
        for rank, metric in enumerate(DRAWN):
            measured = [r for r in rows if r["metric"] == metric and r["status"] == "ok"]
            measured = [r for r in measured if r["value"] > 0 or kind(metric) == "score"]
            if measured:
                curve = Curve(
                    metric, setting, tuple(measured), _predicted(metric, measured, rows), _bounds(metric, rows)
                )
                found.append((rank, -len(measured), task, curve))
    for _, _, task, curve in sorted(found, key=lambda f: (f[2], *f[:2], f[3].under)):
        yield task, curve


def _predicted(metric: str, measured: list[Row], rows: list[Row]) -> tuple[Row, ...]:
    """The predictions of what was not measured."""
    known = {(r["series"], r["pixels"]) for r in measured}
    wanted = PREDICTED.get(metric, "-")
    return tuple(
        r for r in rows if r["metric"] == wanted and (r["series"], r["pixels"]) not in known and r["value"] > 0
    )


def _bounds(metric: str, rows: list[Row]) -> tuple[Row, ...]:
    return tuple(r for r in rows if r["metric"] in BOUNDS) if kind(metric) == "score" else ()
