"""A user's limits against the records: which designs fit, which perhaps, and what has to give where none does.

A design fits if its whole interval, over processes or seeds, is within every limit. It fits perhaps if an interval
reaches across a limit, or comes from one process or one seed only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from reports.answers import Place, answer, places
from reports.frame import Row
from reports.standing import ranks, span
from reports.units import HEADLINES, number
from reports.words import Words, count, names, status_words

FITS, PERHAPS, NOT, UNKNOWN = "fits", "perhaps", "does not", "not measured"
ORDER = (FITS, PERHAPS, UNKNOWN, NOT)
COUNTED = {FITS: ("fits", "fit"), PERHAPS: ("perhaps fits", "perhaps fit"), NOT: ("does not fit", "do not fit"),
           UNKNOWN: ("was not measured", "were not measured")}  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """One limit of the user: the flag that set it, and the value that a metric may not pass."""

    flag: str
    metrics: tuple[str, ...]
    value: float

    @property
    def at_least(self) -> bool:
        return self.metrics == HEADLINES

    def said(self) -> str:
        """The flag as a user writes it, rounded to three digits on the generous side."""
        scale, unit = {"--max-memory": (1e9, "GB"), "--min-accuracy": (0.01, "%")}.get(self.flag, (1.0, ""))
        if unit == "GB" and self.value < 1e9:
            scale, unit = 1e6, "MB"
        value = self.value / scale
        step = 10.0 ** (math.floor(math.log10(abs(value) or 1)) - 2)
        rounded = (math.floor if self.at_least else math.ceil)(round(value / step, 6)) * step
        return f"{self.flag} {rounded:.10g}{unit}"

    def within(self, row: Row) -> str:
        """FITS, PERHAPS or NOT."""
        low, high = span(row)
        limit = -self.value if self.at_least else self.value
        return NOT if low > limit else FITS if high <= limit and ranks(row) else PERHAPS

    def excess(self, row: Row) -> float:
        """How far the worse end of the row's interval is beyond the limit: 1.5 is half as much again, 1 is within."""
        worse = abs(span(row)[1])
        ratio = self.value / max(worse, 1e-9) if self.at_least else worse / self.value
        return max(1.0, ratio)


@dataclass(frozen=True)
class Fit:
    """One design against the limits."""

    series: str
    verdict: str  # FITS, PERHAPS, NOT or UNKNOWN
    why: str
    rows: dict[str, Row]  # its numbers by metric; an accuracy only if a limit asks for it
    scores: dict[str, Row]  # its accuracies, by what they are of

    def value(self, metric: str) -> float | None:
        return float(self.rows[metric]["value"]) if metric in self.rows else None


@dataclass(frozen=True)
class Advice:
    """What can be said at one place: every design with its verdict, and the sentences."""

    place: Place
    data: str  # the setting of the accuracy that a limit asks for; empty if none does
    limits: tuple[Limit, ...]
    fits: tuple[Fit, ...]
    sentences: tuple[Words, ...]


def limits(max_ms: float | None, max_bytes: float | None, min_score: float | None) -> tuple[Limit, ...]:
    """The limits that were set."""
    made = (
        Limit("--max-ms", ("latency_ms",), max_ms or 0),
        Limit("--max-memory", ("held_bytes", "peak_bytes"), max_bytes or 0),
        Limit("--min-accuracy", HEADLINES, min_score or 0),
    )
    return tuple(limit for limit, v in zip(made, (max_ms, max_bytes, min_score), strict=True) if v is not None)


def advise(
    frame: pd.DataFrame, limits: Sequence[Limit], resolution: str = "", task: str = "", device: str = "",
    mode: str = "inference",
) -> list[Advice]:  # fmt: skip
    """The advice for each place that the run holds. ValueError names what it does not hold."""
    rows = frame[frame["kind"] != "cost"]
    costs = frame[(frame["kind"] == "cost") & (frame["mode"] == mode)]
    if costs.empty:
        raise ValueError(f"this run holds no latency or memory of {mode}: measure some with `avbench sweep`")
    _held("task", task, costs["task"])
    rows, costs = (of[of["task"] == task] if task else of for of in (rows, costs))
    _held("device", device, costs["device"])
    costs = costs[costs["device"] == device] if device else costs
    every = list(places(pd.concat([rows, costs])))
    _held("res", resolution, [p.resolution for p in sorted(every, key=lambda p: p.pixels)])
    scored = any(limit.at_least for limit in limits)
    return [
        _advice(place, data, tuple(limits), every)
        for place in every
        if not resolution or place.resolution == resolution
        for data in ((place.scores or {"": ()}) if scored else ("",))
    ]


def _held(flag: str, wanted: str, known: Iterable[str]) -> None:
    """ValueError if something is wanted that is not known."""
    if wanted and wanted not in (held := dict.fromkeys(known)):
        raise ValueError(f"this run holds no --{flag} {wanted}: it holds {', '.join(held)}")


def _advice(place: Place, data: str, limits: tuple[Limit, ...], every: Sequence[Place]) -> Advice:
    fits = fitted(place, data, limits)
    kept = {f.series for f in fits if f.verdict == FITS}
    counts = Counter(f.verdict for f in fits)
    told = ", ".join(f"{counts[v]} {COUNTED[v][counts[v] > 1]}" for v in ORDER if counts[v])
    sentences: list[Words] = [(f"Of {count(len(fits), 'design')}, {told}.",)] if limits else []
    if kept or not limits:
        sentences += _best(place, kept or {f.series for f in fits})
    else:
        sentences += what_gives(place, data, limits, fits, every)
    sentences += place.wants()
    return Advice(place, data, limits, fits, tuple(sentences))


