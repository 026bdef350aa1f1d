"""Predicted against measured: how far the plan's memory and latency were off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

import pandas as pd

from reports.colours import Style
from reports.document import Block, Cell, Heading, Part, Section, Table
from reports.document import Row as Line
from reports.figures.curve import PREDICTED
from reports.frame import Row, grouped, rows_of
from reports.units import digits, title

NOTE = "Ratio: measured over predicted. Typical error: half of all cases are off by less than that factor."


def section(frame: pd.DataFrame, looks: Mapping[str, Style]) -> Section | None:
    """For each quantity, task and setting the ratios of measured to predicted, then by design; None without."""
    rows = rows_of(frame[(frame["kind"] == "cost") & (frame["status"] == "ok")])
    found = {
        " · ".join(filter(None, (title(metric), task, setting))): ratios(metric, guess, of)
        for metric, guess in PREDICTED.items()
        for (task, setting), of in sorted(grouped(rows, "task", "setting").items())
    }
    found = {said: by_series for said, by_series in found.items() if by_series}
    if not found:
        return None
    heads = tuple(map(Heading, ("Cases", "Median ratio", "Typical error", "Lowest ratio", "Highest ratio")))
    all_designs = tuple(
        Line(_cells([ratio for of in r.values() for ratio in of]), head=said) for said, r in found.items()
    )
    blocks = tuple(Block(said, tuple(Line(_cells(r), s) for s, r in sorted(of.items()))) for said, of in found.items())
    short = Table("prediction", "All designs together", "Quantity", heads, (Block("", all_designs),), NOTE)
    long = Table("prediction-designs", "By design", "Design", heads, blocks, first=True)
    parts = (short, Part("By design", (long,), folded=True))
    return Section("prediction", "Predicted against measured", parts)


def ratios(metric: str, guess: str, rows: list[Row]) -> dict[str, list[float]]:
    """Series -> measured over predicted, one number a resolution."""
    found: dict[str, list[float]] = {}
    for (series, _), of in grouped(rows, "series", "resolution").items():
        values = {r["metric"]: r["value"] for r in of}
        if values.get(metric, 0) > 0 and values.get(guess, 0) > 0:
            found.setdefault(series, []).append(values[metric] / values[guess])
    return found


def _cells(ratios: list[float]) -> tuple[Cell, ...]:
    error = math.exp(median(abs(math.log(r)) for r in ratios)) - 1
    numbers = (median(ratios), min(ratios), max(ratios))
    middle, low, high = (Cell(digits(n), value=n) for n in numbers)
    return Cell(str(len(ratios)), value=len(ratios)), middle, Cell(f"{100 * error:.1f} %", value=error), low, high
