"""A run folder -> report/: one self-contained page, the tidy table as CSV, and each figure as SVG and PNG."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import compare
from reports.colours import INK, Style, styles
from reports.figures import Panel, draw
from reports.frame import tidy
from reports.table import to_csv
from reports.units import number
from reports.words import status_words
from suite.record import Record, latest, machine_name, read

HERE = Path(__file__).parent
GLYPHS = dict(zip("os^DvPXp<>", "●■▲◆▼✚✖⬟◀▶", strict=True))
MOST_LINES = 400  # of the list of what is missing; the rest is counted, and in records.csv
SHOWN = frozenset({"command", "policy", "losses", "predicted_bytes", "predicted_seconds"})  # not among the designs


def write(run: Path) -> Path:
    """Writes run/report/ anew and returns the path of its index.html. ValueError if it cannot be written."""
    records = latest(read(run))
    folder = run / "report"
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for stale in (p for p in (folder / "figures").iterdir() if p.suffix in (".svg", ".png")):
            stale.unlink()
        (folder / "records.csv").write_bytes(to_csv(records).encode("utf-8", "replace"))
        page = folder / "index.html"
        page.write_bytes(render(run.resolve().name, records, folder / "figures").encode("utf-8", "replace"))
    except OSError as error:
        raise ValueError(f"cannot write the report to {folder} ({error.strerror}): make that folder writable") from None
    return page


def render(name: str, records: Sequence[Record], figures: Path) -> str:
    """The page; the figures are written to their folder on the way."""
    frame = tidy(records)
    looks = styles(dict(zip(frame["series"], frame["layout"], strict=True)))
    panels, left_out = draw(frame, looks, figures)
    lost = compare.missing(frame)
    script = (HERE / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["words"] = status_words
    return environment.get_template("page.html.j2").render(
        name=name,
        run=about(records),
        panels=_by_task(panels),
        left_out=left_out,
        families=_families(looks),
        looks=looks,
        glyphs=GLYPHS,
        tables=compare.comparisons(frame),
        missing=compare.by_status(lost[:MOST_LINES]),
        missing_more=max(0, len(lost) - MOST_LINES),
        designs=_designs(records, frame),
        theme=Markup(_theme(looks)),
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _by_task(panels: Sequence[Panel]) -> dict[str, list[tuple[Panel, Markup]]]:
    """The figures of each task, as matplotlib wrote them: it escapes what it writes."""
    result: dict[str, list[tuple[Panel, Markup]]] = defaultdict(list)
    for panel in panels:
        result[panel.task].append((panel, Markup(panel.svg)))
    return dict(result)


def about(records: Sequence[Record]) -> dict[str, Any]:
    """What was run, on what, when, and what became of it."""
    machines = {machine_name(r.machine): r.machine for r in reversed(records)}  # the conditions of the first record
    started = sorted(r.started for r in records if r.started)
    return {
        "commands": sorted({str(r.notes["command"]) for r in records if "command" in r.notes}),
        "machines": [
            {k: {w: _said(x) for w, x in machine.get(k, {}).items()} for k in ("identity", "conditions")}
            for _, machine in sorted(machines.items())
        ],
        "from": started[0] if started else "",
        "to": started[-1] if started else "",
        "time": number("total_ms", 1000 * sum(r.seconds for r in records)),
        "cases": len(records),
        "statuses": Counter(r.status for r in records).most_common(),
        "schemas": sorted({r.schema for r in records}),
    }


def _families(looks: dict[str, Style]) -> dict[str, list[tuple[str, Style]]]:
    """Layout -> its series, each with its style."""
    result: dict[str, list[tuple[str, Style]]] = defaultdict(list)
    for series, style in looks.items():
        result[style.family].append((series, style))
    return dict(result)


def _designs(records: Sequence[Record], frame: pd.DataFrame) -> list[dict[str, Any]]:
    """For each series its sizes and what its records note, each distinct note once."""
    notes: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    series = dict(zip(frame["id"], frame["series"], strict=True))
    for record in records:
        for key, value in record.notes.items() if record.id in series else ():
            notes[series[record.id]][key].append(value)
    static = frame[(frame["quantity"] == "static") & (frame["status"] == "ok")].sort_values("pixels")
    values = static.groupby(["series", "metric"])["value"].agg(lambda v: list(dict.fromkeys(v)))
    first = frame.drop_duplicates("series").set_index("series").sort_index()
    return [
        {
            "series": name,
            "layout": row["layout"],
            "position": row["position"],
            "budget": "" if pd.isna(row["params_budget"]) else number("params", row["params_budget"]),
            **{m: " · ".join(number(m, v) for v in values.get((name, m), ())) for m in ("params_body", "params_head")},
            "policy": list(dict.fromkeys(map(_said, notes[name].get("policy", ())))),
            "notes": {k: _summary(v) for k, v in sorted(notes[name].items()) if k not in SHOWN},
        }
        for name, row in ((str(name), row) for name, row in first.iterrows())
    ]


def _summary(values: list[Any]) -> str:
    """Many values of one note: the range of numbers, the first few of anything else."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        ends = dict.fromkeys(_said(float(v)) for v in (min(values), max(values)))
        return " to ".join(ends)
    said = list(dict.fromkeys(map(_said, values)))
    return " · ".join(said[:3]) + (f" and {len(said) - 3} more" if len(said) > 3 else "")


def _said(value: Any) -> str:
    """A note in words: numbers short, everything else as text."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    return str(value) if len(str(value)) <= 300 else str(value)[:299] + "…"


def _theme(looks: dict[str, Style]) -> str:
    """The CSS variables of both themes: paper, ink, and a colour for each series. All of them are our own hex codes."""
    light = {name: pair[0] for name, pair in INK.items()} | {f"s{s.index}": s.light for s in looks.values()}
    dark = {name: pair[1] for name, pair in INK.items()} | {f"s{s.index}": s.dark for s in looks.values()}
    css = [";".join(f"--{k}:{v}" for k, v in theme.items()) for theme in (light, dark)]
    return f":root{{{css[0]}}}@media screen and (prefers-color-scheme:dark){{:root{{{css[1]}}}}}"
