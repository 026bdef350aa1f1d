"""What `list`, `show` and `records` print. Torch is imported only where a network is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from avbench.find import card, find, names, text
from avbench.table import plain, show


def listing(params: str = "") -> list[dict[str, Any]]:
    """One row for each design; with a budget, its sizes and costs at 224 pixels too."""
    rows = []
    for name in names():
        row = asdict(card(name))
        del row["text"]
        rows.append(row | sizes(name, params) if params else row)
    return rows


def sizes(name: str, params: str) -> dict[str, Any]:
    """Parameters, multiply-adds at 224 pixels, depth, width and heads of a design at this budget."""
    import torch

    from suite.count import torch_macs
    from suite.units import parse_count
    from variants.contract import REFERENCE

    design = find(name).fitted(parse_count(params))
    with torch.device("meta"):
        network = design.build("classification", 1000, REFERENCE).eval()
    counts = network.parameter_count()
    return {
        "params": counts["body"],
        "macs": network.macs(REFERENCE) if hasattr(network, "macs") else torch_macs(network, REFERENCE),
        "depth": sum(getattr(design, "depths", ())) or None,
        "width": _joined(design.widths),
        "heads": _joined(getattr(design, "heads", ())),
    }


def show_listing(rows: list[dict[str, Any]], as_json: bool, as_csv: bool) -> None:
    """Prints the designs."""
    shown: dict[str, Callable[[Any], str]] = dict.fromkeys(("name", "title", "paper", "year", "time", "memory"), plain)
    if rows and "params" in rows[0]:
        from suite.units import count_text

        shown = dict.fromkeys(("name", "params", "macs", "depth", "width", "heads", "time", "paper"), plain)
        shown |= {"params": count_text, "macs": count_text}
    show(rows, as_json, as_csv, shown)


def show_design(name: str, params: str) -> None:
    """Prints the docstring of a design's file, and its sizes at this budget."""
    from suite.units import bytes_text, count_text, parse_count

    design = find(name)
    fitted, found = design.fitted(parse_count(params)), sizes(name, params)
    stack = f"{found['depth']} blocks, widths {found['width']}, heads {found['heads']}"
    lines = {
        "Layout": f"{design.layout_name}, {stack}" if found["depth"] else design.layout_name,
        "Position": design.position_name,
        "Policy": design.policy,
        "Parameters": f"{found['params']:,} without the head ({params} asked for), {bytes_text(4 * found['params'])}",
        "Multiply-adds": f"{count_text(found['macs'])} at 224 pixels with 1000 classes",
        "Recipe": str(fitted),
    }
    console = Console()
    console.print(Text((text(name) or str(design)) + "\n"))
    for key, value in lines.items():
        console.print(Text(f"{key:14} ", style="bold") + Text(value))


def show_records(run: Path, as_json: bool, as_csv: bool) -> None:
    """Prints the long table of a run's records: the last of each case."""
    from suite.record import COLUMNS, latest, read, rows

    found = latest(read(run))
    if as_json or as_csv:
        from reports.frame import combined
        from reports.table import to_csv, to_json

        if as_json and as_csv:
            raise ValueError("--json and --csv exclude each other: choose one")
        table = combined(found)
        sys.stdout.write(to_json(table) if as_json else to_csv(table))
        return
    left_out = {"layout", "position", "backend", "compiled", "params_budget", "low", "high", "n", "dtype", "seed"}
    shown = {column: _short for column in COLUMNS if column not in left_out}
    show(rows(found), False, False, shown)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return plain(value)


def _joined(values: tuple[int, ...]) -> str:
    return " ".join(map(str, values))
