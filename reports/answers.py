"""The answer first: for each task, setting and resolution the fastest, the leanest, the most accurate, and the fronts.

Every sentence is computed from standings, and says no more than their intervals do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log

import pandas as pd

from reports.frame import Row, grouped, rows_of
from reports.standing import Front, Standing, front, span, standing
from reports.units import HEADLINES, digits, interval, kind, number
from reports.words import Words, count, names, status_words

MOST = {"latency_ms": "Fastest", "peak_bytes": "Leanest", "top1": "Most accurate", "miou": "Most accurate"}
NOUNS = {"latency_ms": "latency", "peak_bytes": "memory", "top1": "accuracy", "miou": "accuracy"}
SEEN = "images_seen"
QUANTITIES = {"latency_ms": "latency", "peak_bytes": "memory"}


@dataclass(frozen=True, eq=False)
class Place:
    """What can be compared at once: one task and setting of cost at one resolution, and the scores there.

    The scores are of the networks that learnt at this resolution, or else at the nearest one and were tested here.
    """

    task: str
    setting: str
    resolution: str
    scope: str
    costs: tuple[Row, ...]  # memory and latency
    scores: dict[str, tuple[Row, ...]]  # by setting of the accuracy (its data); with chance and images seen
    lost: tuple[Row, ...]  # what was planned here and not measured
    learnt: tuple[str, ...]  # the resolutions at which networks learnt this task

    @property
    def size(self) -> str:
        return f"{self.resolution} {'tokens a side' if self.scope == 'mixer' else 'pixels'}"

    @property
    def pixels(self) -> float:
        """The side of the square with as many pixels, or tokens."""
        return side(self.resolution)

    def data(self, setting: str) -> str:
        """What scores are of: the setting, and where their networks learnt if not here."""
        trained = {r["resolution"] for r in self.scores.get(setting, ())} - {self.resolution}
        return ", ".join(filter(None, (setting, *(f"trained at {size} pixels" for size in trained))))

    def wants(self) -> Iterator[Words]:
        """What accuracy and cost lack to be set against each other here, and which sweep would measure it."""
        if not self.costs and not self.lost:
            flag = f"--res {self.resolution}"
            yield (f"Latency and memory were not measured at {self.size}: a sweep with {flag} measures them.",)
        elif self.scope == "network" and self.learnt and not self.scores:
            flags = f"--train-res {nearest(self.learnt, self.resolution)} --test-res {self.resolution}"
            yield (f"Accuracy was not tested at {self.size}: a sweep with {flags} tests it.",)


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
    """Every place at which a cost was measured or planned; and where only scores were, one in the commonest setting."""
    costs = rows_of(frame[frame["kind"] == "cost"])
    scores = grouped(rows_of(frame[frame["metric"].isin([*HEADLINES, "chance", SEEN])]), "task")
    often = Counter((r["task"], r["setting"]) for r in costs)
    groups = grouped(
        sorted(costs, key=lambda r: -often[r["task"], r["setting"]]), "task", "setting", "scope", "resolution"
    )
    for (task,), rows in scores.items():
        setting = next((s for of, s, scope, _ in groups if (of, scope) == (task, "network")), "")
        for size in {tested(r) for r in rows}:
            if not any((of, scope, at) == (task, "network", size) for of, _, scope, at in groups):
                groups[task, setting, "network", size] = []
    for task, setting, scope, size in sorted(groups, key=lambda g: (g[0], -often[g[:2]], g[1], side(g[3]), g[2:])):
        found, rows = groups[task, setting, scope, size], scores.get((task,), [])
        yield Place(
            task=task,
            setting=setting,
            resolution=size,
            scope=scope,
            costs=tuple(r for r in found if r["status"] == "ok"),
            scores=dict(scores_at(size, rows)) if scope == "network" else {},
            lost=tuple(r for r in found if r["status"] != "ok"),
            learnt=tuple(dict.fromkeys(r["resolution"] for r in rows)),
        )


def scores_at(size: str, rows: Iterable[Row]) -> Iterator[tuple[str, tuple[Row, ...]]]:
    """By setting, the scores tested at a resolution of the networks that learnt nearest to it."""
    for (setting,), found in sorted(grouped(rows, "setting").items()):
        if here := [r["resolution"] for r in found if r["metric"] in HEADLINES and tested(r) == size]:
            trained = [r for r in found if r["resolution"] == nearest(here, size)]
            yield setting, tuple(r for r in trained if tested(r) == size or r["metric"] == SEEN)


def tested(row: Row) -> str:
    """The resolution that a score was tested at."""
    return str(row["tested_at"] or row["resolution"])


def nearest(sizes: Iterable[str], size: str) -> str:
    """The resolution that is fewest times larger or smaller."""
    return min(sizes, key=lambda other: abs(log(side(other) / side(size))))


def side(resolution: str) -> float:
    """Of the square with as many pixels as `224` or `224x320`."""
    sides = [float(n) for n in resolution.split("x")]
    return (sides[0] * sides[-1]) ** 0.5


def answer(place: Place) -> Answer:
    """What one place says."""
    costs = ("latency_ms", "peak_bytes") if place.costs or place.lost else ()
    standings = [(s, told(s, place)) for s in (standing(metric, place.costs) for metric in costs)]
    fronts = []
    for data, rows in place.scores.items():
        metric = next((m for m in HEADLINES if any(r["metric"] == m for r in rows)), "")
        if not metric:
            continue
        best = standing(metric, rows)
        standings.append((best, told(best, place, data)))
        for cost in costs:
            both = front((metric, cost), [*rows, *place.costs])
            fronts.append((both, unbeaten(both, place.data(data)), data))
    if not place.scores:
        both = front(("latency_ms", "peak_bytes"), place.costs)
        fronts.append((both, unbeaten(both), ""))
    return Answer(place, tuple(standings), tuple(fronts))


def told(found: Standing, place: Place, data: str = "") -> Words:
    """One sentence on who is first."""
    score = kind(found.metric) == "score"
    of_what = place.data(data) if score else ""
    head = MOST.get(found.metric, found.metric) + (f" ({of_what})" if of_what else "")
    if not found.ranked:
        return _unranked(head, found, place)
    first = found.first
    of = f" of {len(found.ranked)}" if len(found.ranked) > 1 else ""
    end = "" if of else ", the only one that can be ranked"
    if len(first) > 1:
        end = ": they are equal" if span(first[0])[0] == span(first[0])[1] else ": their intervals overlap"
    if found.unranked:
        end += f"; {count(len(found.unranked), 'design')} more, measured once, cannot be ranked"
    if score:
        end += _seen({r["series"] for r in found.ranked}, place.scores[data])
    if score and not _above_chance(first, place.scores[data]):
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


def _seen(series: set[str], rows: Sequence[Row]) -> str:
    """How many images the networks of some series learnt from, where not all from as many."""
    seen = [r["value"] for r in rows if r["metric"] == SEEN and r["series"] in series]
    return f"; they saw {digits(min(seen))} to {digits(max(seen))} images" if len(set(seen)) > 1 else ""


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


def unbeaten(found: Front, data: str = "") -> Words:
    """One sentence on the front of two metrics, of which the first may be of some data."""
    first, second = (NOUNS.get(metric, metric) for metric in found.metrics)
    both = f"{first}{f' ({data})' if data else ''} and {second}"
    if not found.n:
        return (f"Not beaten in both {both}: not known, since no design has both with intervals that rank.",)
    if not found.sure:
        return (f"Not beaten in both {both}: any of ", *names(found.perhaps), "; their intervals tell no more.")
    perhaps = ("; perhaps also ", *names(found.perhaps)) if found.perhaps else ()
    return (f"Not beaten in both {both}, of {found.n}: ", *names(found.sure), *perhaps, ".")
