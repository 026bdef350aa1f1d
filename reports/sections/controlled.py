"""Controlled comparisons: networks that differ in one part only, and native layouts side by side.

Each is a view over the records, made of the recipes that they hold; a view with nothing in it is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd

from reports.anatomy import Anatomy, anatomy, short
from reports.answers import Place, answer, places
from reports.colours import Style
from reports.document import Card, Cards, Figure, Gallery, Part, Piece, Say, Section
from reports.figures.dots import Dot, dots
from reports.figures.told import ends, point_told, unit_of
from reports.frame import Row, rows_of
from reports.sections.answers import sentences
from reports.sections.comparison import comparison
from reports.units import HEADLINES, kind, title
from reports.words import count

METRICS = ("latency_ms", "peak_bytes", *HEADLINES)
NOTE = (
    "Everything but the named part is the same in each group: stem, blocks, depth, position, head and budget. Only the "
    "widths differ, because the budget solves them.",
)


@dataclass(frozen=True)
class View:
    """One kind of comparison: what it changes, and which parts of the anatomy may differ for that."""

    title: str
    part: str  # the heading of what differs
    free: tuple[str, ...]
    task: str = ""  # the only task for which it makes sense


VIEWS = (
    View("Only the mixer changed", "Mixer", ("mixers",)),
    View("Only the position changed", "Position", ("place", "position")),
    View("Only the stem changed", "Stem", ("stem", "place")),
    View("The same mixer in other layouts", "Layout", ("layout", "stem", "block", "downsample", "sizes")),
    View("Only the decoder changed", "Decoder", ("decoder",), "segmentation"),
)


def section(frame: pd.DataFrame, looks: Mapping[str, Style]) -> Section | None:
    """A part for each view and task that the records hold."""
    own = frame[(frame["tested_at"] == "") | (frame["tested_at"] == frame["resolution"])]
    every = list(places(own))
    bodies = anatomies(own)
    parts: list[Piece] = []
    for i, task in enumerate(dict.fromkeys(p.task for p in every)):
        rows, here = rows_of(own[own["task"] == task]), [p for p in every if p.task == task]
        for view in VIEWS:
            if view.task in ("", task):
                name = f"controlled-{len(parts)}"
                found = tuple(_groups(view, bodies[task], rows, here, looks, name))
                parts += [Part(f"{view.title} · {task}", found, task)] if found else []
        if layouts := tuple(_side_by_side(here, looks, f"layouts-{i}")):
            parts.append(Part(f"Native layouts side by side · {task}", (Gallery(layouts),), task))
    return Section("controlled", "Controlled comparisons", (Say(NOTE, "quiet"), *parts)) if parts else None


def anatomies(frame: pd.DataFrame) -> dict[str, dict[str, tuple[Anatomy, str]]]:
    """Task -> series -> its anatomy and budget, of those that have one."""
    found: dict[str, dict[str, tuple[Anatomy, str]]] = {str(task): {} for task in frame["task"].unique()}
    for row in rows_of(frame.drop_duplicates(["task", "series", "recipe"])):
        if body := anatomy(row["recipe"]):
            found[row["task"]][row["series"]] = (body, str(row["params_budget"]))
    return found


def grouped_by(view: View, bodies: Mapping[str, tuple[Anatomy, str]]) -> list[dict[str, Anatomy]]:
    """Series that agree in all but what the view frees, where what it is about differs."""
    groups: dict[tuple[str, ...], dict[str, Anatomy]] = {}
    for series, (body, budget) in sorted(bodies.items()):
        fixed = (budget, *(text for name, text in asdict(body).items() if name not in view.free))
        groups.setdefault(fixed, {})[series] = body
    return [group for group in groups.values() if len({what(view, body) for body in group.values()}) > 1]


def what(view: View, body: Anatomy) -> str:
    """What differs, in words: the freed parts; of a stem its place only where it is unlike the others'."""
    if view.part == "Layout":
        return body.layout
    free = view.free[:1] if view.part == "Stem" else view.free
    said = [short(getattr(body, name)) for name in free]
    return " + ".join(s for s in said if s not in ("Nowhere", "Position")) or "none"


def _groups(
    view: View, bodies: Mapping[str, tuple[Anatomy, str]], rows: list[Row], here: Sequence[Place],
    looks: Mapping[str, Style], name: str,
) -> Iterator[Part]:  # fmt: skip
    for i, group in enumerate(grouped_by(view, bodies)):
        shown = [among(place, group) for place in telling(here, group)]
        if not shown:
            continue
        cards = Cards(tuple(Card(place.size, sentences(answer(place))) for place in shown))
        figures = [f for k, place in enumerate(shown) for f in drawn(place, sorted(group), looks, f"{name}-{i}-{k}")]
        own = [r for r in rows if r["series"] in group]
        table = comparison(f"{name}-{i}", shown[0].task, own, (view.part, _told(view, group)))
        yield Part(_heading(view, group), (cards, Gallery(tuple(figures)), Part("All numbers", (table,), folded=True)))


