"""A result in the forms that other programs read. Numbers that are not finite never reach a file.

json              our own, with every raw sample
base / head       pytest-benchmark's JSON of either revision, in seconds, for `pytest-benchmark compare`
smaller / larger  github-action-benchmark's custom JSON, one file a direction
junit             JUnit XML; a case that is not a pass is a failure, what has no verdict an error
markdown          a summary under a mebibyte, for $GITHUB_STEP_SUMMARY or a merge request
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from statistics import mean, median, quantiles, stdev
from typing import Any
from xml.etree import ElementTree as Xml

from suite.gate.result import INCONCLUSIVE, PASS, REGRESSION, Result, Row

SUMMARY_BYTES = 2**20
MARKS = {PASS: "✅", REGRESSION: "❌", INCONCLUSIVE: "❔"}


def write(result: Result, folder: Path) -> list[Path]:
    """Every form that this result has, in the folder. ValueError if it cannot be written."""
    forms: dict[str, Callable[[Result], str]] = {"gate.json": own, "gate.xml": junit, "gate.md": markdown}
    if result.tier == "latency" and result.samples:
        forms |= {"base.json": lambda r: benchmarks(r, "base"), "head.json": lambda r: benchmarks(r, "head")}
        forms |= {"smaller_is_better.json": smaller, "larger_is_better.json": larger}
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, form in forms.items():
            paths.append(folder / name)
            paths[-1].write_text(form(result), encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise ValueError(
            f"the verdict ({result.word}) cannot be kept in {folder} ({why}): make room, run again"
        ) from None
    return paths


def own(result: Result) -> str:
    """Our JSON: strict, with rows, circumstances and raw samples in milliseconds."""
    rows = [vars(row) | {"word": row.word} for row in result.rows]
    values = {"schema": 1, "tier": result.tier, "code": result.code, "word": result.word}
    return strict(values | {"about": result.about, "rows": rows, "samples": result.samples})


def benchmarks(result: Result, side: str) -> str:
    """pytest-benchmark's JSON of the wall time, or the device's: of `base` (both processes of a triple), or `head`."""
    entries = []
    for case, quantities in sorted(result.samples.items()):
        quantity = "wall_ms" if "wall_ms" in quantities else "device_ms"
        sides = ("a", "a2") if side == "base" else ("b",)
        times = [ms for s in sides for process in quantities[quantity].get(s, []) for ms in process]
        seconds = [ms / 1e3 for ms in times if isfinite(ms) and ms > 0]
        if len(seconds) > 1:
            entries.append(_benchmark(case, seconds))
    about = result.about
    return strict({
        "machine_info": about["machine"], "datetime": about["started"], "version": "5.3.1",
        "commit_info": {"id": about[side], "dirty": False}, "benchmarks": entries,
    })  # fmt: skip


def _benchmark(case: str, seconds: list[float]) -> dict[str, Any]:
    first, middle, third = quantiles(seconds, n=4)
    stats = {
        "min": min(seconds), "max": max(seconds), "mean": mean(seconds), "stddev": stdev(seconds), "median": middle,
        "q1": first, "q3": third, "iqr": third - first, "rounds": len(seconds), "iterations": 1, "total": sum(seconds),
        "ops": 1 / mean(seconds), "data": seconds, "outliers": "0;0", "iqr_outliers": 0, "stddev_outliers": 0,
        "ld15iqr": min(seconds), "hd15iqr": max(seconds),
    }  # fmt: skip
    options = dict.fromkeys(("disable_gc", "warmup"), True) | {"timer": "perf_counter", "min_rounds": 1}
    options |= {"max_time": 0.0, "min_time": 0.0}
    return {
        "group": None, "name": case, "fullname": f"avbench::{case}", "params": None, "param": None, "extra_info": {},
        "options": options, "stats": stats,
    }  # fmt: skip


def smaller(result: Result) -> str:
    """github-action-benchmark's `customSmallerIsBetter`: the head's times."""
    return strict([
        {"name": f"{case} {quantity[:-3]}", "unit": "ms", "value": median(found), "extra": _said(result, case)}
        for case, quantity, found in _of_head(result)
    ])  # fmt: skip


def larger(result: Result) -> str:
    """github-action-benchmark's `customBiggerIsBetter`: the head's passes a second."""
    return strict([
        {"name": case, "unit": "passes/s", "value": 1e3 / median(found), "extra": _said(result, case)}
        for case, quantity, found in _of_head(result)
        if quantity != "cpu_ms"
    ])  # fmt: skip


def _of_head(result: Result) -> list[tuple[str, str, list[float]]]:
    """Case, quantity, and the median of each process of the head."""
    return [
        (case, quantity, medians)
        for case, quantities in sorted(result.samples.items())
        for quantity, sides in sorted(quantities.items())
        if (medians := [m for process in sides.get("b", []) if process and isfinite(m := median(process)) and m > 0])
    ]


def _said(result: Result, case: str) -> str:
    return "\n".join(f"{row.what}: {row.sentence}" for row in result.rows if row.case == case)


def junit(result: Result) -> str:
    """JUnit XML: one test case for each row."""
    rows = result.rows or (Row("no case", result.tier, result.code, "nothing was measured"),)
    failures = sum(row.code == REGRESSION for row in rows)
    errors = sum(row.code not in (PASS, REGRESSION) for row in rows)
    counts = {"name": "avbench gate", "tests": str(len(rows)), "failures": str(failures), "errors": str(errors)}
    suites = Xml.Element("testsuites", counts)
    suite = Xml.SubElement(suites, "testsuite", counts | {"timestamp": result.about["started"][:19]})
    for row in rows:
        case = Xml.SubElement(suite, "testcase", classname=f"avbench.{printable(row.case)}", name=row.what, time="0")
        if row.code != PASS:
            kind = "failure" if row.code == REGRESSION else "error"
            Xml.SubElement(case, kind, message=printable(row.sentence), type=row.word)
        else:
            Xml.SubElement(case, "system-out").text = printable(row.sentence)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def markdown(result: Result) -> str:
    """A heading and a table, the worst rows first; cut where it would outgrow a mebibyte."""
    about = result.about
    compared = f", `{about['base'][:12]}` to `{about['head'][:12]}`" if result.tier == "latency" else ""
    lines = [
        f"## avbench gate, {result.tier} tier: {result.word}",
        "",
        f"{escaped(about['machine']['name'])}{compared}.",
        "",
    ]
    lines += ["| | case | what | |", "|---|---|---|---|"]
    order = sorted(result.rows, key=lambda row: (row.code == PASS, row.code, row.case, row.what))
    size, room = sum(len(line) + 1 for line in lines), SUMMARY_BYTES - 2**12
    for place, row in enumerate(order):
        line = (
            f"| {MARKS.get(row.code, '⛔')} {row.word} | {escaped(row.case)} | {row.what} | {escaped(row.sentence)} |"
        )
        size += len(line.encode()) + 1
        if size > room:
            lines += ["", f"{len(order) - place} more rows are in gate.json."]
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def workflow_commands(result: Result) -> list[str]:
    """Lines that GitHub shows beside a change: an error for a regression, a warning where there is no verdict."""
    kinds = {REGRESSION: "error", INCONCLUSIVE: "warning"}
    lines = []
    for row in result.rows:
        if row.code != PASS:
            title = command(f"avbench {row.case} {row.what}", in_property=True)
            lines.append(f"::{kinds.get(row.code, 'error')} title={title}::{command(row.sentence)}")
    return lines


def command(text: str, in_property: bool = False) -> str:
    """Text in a workflow command of GitHub, which it cannot leave."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


def escaped(text: str) -> str:
    """Text in a cell of a Markdown table, which it cannot leave."""
    text = printable(" ".join(text.split()))
    for character in "\\`*_|<>[]":
        text = text.replace(character, "\\" + character if character not in "<>" else f"&#{ord(character)};")
    return text


def printable(text: str) -> str:
    """Text without control characters, which XML forbids and terminals obey."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def strict(values: Any) -> str:
    """JSON without NaN and infinities: what is not a number is null."""
    return json.dumps(_finite(values), allow_nan=False, indent=1) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
