"""The answer first: for each task, setting and resolution the fastest, the leanest, the most accurate, and the fronts.

Every sentence is computed from standings, and says no more than their intervals do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.frame import Row, grouped, rows_of
from reports.standing import Front, Standing, front, span, standing
from reports.units import HEADLINES, interval, kind, number
from reports.words import Words, count, names, status_words

MOST = {"latency_ms": "Fastest", "peak_bytes": "Leanest", "top1": "Most accurate", "miou": "Most accurate"}
NOUNS = {"latency_ms": "latency", "peak_bytes": "memory", "top1": "accuracy", "miou": "accuracy"}
QUANTITIES = {"latency_ms": "latency", "peak_bytes": "memory"}


@dataclass(frozen=True, eq=False)
class Place:
    """What can be compared at once: one task and setting of cost at one resolution, and the scores of its networks."""

    task: str
    setting: str
    resolution: str
    pixels: float
    scope: str
    costs: tuple[Row, ...]  # memory and latency
    scores: dict[str, tuple[Row, ...]]  # by setting of the accuracy (its data); with chance
    lost: tuple[Row, ...]  # what was planned here and not measured

    @property
    def size(self) -> str:
        return f"{self.resolution} {'tokens a side' if self.scope == 'mixer' else 'pixels'}"


@dataclass(frozen=True)
class Answer:
    """A place, and what it says: each entry a standing or a front with its sentence."""

    place: Place
    standings: tuple[tuple[Standing, Words], ...]
    fronts: tuple[tuple[Front, Words, str], ...]  # the last is the setting of the accuracy


def answers(frame: pd.DataFrame) -> list[Answer]:
    """One answer for each place, by task, the commonest setting first, then by resolution."""
    return [answer(place) for place in places(frame)]


def places(frame: pd.DataFrame) -> Iterator[Place]:
    """Every place at which a cost was measured or planned."""
    own = frame[(frame["tested_at"] == "") | (frame["tested_at"] == frame["resolution"])]
    costs, scores = own[own["kind"] == "cost"], own[own["metric"].isin([*HEADLINES, "chance"])]
    learnt = grouped(rows_of(scores), "task", "resolution", "scope")
    size = Counter((r["task"], r["setting"]) for r in rows_of(costs[["task", "setting"]]))
    groups = grouped(rows_of(costs), "task", "setting", "pixels", "resolution", "scope")
    for task, setting, pixels, resolution, scope in sorted(groups, key=lambda g: (g[0], -size[g[:2]], *g[1:])):
        found = groups[task, setting, pixels, resolution, scope]
        data = grouped(learnt.get((task, resolution, scope), ()), "setting")
        yield Place(
            task=task,
            setting=setting,
            resolution=resolution,
            pixels=pixels,
            scope=scope,
            costs=tuple(r for r in found if r["status"] == "ok"),
            scores={name: tuple(rows) for (name,), rows in sorted(data.items())},
            lost=tuple(r for r in found if r["status"] != "ok"),
        )


def answer(place: Place) -> Answer:
    """What one place says."""
    standings = [(s, told(s, place)) for m in ("latency_ms", "peak_bytes") if (s := standing(m, place.costs))]
    fronts = []
    for data, rows in place.scores.items():
        metric = next((m for m in HEADLINES if any(r["metric"] == m for r in rows)), "")
        if not metric:
            continue
        best = standing(metric, rows)
        standings.append((best, told(best, place, data)))
        for cost in ("latency_ms", "peak_bytes"):
            both = front((metric, cost), [*rows, *place.costs])
            fronts.append((both, unbeaten(both), data))
    if not place.scores:
        both = front(("latency_ms", "peak_bytes"), place.costs)
        fronts.append((both, unbeaten(both), ""))
    return Answer(place, tuple(standings), tuple(fronts))


def told(found: Standing, place: Place, data: str = "") -> Words:
    """One sentence on who is first."""
    head = MOST.get(found.metric, found.metric) + (f" on {data}" if data else "")
    if not found.ranked:
        return _unranked(head, found, place)
    first = found.first
    of = f" of {len(found.ranked)}" if len(found.ranked) > 1 else ""
    end = "" if of else ", the only one that can be ranked"
    if len(first) > 1:
        end = ": they are equal" if span(first[0])[0] == span(first[0])[1] else ": their intervals overlap"
    if found.unranked:
        end += f"; {count(len(found.unranked), 'design')} more, measured once, cannot be ranked"
    if kind(found.metric) == "score" and not _above_chance(first, place.scores[data]):
        end += "; none is surely above chance"
    return (f"{head}{of}: ", *names([r["series"] for r in first]), f", {reach(first)}{end}.")


def _unranked(head: str, found: Standing, place: Place) -> Words:
    """What can be said where no interval ranks."""
    if not found.unranked:
        quantity = QUANTITIES.get(found.metric)
        lost = Counter(status_words(r["status"]) for r in place.lost if r["quantity"] == quantity)
        return (f"{head}: nothing was measured here", *_counted(lost), ".")
    best, once = found.unranked[0], "one seed" if kind(found.metric) == "score" else "one process"
    value = number(best["metric"], best["value"], best["unit"])
    of = f" of {len(found.unranked)}" if len(found.unranked) > 1 else ""
    return (f"{head}: not known, since each was measured in {once}. Best value seen{of}: ", *names([best["series"]]),
            f", {value}.")  # fmt: skip


def _counted(lost: Counter[str]) -> Words:
    return (" (" + ", ".join(f"{n} {status}" for status, n in lost.most_common()) + ")",) if lost else ()


def _above_chance(first: Sequence[Row], rows: Sequence[Row]) -> bool:
    """Whether any of the first is above chance with its whole interval; so too where chance is not known."""
    chance = max((r["value"] for r in rows if r["metric"] == "chance"), default=-1.0)
    return any(-span(r)[1] > chance for r in first)


def reach(rows: Sequence[Row]) -> str:
    """The value of one row with its interval, or what the intervals of several span."""
    first = rows[0]
    metric, unit = first["metric"], first["unit"]
    ends = [(r["value"], r["value"]) if r["low"] != r["low"] else (r["low"], r["high"]) for r in rows]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if low == high:
        return number(metric, low, unit)
    if len(rows) > 1:
        return interval(metric, low, high, unit)
    return f"{number(metric, first['value'], unit)} ({interval(metric, low, high, unit)})"


def unbeaten(found: Front) -> Words:
    """One sentence on the front of two metrics."""
    both = f"{NOUNS.get(found.metrics[0], found.metrics[0])} and {NOUNS.get(found.metrics[1], found.metrics[1])}"
    if not found.n:
        return (f"Not beaten in both {both}: not known, since no design has both with intervals that rank.",)
    if not found.sure:
        return (f"Not beaten in both {both}: any of ", *names(found.perhaps), "; their intervals tell no more.")
    perhaps = ("; perhaps also ", *names(found.perhaps)) if found.perhaps else ()
    return (f"Not beaten in both {both}, of {found.n}: ", *names(found.sure), *perhaps, ".")
