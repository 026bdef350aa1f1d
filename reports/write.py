"""A run folder -> the files of its report: the page, the tidy table, and each figure as SVG."""

from __future__ import annotations

from pathlib import Path

from reports.colours import INK
from reports.page import page
from reports.report import Report, report
from reports.table import to_csv
from suite.record import latest, read


def write(run: Path) -> Path:
    """Writes run/report/ anew and returns the path of its index.html. ValueError if it cannot be written."""
    records = latest(read(run))
    made = report(run.resolve().name, records)
    folder = run / "report"
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for stale in (p for p in (folder / "figures").iterdir() if p.suffix in (".svg", ".png", ".pdf")):
            stale.unlink()
        _put(folder / "records.csv", to_csv(records))
        for name, text in figures(made).items():
            _put(folder / "figures" / f"{name}.svg", text)
        _put(folder / "index.html", page(made, ("records.csv",)))
    except OSError as error:
        raise ValueError(f"cannot write the report to {folder} ({error.strerror}): make that folder writable") from None
    return folder / "index.html"


def figures(made: Report) -> dict[str, str]:
    """Each figure as an SVG file of its own, by name."""
    colours = inks(made)
    return {f.name: f.drawing.standalone(f.alt, colours) for f in made.document.figures()}


def inks(made: Report) -> dict[str, str]:
    """The colours of the light theme by the names of inks."""
    return {name: pair[0] for name, pair in INK.items()} | {f"s{s.index}": s.light for s in made.looks.values()}


def _put(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "replace"))
