"""What `data` prints: the sources of images, and what is known of each before anything is learnt from it."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from avbench.table import plain, show

SIZES = (64, 224, 512, 1024)  # pixels a side, of which ceilings are told


def listing(name: str = "") -> list[dict[str, Any]]:
    """A row for each task of the source of this name, or of all. ValueError if there is none of this name."""
    from suite.data.source import names_in
    from suite.data.sources.scenes import FAMILIES

    scenes = [row for family in names_in(FAMILIES) for row in tasks_of(f"scenes:{family}")]
    if name == "scenes":
        return scenes
    if name:
        return tasks_of(name)
    others = [kind for kind in names_in("suite.data.sources") if kind != "scenes"]
    return scenes + [row for kind in others for row in tasks_or_kind(kind)]


def tasks_of(name: str) -> list[dict[str, Any]]:
    """What is known of each task of a source. ValueError if there is none."""
    from suite.case import TASKS
    from suite.data.source import load, telling

    rows, problems = [], list[ValueError]()
    for task in TASKS:
        try:
            source = load(name, task)
        except ValueError as error:
            problems.append(error)
        else:
            tests = " ".join((*source.further, *source.groups))
            ceilings = {f"ceiling_{side}": source.ceiling(square(side)) for side in SIZES}
            chance = source.chance(square(SIZES[0]))  # as at every larger size
            rows.append(row(source.name, about(name), task, source.classes, chance, ceilings, tests))
    if not rows:
        raise telling(problems)
    return rows


def tasks_or_kind(kind: str) -> list[dict[str, Any]]:
    """The tasks of a source that needs no detail; for one that does, how it is named and what it is."""
    try:
        return tasks_of(kind)
    except ValueError:
        return [row(_opening(f"suite.data.sources.{kind}")[0], about(kind))]


def row(
    name: str,
    about: str,
    task: str | None = None,
    classes: int | None = None,
    chance: float | None = None,
    ceilings: dict[str, float | None] | None = None,
    tests: str = "",
) -> dict[str, Any]:
    """One line of the table."""
    unknown = {f"ceiling_{side}": None for side in SIZES}
    known = {"name": name, "task": task, "classes": classes, "chance": chance}
    return {**known, **(ceilings or unknown), "tests": tests, "about": about}


def about(name: str) -> str:
    """The first sentence of the file that makes the source, without what it is called."""
    kind, _, detail = name.partition(":")
    return _opening(f"suite.data.families.{detail}" if kind == "scenes" else f"suite.data.sources.{kind}")[1]


def _opening(module: str) -> tuple[str, str]:
    """How a source is named (its file's docstring opens with that), and the first sentence that follows."""
    text = " ".join((import_module(module).__doc__ or "").split("\n\n")[0].split())
    names, _, rest = text.rpartition("`: ") if text.startswith("`") else ("", "", text)
    return names.strip("`").split("`")[0], re.split(r"\. (?=[A-Z])|; |\.$", rest)[0]


def square(side: int) -> Any:
    from variants.contract import Grid

    return Grid(side, side)


def show_data(name: str, as_json: bool, as_csv: bool) -> None:
    """Prints the sources."""
    rows = listing(name)
    shown = dict.fromkeys(rows[0], plain) | {key: _share for key in rows[0] if key.startswith(("chance", "ceiling"))}
    show(rows, as_json, as_csv, shown)


def show_sheet(name: str, out: Path) -> None:
    """Writes a contact sheet of scenes, and says where."""
    from avbench.sheet import sheet

    rows = listing(name)
    if any(not row["name"].startswith("scenes:") for row in rows):
        raise ValueError(f"{name or 'all data'} cannot be shown on a sheet: take scenes, or one family, scenes:cue")
    sheet(rows).save(out, optimize=True)
    print(out)


def _share(value: Any) -> str:
    return "" if value is None else f"{value:.3f}"
