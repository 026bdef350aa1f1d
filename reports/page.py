"""A report -> one self-contained HTML page: no network, both themes, and what it shows can be saved from it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.colours import INK, Style
from reports.document import Document, Figure, Part
from reports.drawing import Drawing
from reports.report import Report
from reports.words import Name

WEB = Path(__file__).parent / "web"
SCRIPTS = ("point.js", "sort.js", "save.js")
GLYPHS = dict(zip("os^DvPXp<>", "●■▲◆▼✚✖⬟◀▶", strict=True))


def page(report: Report, files: Sequence[str] = ()) -> str:
    """The page; `files` lie beside it and are linked."""
    script = '"use strict";\n' + "".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)
    environment = Environment(
        loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"kind": lambda piece: type(piece).__name__, "svg": _svg, "data": _data, "short": _short}
    environment.tests["name"] = lambda piece: isinstance(piece, Name)
    return environment.get_template("page.html.j2").render(
        document=report.document,
        looks=report.looks,
        files=files,
        tasks=_tasks(report.document),
        families=_families(report.looks),
        glyphs=GLYPHS,
        theme=Markup(_theme(report.looks)),
        css=Markup((WEB / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _svg(drawing: Drawing, alt: str) -> Markup:
    """The drawing, which escapes what it writes."""
    return Markup(drawing.svg(alt))


def _data(figure: Figure) -> Markup:
    """The numbers of a figure as JSON that no markup can end."""
    rows = [figure.columns, *([_rounded(v) for v in row] for row in figure.data)]
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _rounded(value: str | float | None) -> str | float | None:
    return float(f"{value:.6g}") if isinstance(value, (int, float)) else value


def _short(value: float) -> str:
    return f"{value:.6g}"


def _tasks(document: Document) -> dict[str, int]:
    """The tasks of the document's parts, numbered: their names may be anything."""
    parts = (piece for section in document.sections for piece in section.blocks if isinstance(piece, Part))
    return {task: i for i, task in enumerate(dict.fromkeys(part.task for part in parts if part.task))}


def _families(looks: Mapping[str, Style]) -> dict[str, list[tuple[str, Style]]]:
    """Layout -> its series, each with its style."""
    result: dict[str, list[tuple[str, Style]]] = defaultdict(list)
    for series, style in looks.items():
        result[style.family].append((series, style))
    return dict(result)


def _theme(looks: Mapping[str, Style]) -> str:
    """The CSS variables of both themes: paper, ink, and a colour for each series. All of them are our own hex codes.

    Dark where the reader's system is dark, unless the reader has chosen; always light on paper.
    """
    light = {name: pair[0] for name, pair in INK.items()} | {f"s{s.index}": s.light for s in looks.values()}
    dark = {name: pair[1] for name, pair in INK.items()} | {f"s{s.index}": s.dark for s in looks.values()}
    dark |= {"lost": "#f0b070", "ok": "#83cf9c"}
    day, night = (";".join(f"--{k}:{v}" for k, v in theme.items()) for theme in (light, dark))
    chosen = f":root[data-theme=dark]{{color-scheme:dark;{night}}}"
    system = f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{night}}}}}"
    return f":root{{{day}}}:root[data-theme=light]{{color-scheme:light}}@media screen{{{chosen}{system}}}"
