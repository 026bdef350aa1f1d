"""What the output depends on before training, and whether it moves along with the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from reports.claims.view import percent
from reports.colours import Style
from reports.document import Block, Cell, Heading, Section, Table
from reports.document import Row as Line
from reports.frame import Row, grouped, rows_of
from reports.units import digits

COLUMNS: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "layers": ("Layers", "", "{:.0f}".format),
    "field_full_after": ("Layers to see all", "", "{:.0f}".format),
    "field_tokens_1": ("Tokens seen", "after one layer", percent),
    "field_tokens_2": ("Tokens seen", "after two", percent),
    "field_tokens_last": ("Tokens seen", "after all", percent),
    "effective_tokens_last": ("Effective field", "nine tenths of the gradient", percent),
    "shift_error_token": ("Error under a shift", "by a token", digits),
    "shift_error_pixel": ("Error under a shift", "by a pixel", digits),
}
NOTE = (
    "Before training. Fields are those of the output at the centre. The error is that of the last layer's output while "
    "the image moves round, away from the borders: 0, the output moves along; 1, the two have nothing to do with each "
    "other. A token is one of the last layer; under a shift by less, the output is held against what lies between two."
)


def section(frame: pd.DataFrame, looks: Mapping[str, Style]) -> Section | None:
    """One table; None where no field was measured."""
    rows = rows_of(frame[(frame["quantity"] == "field") & (frame["status"] == "ok")])
    if not rows:
        return None
    blocks = []
    for (_, resolution, setting), of in sorted(grouped(rows, "pixels", "resolution", "setting").items()):
        lines = (Line(_cells(here), series) for (series,), here in sorted(grouped(of, "series").items()))
        blocks.append(Block(" · ".join(filter(None, (f"{resolution} pixels", setting))), tuple(lines)))
    heads = tuple(Heading(head, under) for head, under, _ in COLUMNS.values())
    table = Table("reach", "Fields and errors under shifts", "Design", heads, tuple(blocks), NOTE)
    return Section("reach", "Reach and shifts", (table,))


def _cells(rows: list[Row]) -> tuple[Cell, ...]:
    values = {r["metric"]: float(r["value"]) for r in rows}
    return tuple(
        Cell(write(values[m]), value=values[m]) if m in values else Cell() for m, (*_, write) in COLUMNS.items()
    )
