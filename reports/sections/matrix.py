"""Trained at one resolution, tested at others: the scores and the speed of the same networks, as heat tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reports.document import Block, Cell, Heading, Table
from reports.document import Row as Line
from reports.frame import Row, grouped
from reports.sections.cells import measured
from reports.units import BOUNDS, title
from suite.record import Record

SPEED = "test_img_s"


def matrices(name: str, said: str, metric: str, rows: Sequence[Row], records: Mapping[str, Record]) -> Iterator[Table]:
    """The score, with what it lies between, and images a second; none unless a network was tested elsewhere.

    `records` by id: their notes say why a size was not tested.
    """
    sound = [r for r in rows if r["status"] == "ok"]
    tested = sorted({_tested(r) for r in sound}, key=pixels_of)
    if not any(_tested(r) != r["resolution"] for r in sound):
        return
    for of, suffix in ((metric, "matrix"), (SPEED, "speed")):
        if blocks := tuple(_blocks(of, sound, tested, records)):
            heads = tuple(Heading(f"tested at {size}") for size in tested)
            yield Table(f"{name}-{suffix}", f"{title(of)}, by resolution, {said}", "Design", heads, blocks)


def _blocks(metric: str, rows: Sequence[Row], tested: Sequence[str], records: Mapping[str, Record]) -> Iterator[Block]:
    """For each resolution of training a line for each series; below a score its bounds, and what was enlarged."""
    values = [r["value"] for r in rows if r["metric"] == metric]
    for (_, trained), here in sorted(grouped(rows, "pixels", "resolution").items()):
        lines = []
        for (series,), of in sorted(grouped((r for r in here if r["metric"] == metric), "series").items()):
            by_size, why = _by_size(of), _untested(of, records)
            lines.append(Line(tuple(_shaded(by_size.get(size), values, why.get(size, "")) for size in tested), series))
        for known in (*BOUNDS, "upsampled_x") if metric != SPEED else ():
            if of_all := _by_size([r for r in here if r["metric"] == known]):
                cells = (measured(of_all[size]) if size in of_all else Cell() for size in tested)
                lines.append(Line(tuple(cells), head=title(known)))
        if lines:
            yield Block(f"trained at {trained} pixels", tuple(lines))


def _by_size(rows: Sequence[Row]) -> dict[str, Row]:
    """By the size of the test; at the size of its training, a network's score is that of the training's own test."""
    return {_tested(r): r for r in sorted(rows, key=lambda r: r["tested_at"] == "")}


def _tested(row: Row) -> str:
    return str(row["tested_at"] or row["resolution"])


def _untested(rows: Sequence[Row], records: Mapping[str, Record]) -> dict[str, str]:
    """Why a series has no score, by the size of the test."""
    notes = (records[i].notes.get("untested", {}) for row in rows for i in row["ids"])
    return {size: why for note in notes for size, why in note.items()}


def _shaded(row: Row | None, values: Sequence[float], why: str) -> Cell:
    """The cell of a row, as dark as its value is high among all; without a row, why there is none."""
    if row is None:
        return Cell("not tested", why=why) if why else Cell()
    low, high = min(values), max(values)
    return replace(measured(row), shade=(row["value"] - low) / (high - low) if high > low else 0.5)


def pixels_of(resolution: str) -> float:
    """Of `224` or `224x320`."""
    sides = [float(side) for side in resolution.split("x")]
    return sides[0] * sides[-1]
