"""Records -> the tidy long table as CSV or JSON, safe to open in a spreadsheet and to read with a strict parser."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from typing import Any

from reports.escape import cell
from reports.frame import combined
from suite.record import COLUMNS, Record


def to_csv(records: Iterable[Record]) -> str:
    """A header and a line for each row of the tidy table; an apostrophe keeps a spreadsheet from running text."""
    table = combined(records)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = list(table[0]) if table else [*COLUMNS, "interval"]
    writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in table)
    return file.getvalue()


def to_json(records: Iterable[Record]) -> str:
    """A JSON array of one object for each row of the tidy table; what is not a number is null."""
    table = [{k: _plain(v) for k, v in row.items()} for row in combined(records)]
    return json.dumps(table, allow_nan=False, indent=1)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
