"""Costs in parts: what a peak of memory consists of, and what compiling took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from reports.document import Block, Cell, Heading, Part, Section, Table
from reports.document import Row as Line
from reports.frame import Row, grouped, rows_of
from reports.sections.cells import measured
from reports.units import title

OF_PEAK = ("gradients_bytes", "optimiser_bytes", "activations_bytes", "temporary_bytes", "workspace_bytes")
MEMORY = ("peak_bytes", "prediction_error", *OF_PEAK, "parameters_bytes", "input_bytes")
COMPILING = ("compile_s",)
NOTE = (
    "Each network at the largest size at which it was measured. The peak is the sum of gradients, optimiser, "
    "activations, temporary and workspace, on CUDA before the allocator rounds up; parameters and input rest beside "
    "it. Workspace: what kernels allocate inside themselves, which no prediction knows. Prediction error: predicted "
    "over measured, less 1."
)


def section(frame: pd.DataFrame) -> Section | None:
    """Folded tables; None where no record tells of any part."""
    rows = rows_of(frame[(frame["kind"] == "cost") & (frame["status"] == "ok")])
    parts = []
    if any(r["metric"] in OF_PEAK for r in rows):
        parts.append(_part("memory-parts", "What a peak of memory consists of", rows, MEMORY, NOTE))
    if any(r["metric"] in COMPILING for r in rows):
        parts.append(_part("compiling", "What compiling took", rows, COMPILING, NOTE.partition(". ")[0] + "."))
    return Section("parts", "Costs in parts", tuple(parts)) if parts else None


def _part(name: str, said: str, rows: Sequence[Row], metrics: Sequence[str], note: str) -> Part:
    """A block for each task and setting; what is 0 or unknown everywhere has no column."""
    own = [r for r in rows if r["metric"] in metrics]
    shown = [m for m in metrics if any(r["metric"] == m and r["value"] for r in own)]
    heads = (Heading("Pixels"), *(Heading(title(m.removesuffix("_bytes"))) for m in shown))
    blocks = tuple(
        Block(" · ".join(filter(None, key)), tuple(_lines(of, shown)))
        for key, of in sorted(grouped(own, "task", "setting").items())
    )
    return Part(said, (Table(name, said, "Design", heads, blocks, note),), folded=True)


def _lines(rows: Sequence[Row], metrics: Sequence[str]) -> Iterator[Line]:
    for (series,), of in sorted(grouped(rows, "series").items()):
        last = max(of, key=lambda r: r["pixels"])
        found = {r["metric"]: r for r in of if r["resolution"] == last["resolution"]}
        cells = (_cell(found[m]) if m in found else Cell() for m in metrics)
        yield Line((Cell(last["resolution"], value=last["pixels"]), *cells), series)


def _cell(row: Row) -> Cell:
    """An error in percent, all else as everywhere."""
    if row["metric"] == "prediction_error":
        return Cell(f"{100 * row['value']:+.0f} %", value=row["value"])
    return measured(row)
