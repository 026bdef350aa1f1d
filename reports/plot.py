"""Scales, axes and labels on a drawing: logarithmic axes that read as numbers, and names beside the ends of lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.colours import Style
from reports.drawing import Drawing, Line, Mark, Text, text_width

SMALL, LABEL = 10.0, 11.0  # sizes of text, in pixels
LINE = 13.0  # from one label to the next
LONGEST = 24  # characters of a label
STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9))


@dataclass(frozen=True)
class Scale:
    """Values -> pixels: `low` lies at `start`, `high` at `end`; evenly, or by the logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = True

    def __call__(self, value: float) -> float:
        low, high, at = map(math.log10, (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self, most: int) -> list[float]:
        """Round numbers within the scale, as many as there can be up to `most`, and at least two."""
        return log_ticks(self.low, self.high, most) if self.log else even_ticks(self.low, self.high, most)


def padded(low: float, high: float, start: float, end: float, log: bool = True, room: float = 0.06) -> Scale:
    """The scale that shows low to high with some room around; where they are one value, as much room as it takes."""
    if log:
        low, high = (low / 1.25, high * 1.25) if high / low < 1.05 else (low, high)
        factor = (high / low) ** room
        return Scale(low / factor, high * factor, start, end)
    more = max(room * (high - low), 0.01)
    return Scale(low - more, high + more, start, end, log=False)


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """The finest of STEPS that `most` allows; of too many decades every second or third; of none, even steps."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = math.ceil(len(decades) / most)
    choices = [[s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high] for steps in STEPS]
    fine = [ticks for ticks in choices if 2 <= len(ticks) <= most]
    if fine:
        return fine[-1]
    coarse = [10.0**d for d in decades if d % every == 0 and low <= 10.0**d <= high]
    return coarse if len(coarse) > 1 else even_ticks(low, high, most)


def even_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
    found = (float(f"{i * step:.10g}") for i in range(math.ceil(low / step), math.floor(high / step) + 1))
    return [tick for tick in found if low <= tick <= high]


@dataclass(frozen=True)
class Frame:
    """The place of a plot on its sheet, and its two scales; y grows upwards."""

    x: Scale
    y: Scale

    def point(self, x: float, y: float) -> tuple[float, float]:
        return self.x(x), self.y(y)


def axes(
    drawing: Drawing, frame: Frame, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]
) -> None:
    """The grid, the two axes, and the numbers beside them; a number that would run into the one before is left out."""
    left, right, bottom, top = frame.x.start, frame.x.end, frame.y.start, frame.y.end
    end = -math.inf
    for value, name in x_ticks:
        x = frame.x(value)
        drawing.add(Line(((x, bottom), (x, top)), "grid"))
        half = text_width(name, SMALL) / 2
        if x - half > end + 3:
            drawing.add(Text((x, bottom + 14), name, "muted", SMALL, "middle"))
            end = x + half
    for value, name in y_ticks:
        y = frame.y(value)
        drawing.add(Line(((left, y), (right, y)), "grid"), Text((left - 5, y + 3.5), name, "muted", SMALL, "end"))
    drawing.add(Line(((left, top), (left, bottom), (right, bottom)), "muted"))


def clipped(points: Sequence[tuple[float, float]], top: float, bottom: float) -> list[tuple[tuple[float, float], ...]]:
    """The pieces of a polyline that lie between two heights."""
    pieces: list[list[tuple[float, float]]] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        if y1 == y0:
            begin, end = (0.0, 1.0) if top <= y0 <= bottom else (1.0, 0.0)
        else:
            enter, leave = sorted((y - y0) / (y1 - y0) for y in (top, bottom))
            begin, end = max(0.0, enter), min(1.0, leave)
        if begin < end:
            first, last = ((x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in (begin, end))
            if pieces and begin == 0:
                pieces[-1].append(last)
            else:
                pieces.append([first, last])
    return [tuple(piece) for piece in pieces]


def heading(drawing: Drawing, title: str, under: str = "") -> None:
    """What a drawing is about, above its left edge."""
    drawing.add(Text((2, 12), short(title, 60), "ink", 12, bold=True))
    if under:
        drawing.add(Text((2, 26), short(under, 70), "muted", SMALL))


def label_ends(drawing: Drawing, frame: Frame, ends: Sequence[tuple[str, Style, float, float]]) -> None:
    """Names each line at the right of its end (x, y), in their order, with a leader from the end to the name."""
    spots = sorted(((frame.y(y), frame.x(x), name, style) for name, style, x, y in ends), key=lambda s: (s[0], s[2]))
    places = spread([s[0] for s in spots], LINE, frame.y.end, frame.y.start)
    right = frame.x.end
    for (y, x, name, style), place in zip(spots, places, strict=True):
        ink, series = f"s{style.index}", style.index
        dash = "" if x > right - 12 else "1 2"  # a long solid one would look like data
        drawing.add(
            Line(((x, y), (right + 6, place), (right + 10, place)), ink, 0.7, dash, 0.6, series),
            Mark((right + 16, place), style.marker, ink, 3, series=series),
            Text((right + 23, place + 3.8), short(name), "ink", LABEL, series=series),
        )


def label_room(names: Sequence[str]) -> float:
    """How many pixels `label_ends` takes at the right."""
    return 28 + max((text_width(short(name), LABEL) for name in names), default=0)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places, moved as little as a simple sweep can until they are `gap` apart and, if they can, within."""
    result: list[float] = []
    for place in places:
        result.append(max(place, result[-1] + gap if result else low))
    ceiling = max(high, low + gap * (len(result) - 1))
    for i in reversed(range(len(result))):
        result[i] = min(result[i], ceiling)
        ceiling = result[i] - gap
    return result


def short(label: str, longest: int = LONGEST) -> str:
    """A label, its middle left out if it is long."""
    keep = (longest - 1) // 2
    return label if len(label) <= longest else f"{label[:keep]}…{label[-keep:]}"


def tick(value: float) -> str:
    """A number beside an axis: `20 000`, but `10⁵` from there on, where the plain form has no room."""
    if value < 99_999:
        return f"{value:,.4g}".replace(",", "\u202f") if value < 10_000 else f"{value:,.0f}".replace(",", "\u202f")
    power = math.floor(math.log10(value) + 1e-9)
    factor = f"{value / 10**power:.3g}"
    raised = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if factor == "1" else f"{factor}\u202f·\u202f10{raised}"