def telling(here: Sequence[Place], group: Mapping[str, object]) -> list[Place]:
    """Of the commonest setting, the largest resolution at which two members were timed, and at which two learnt."""

    def two(rows: Iterable[Row], metrics: Sequence[str]) -> bool:
        return len({r["series"] for r in rows if r["metric"] in metrics and r["series"] in group}) > 1

    first = [p for p in here if p.setting == here[0].setting]
    timed = [p for p in first if two(p.costs, ("latency_ms",))] or [p for p in first if two(p.costs, ("peak_bytes",))]
    learnt = [p for p in first if any(two(rows, HEADLINES) for rows in p.scores.values())]
    return list(dict.fromkeys(max(found, key=lambda p: p.pixels) for found in (learnt, timed) if found))


def _told(view: View, group: Mapping[str, Anatomy]) -> dict[str, str]:
    """What differs, by series; where a stem forces another place upon a design, that is said too."""
    places_ = {body.place for body in group.values()}
    extra = {
        s: f" (and {short(b.place)})" if view.part == "Stem" and len(places_) > 1 else "" for s, b in group.items()
    }
    return {series: what(view, body) + extra[series] for series, body in group.items()}


def _heading(view: View, group: Mapping[str, Anatomy]) -> str:
    """What the members share, and how many they are."""
    first = next(iter(group.values()))
    positions = [p for p in map(short, (first.place, first.position)) if p not in ("Nowhere", "Position")]
    shared = [first.layout] if view.part != "Layout" else []
    shared += [short(first.mixers)] if view.part != "Mixer" else []
    shared += (positions or ["no position"]) if view.part not in ("Position", "Stem") else []
    return f"{', '.join(shared)}: {count(len(group), 'design')}"


def among(place: Place, series: Mapping[str, object] | Sequence[str]) -> Place:
    """The place with the rows of some series only."""
    scores = {data: tuple(r for r in rows if r["series"] in series) for data, rows in place.scores.items()}
    keep = {data: rows for data, rows in scores.items() if any(r["metric"] in HEADLINES for r in rows)}
    costs, lost = (tuple(r for r in of if r["series"] in series) for of in (place.costs, place.lost))
    return replace(place, costs=costs, scores=keep, lost=lost)


def drawn(place: Place, order: Sequence[str], looks: Mapping[str, Style], name: str) -> Iterator[Figure]:
    """Latency, memory and each accuracy of a place as dots, in this order of designs."""
    sources = [("", place.costs), *place.scores.items()]
    for i, (data, rows) in enumerate(sources):
        for metric in METRICS:
            found = {r["series"]: r for r in rows if r["metric"] == metric}
            marks = [_dot(found[s], unit_of(metric, list(found.values()))[0]) for s in order if s in found]
            if len(marks) < 2:
                continue
            score = kind(metric) == "score"
            said = f"{title(metric)}, {unit_of(metric, list(found.values()))[1]}"
            under = " · ".join(filter(None, (place.size, place.setting, data)))
            over = sorted({r["interval"] for r in found.values() if r["interval"]})
            caption = f"Bars: 95 % intervals, {'; '.join(over)}." if over else "Counted, without intervals."
            yield dots(marks, looks, f"{name}-{i}-{metric.replace('_', '-')}", said, under, caption, score, not score)


def _dot(row: Row, scale: float) -> Dot:
    low, high = ends(row)
    return Dot(row["series"], row["value"] / scale, low / scale, high / scale, point_told(row))


def _side_by_side(here: Sequence[Place], looks: Mapping[str, Style], name: str) -> Iterator[Figure]:
    """All designs at the largest resolution that has at least half of them, family by family."""
    if len({looks[r["series"]].family for p in here for r in p.costs}) < 2:
        return
    first = [p for p in here if p.setting == here[0].setting]
    most = max(len({r["series"] for r in p.costs if r["metric"] == "latency_ms"}) for p in first)
    full = [p for p in first if 2 * len({r["series"] for r in p.costs if r["metric"] == "latency_ms"}) >= most]
    place = max(full, key=lambda p: p.pixels)
    order = sorted({r["series"] for r in place.costs}, key=lambda s: (looks[s].family, s))
    yield from drawn(place, order, looks, name)
