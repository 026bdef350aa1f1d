"""What a figure against resolution is drawn from, and how its designs are shared out among panels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from reports.colours import Style
from reports.frame import Row, grouped
from reports.growth import LEAST, line
from reports.units import kind

PREDICTED = {"peak_bytes": "predicted_bytes", "latency_ms": "predicted_ms"}  # drawn hollow where nothing was measured
FEW, MANY = 8, 17  # designs that one panel may hold: so few need no families; of more a family has several panels
FAR = 8.0  # times the median of all designs


@dataclass(frozen=True)
class Curve:
    """The measured rows of one metric, and the predictions where none was measured."""

    metric: str
    under: str  # the setting
    rows: tuple[Row, ...]
    predicted: tuple[Row, ...] = ()
    bounds: tuple[Row, ...] = ()  # chance and ceiling

    @property
    def points(self) -> tuple[Row, ...]:
        return (*self.rows, *self.predicted)

    @property
    def series(self) -> list[str]:
        return sorted({r["series"] for r in self.points})

    @property
    def linear(self) -> bool:
        return kind(self.metric) == "score"

    @property
    def apart(self) -> list[str]:
        """The designs so far above the others that a scale for both would show neither."""
        middle = {place: median(r["value"] for r in rows) for place, rows in grouped(self.rows, "pixels").items()}

        def above(rows: Sequence[Row]) -> float:
            return math.exp(fmean(math.log(r["value"] / middle[(r["pixels"],)]) for r in rows))

        return (
            [] if self.linear else sorted(s for (s,), rows in grouped(self.rows, "series").items() if above(rows) > FAR)
        )


def fitted(curve: Curve, rows: Sequence[Row]) -> list[tuple[float, float]] | None:
    """The ends (pixels, value) of the power law through the measured rows of a series, where there are sizes enough:
    from the first size to the last, and to the largest of the curve."""
    sides = sorted({r["pixels"] for r in rows})
    if curve.linear or len(sides) < LEAST:
        return None
    law = line([2 * math.log(r["pixels"]) for r in rows], [math.log(r["value"]) for r in rows])
    places = [sides[0], sides[-1], max(r["pixels"] for r in curve.points)]
    return [(side, math.exp(law.at(2 * math.log(side)))) for side in places]


def families(curve: Curve, looks: Mapping[str, Style]) -> list[tuple[str, list[str]]]:
    """The panels: families of three designs and more, the rest together, those far above by themselves.

    Few designs need no families; long families come in parts.
    """
    apart = curve.apart
    near = [s for s in curve.series if s not in apart]
    members: dict[str, list[str]] = {}
    for name in near:
        members.setdefault((looks[name].family or "no layout") if len(near) > FEW else "", []).append(name)
    small = [f for f in members if len(members[f]) < 3]
    if len(small) > 1:
        members["other layouts"] = sorted(s for f in small for s in members.pop(f))
    if apart:
        members["far above the others"] = apart
    return [part for family, names in members.items() for part in _parts(family, names)]


def _parts(family: str, names: Sequence[str]) -> list[tuple[str, list[str]]]:
    parts = math.ceil(len(names) / MANY)
    size = math.ceil(len(names) / parts)
    cut = [list(names[i * size : (i + 1) * size]) for i in range(parts)]
    return [(f"{family}, part {i} of {parts}" if parts > 1 else family, piece) for i, piece in enumerate(cut, 1)]
