"""A report -> the files of its forms, all of them views of one document or of the tidy table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from reports.beside import Run, report_beside
from reports.colours import INK
from reports.latex import to_latex
from reports.markdown import to_markdown
from reports.page import page
from reports.report import Report, report
from reports.table import to_csv, to_json, to_parquet
from reports.tensorboard import write_events
from suite.record import latest, read, starts


def of_run(run: Path) -> Report:
    """The report of a run folder."""
    return report(run.resolve().name, latest(read(run)))


def of_two(a: Path, b: Path) -> Report:
    """The report of two run folders, side by side."""
    return report_beside(*(Run(run.resolve().name, latest(read(run)), _request(run)) for run in (a, b)))


def _request(run: Path) -> Mapping[str, Any]:
    """What the last start of a run asked for; nothing if that is not known."""
    asked = [start["request"] for start in starts(run) if isinstance(start.get("request"), dict)]
    return asked[-1] if asked else {}


def write(run: Path) -> Path:
    """Writes run/report/ anew and returns the path of its index.html. ValueError if it cannot be written."""
    (path,) = put(of_run(run), run / "report", ("html",))
    return path


def put(made: Report, folder: Path, forms: Iterable[str]) -> list[Path]:
    """Writes these forms, keys of FORMS, and returns the path of each. ValueError if one cannot be written."""
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        return [FORMS[form](made, folder) for form in dict.fromkeys(forms)]
    except OSError as error:
        raise ValueError(f"cannot write the report to {folder} ({error.strerror}): make that folder writable") from None


def _html(made: Report, folder: Path) -> Path:
    """The page, and what it links to."""
    _csv(made, folder)
    _clear(folder, ".svg", ".png")
    for name, text in figures(made).items():
        _put(folder / "figures" / f"{name}.svg", text)
    return _put(folder / "index.html", page(made, ("records.csv",)))


def _latex(made: Report, folder: Path) -> Path:
    from reports.paint import pdf  # matplotlib takes half a second to import

    _clear(folder, ".pdf")
    colours = inks(made)
    for figure in made.document.figures():
        _put(folder / "figures" / f"{figure.name}.pdf", pdf(figure.drawing, colours))
    return _put(folder / "report.tex", to_latex(made.document))


def _markdown(made: Report, folder: Path) -> Path:
    return _put(folder / "report.md", to_markdown(made.document))


def _csv(made: Report, folder: Path) -> Path:
    return _put(folder / "records.csv", to_csv(made.rows))


def _json(made: Report, folder: Path) -> Path:
    return _put(folder / "records.json", to_json(made.rows))


def _parquet(made: Report, folder: Path) -> Path:
    return _put(folder / "records.parquet", to_parquet(made.rows))


def _tensorboard(made: Report, folder: Path) -> Path:
    return write_events(made.records, folder / "tensorboard")


FORMS: Mapping[str, Callable[[Report, Path], Path]] = {
    "html": _html,
    "md": _markdown,
    "latex": _latex,
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "tensorboard": _tensorboard,
}


def figures(made: Report) -> dict[str, str]:
    """Each figure as an SVG file of its own, by name."""
    colours = inks(made)
    return {f.name: f.drawing.standalone(f.alt, colours) for f in made.document.figures()}


def inks(made: Report) -> dict[str, str]:
    """The colours of the light theme by the names of inks."""
    return {name: pair[0] for name, pair in INK.items()} | {f"s{s.index}": s.light for s in made.looks.values()}


def _clear(folder: Path, *suffixes: str) -> None:
    """Removes the figures that an older report left."""
    for stale in (p for p in (folder / "figures").iterdir() if p.suffix in suffixes):
        stale.unlink()


def _put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    return path
