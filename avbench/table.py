"""Rows on standard output: as a table for people, as JSON or CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.escape import cell, printable

Row = Mapping[str, Any]
Shown = Mapping[str, Callable[[Any], str]]


WIDE = 240  # columns of text that no terminal shows: a pipe or a file


def show(rows: Sequence[Row], as_json: bool, as_csv: bool, shown: Shown, title: str = "") -> None:
    """Prints the rows. A table holds the columns of `shown`, each value written by its function."""
    if as_json and as_csv:
        raise ValueError("--json and --csv exclude each other: choose one")
    if as_json:
        print(json.dumps(list(rows), indent=1))
    elif as_csv:
        write_csv(rows)
    else:
        terminal = sys.stdout.isatty()
        Console(width=None if terminal else WIDE).print(table(rows, shown, title))


def table(rows: Sequence[Row], shown: Shown, title: str = "") -> Table:
    """A table whose columns of numbers are aligned to the right."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in shown:
        numbers = any(isinstance(row[name], int | float) for row in rows)
        made.add_column(name.replace("_", " "), justify="right" if numbers else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(printable(write(row[name]))) for name, write in shown.items()))
    return made


def write_csv(rows: Sequence[Row]) -> None:
    """The rows as CSV; None is an empty field, and nothing runs as a formula."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)


def plain(value: Any) -> str:
    """Text as it is, nothing for None."""
    return "" if value is None else str(value)
