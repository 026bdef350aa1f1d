"""recommend: a user's limits against the records of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from avbench.table import plain, show, write_csv
from reports.escape import printable
from reports.frame import Row, tidy
from reports.recommend import Advice, Fit, Limit, advise, limits
from reports.units import HEADLINES, interval, number
from reports.words import plain as text_of
from suite.record import latest, read
from suite.units import parse_bytes

COLUMNS = {"latency": "latency_ms", "memory": "peak_bytes"}


@dataclass(frozen=True)
class Wish:
    """What a user asks for, as it was written."""

    res: str = ""
    max_ms: float | None = None
    max_memory: str = ""
    min_accuracy: str = ""
    task: str = ""
    device: str = ""
    mode: str = "inference"

    def limits(self) -> tuple[Limit, ...]:
        """ValueError says which limit cannot be read."""
        if self.max_ms is not None and not 0 < self.max_ms < inf:
            raise ValueError(f"--max-ms is {self.max_ms:g}: it must be above 0; leave it out for no limit")
        memory = parse_bytes(self.max_memory) if self.max_memory else None
        return limits(self.max_ms, memory, parse_share(self.min_accuracy) if self.min_accuracy else None)


def parse_share(text: str) -> float:
    """`80%` or `0.8` -> 0.8. ValueError if it is neither."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise ValueError(f"--min-accuracy {text} is no accuracy: write 80% or 0.8")
    return value


def show_recommendation(run: Path, wish: Wish, as_json: bool, as_csv: bool) -> int:
    """Prints the advice for each place. Returns 0 if some design is known to fit somewhere, else 1."""
    asked = wish.limits()
    found = advise(tidy(latest(read(run))), asked, wish.res, wish.task, wish.device, wish.mode)
    if as_json and as_csv:
        raise ValueError("--json and --csv exclude each other: choose one")
    if as_json:
        print(json.dumps([as_dict(advice) for advice in found], indent=1))
    elif as_csv:
        write_csv([row for advice in found for row in rows(advice)])
    else:
        for advice in found:
            show_advice(advice)
    return 0 if any(fit.verdict == "fits" for advice in found for fit in advice.fits) else 1


def show_advice(advice: Advice) -> None:
    """One place: a heading, the sentences, the designs."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(printable(heading(advice)), style="bold"))
    for words in advice.sentences:
        console.print(Text(printable(text_of(words))))
    columns = ("design", "verdict", "latency", "memory", "accuracy", "why")
    judged = columns if advice.limits else ("design", "latency", "memory", "accuracy")
    shown: dict[str, Callable[[Any], str]] = dict.fromkeys(judged, plain)
    show([brief(fit) for fit in advice.fits], False, False, shown)
    console.print()


def heading(advice: Advice) -> str:
    """What the advice is about."""
    place = advice.place
    limits = " ".join(limit.said() for limit in advice.limits)
    return " · ".join(filter(None, (place.task, place.size, place.setting, place.data(advice.data), limits)))


def brief(fit: Fit) -> dict[str, str]:
    """A design as one row for people."""
    scores = [" ".join(filter(None, (said(row), f"({data})" if data else ""))) for data, row in fit.scores.items()]
    values = {name: said(fit.rows.get(metric)) for name, metric in COLUMNS.items()}
    return {"design": fit.series, "verdict": fit.verdict, **values, "accuracy": "; ".join(scores), "why": fit.why}


def said(row: Row | None) -> str:
    """A number with its interval; nothing where it was not measured."""
    if row is None:
        return ""
    text = number(row["metric"], row["value"], row["unit"])
    has_interval = row["low"] == row["low"]
    return f"{text} ({interval(row['metric'], row['low'], row['high'], row['unit'])})" if has_interval else text


def as_dict(advice: Advice) -> dict[str, Any]:
    """An advice, fit for JSON."""
    place = advice.place
    return {
        "task": place.task,
        "resolution": place.resolution,
        "setting": place.setting,
        "data": place.data(advice.data),
        "limits": {limit.flag.lstrip("-"): limit.value for limit in advice.limits},
        "sentences": [text_of(words) for words in advice.sentences],
        "designs": list(rows(advice)),
    }


def rows(advice: Advice) -> Iterable[dict[str, Any]]:
    """Each design as one row for programs, or as one for each accuracy; None where a number was not measured."""
    place = advice.place
    common = {"task": place.task, "resolution": place.resolution, "setting": place.setting}
    for fit in advice.fits:
        for data, score in (fit.scores or {place.data(advice.data): {}}).items():
            row: dict[str, Any] = common | {"data": data, "design": fit.series, "verdict": fit.verdict}
            for metric in ("latency_ms", "peak_bytes", *HEADLINES):
                found = score if metric == score.get("metric") else fit.rows.get(metric, {})
                ends = {f"{metric}_{end}": known(found.get(end)) for end in ("low", "high")}
                row |= {metric: found.get("value")} | ends
            yield row | {"why": fit.why}


def known(value: float | None) -> float | None:
    """None for what is not a number."""
    return None if value is None or value != value else value