def _best(place: Place, series: set[str]) -> list[Words]:
    """The answers among some designs only."""
    scores = {data: tuple(r for r in rows if r["series"] in series) for data, rows in place.scores.items()}
    few = replace(place, costs=tuple(r for r in place.costs if r["series"] in series), scores=scores)
    found = answer(few)
    return [words for _, words in found.standings] + [words for _, words, _ in found.fronts]


def fitted(place: Place, data: str, limits: Sequence[Limit]) -> tuple[Fit, ...]:
    """Every design of the place: those that fit first, by latency."""
    scored = any(limit.at_least for limit in limits)
    asked = {data: place.scores.get(data, ())} if scored else place.scores
    rows: dict[str, dict[str, Row]] = {}
    for row in (*place.lost, *(asked[data] if scored else ()), *place.costs):
        rows.setdefault(row["series"], {})[row["metric"] or f"lost {row['quantity']}"] = row
    scores: dict[str, dict[str, Row]] = {}
    for setting, found in asked.items():
        for row in (r for r in found if r["metric"] in HEADLINES):
            scores.setdefault(row["series"], {})[place.data(setting)] = row
    fits = [
        Fit(series, *_judged(own := _with_held(rows.get(series, {})), limits), own, scores.get(series, {}))
        for series in rows | scores
    ]
    return tuple(sorted(fits, key=lambda f: (ORDER.index(f.verdict), f.value("latency_ms") or math.inf, f.series)))


def _with_held(rows: dict[str, Row]) -> dict[str, Row]:
    """The rows, with all that the memory has to hold: the peak and, where it is known, what rests beside it."""
    if not {"peak_bytes", "resting_bytes"} <= rows.keys():
        return rows
    peak, beside = rows["peak_bytes"], rows["resting_bytes"]["value"]
    held = {"metric": "held_bytes"} | {end: peak[end] + beside for end in ("value", "low", "high")}
    return rows | {"held_bytes": peak | held}


def _judged(rows: dict[str, Row], limits: Sequence[Limit]) -> tuple[str, str]:
    """The verdict on a design with these numbers, and why."""
    verdicts, why = [], []
    for limit in limits:
        row = next((rows[m] for m in limit.metrics if m in rows), None)
        verdicts.append(limit.within(row) if row else UNKNOWN)
        if row is None:
            why.append(f"{limit.flag}: {_lost(rows, limit)}")
        elif verdicts[-1] == NOT:
            why.append(f"{limit.flag}: {limit.excess(row):.3g} times too {'low' if limit.at_least else 'much'}")
        elif verdicts[-1] == PERHAPS:
            why.append(f"{limit.flag}: " + ("its interval reaches across" if ranks(row) else row["interval"]))
    verdict = next((v for v in (NOT, UNKNOWN, PERHAPS) if v in verdicts), FITS)
    return verdict, "; ".join(why)


def _lost(rows: dict[str, Row], limit: Limit) -> str:
    """Why a number is missing, with its prediction where there is one."""
    quantity = "accuracy" if limit.at_least else {"latency_ms": "latency"}.get(limit.metrics[0], "memory")
    lost = next((r for r in rows.values() if r["quantity"] == quantity and r["status"] != "ok"), None)
    said = status_words(lost["status"]) if lost else "not measured"
    predicted = rows.get({"latency": "predicted_ms", "memory": "predicted_bytes"}.get(quantity, ""))
    return f"{said}, predicted {number(predicted['metric'], predicted['value'])}" if predicted else said


def what_gives(
    place: Place, data: str, limits: Sequence[Limit], fits: Sequence[Fit], every: Sequence[Place]
) -> list[Words]:
    """Where none fits: the nearest design, what each limit would have to be, and the resolutions at which one fits."""
    sentences: list[Words] = []
    if nearest := _nearest(fits, limits):
        fit, excess = nearest
        sentences.append(("Nearest: ", *names([fit.series]), f", at {excess:.3g} times its worst limit."))
    for limit in limits:
        others = [other for other in limits if other is not limit]
        able = [(abs(span(row)[1]), fit.series) for fit in fits if (row := _relaxed(fit, limit, others))]
        if able:
            value, series = max(able) if limit.at_least else min(able)
            changed = replace(limit, value=value)
            sentences.append((f"With {changed.said()}, ", *names([series]), " fits."))
    smaller = [p for p in every if (p.task, p.setting, p.scope) == (place.task, place.setting, place.scope)]
    for other in sorted((p for p in smaller if p.pixels < place.pixels), key=lambda p: -p.pixels):
        if able_there := [f.series for f in fitted(other, data, limits) if f.verdict == FITS]:
            sentences.append((f"At {other.size}, ", *names(able_there), f" fit{'s' if len(able_there) == 1 else ''}."))
            break
    return sentences or [("Nothing here was measured against every limit.",)]


def _nearest(fits: Sequence[Fit], limits: Sequence[Limit]) -> tuple[Fit, float] | None:
    """The design whose worst excess is least, of those that were measured against every limit."""
    found = []
    for fit in fits:
        rows = [next((fit.rows[m] for m in limit.metrics if m in fit.rows), None) for limit in limits]
        if all(rows):
            found.append((max(x.excess(r) for x, r in zip(limits, rows, strict=True) if r), fit.series, fit))
    return (best[2], best[0]) if found and (best := min(found)) else None


def _relaxed(fit: Fit, limit: Limit, others: Sequence[Limit]) -> Row | None:
    """The row that one limit is about, if it ranks and the design fits all other limits."""
    row = next((fit.rows[m] for m in limit.metrics if m in fit.rows), None)
    return row if row and ranks(row) and _judged(fit.rows, others)[0] == FITS else None
