"""report: a run, or two beside each other, in the forms that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.text import Text

from reports.escape import printable
from reports.write import FORMS, of_run, of_two, put


def write_report(run: Path, forms: Sequence[str] = ("html",)) -> None:
    """Writes the report of a run and prints the way to each form of it."""
    for path in put(of_run(run), run / "report", forms):
        show_path(path)


def write_comparison(a: Path, b: Path, forms: Sequence[str]) -> None:
    """Writes the report of two runs side by side, into the folder of the first."""
    for path in put(of_two(a, b), a / f"beside-{b.resolve().name}", forms):
        show_path(path)


def show_path(path: Path) -> None:
    """Prints a path; a terminal that can makes it a link."""
    said = Text(printable(str(path)), Style(link=path.resolve().as_uri()))
    Console(highlight=False, soft_wrap=True).print(said)


def forms_of(text: str) -> list[str]:
    """`md,csv` as a list. ValueError on a form that there is not."""
    forms = [form.strip() for form in text.split(",")]
    if unknown := [form for form in forms if form not in FORMS]:
        raise ValueError(f"--format {unknown[0]}: choose of {', '.join(FORMS)}")
    return forms
