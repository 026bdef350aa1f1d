"""Rows of a tidy table -> CSV, JSON or Parquet: safe to open in a spreadsheet, and to read with a strict parser."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.escape import cell
from reports.frame import Row
from suite.record import COLUMNS


def to_csv(rows: Sequence[Row]) -> str:
    """A header and a line for each row; an apostrophe keeps a spreadsheet from running text."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = list(rows[0]) if rows else [*COLUMNS, "interval"]
    writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    return file.getvalue()


def to_json(rows: Sequence[Row]) -> str:
    """A JSON array of one object for each row; what is not a number is null."""
    return json.dumps([{k: _plain(v) for k, v in row.items()} for row in rows], allow_nan=False, indent=1)


def to_parquet(rows: Sequence[Row]) -> bytes:
    """A Parquet file whose columns have types; what is not a number is null. ValueError without pyarrow."""
    table = pd.DataFrame([{k: _plain(v) for k, v in row.items()} for row in rows])
    try:
        return table.convert_dtypes().to_parquet(engine="pyarrow", index=False)
    except ImportError:
        raise ValueError("Parquet needs pyarrow: `pip install pyarrow`, or choose --format csv") from None


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
