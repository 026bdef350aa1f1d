"""A drawing: lines, marks, text and boxes in pixels, once, for every form: SVG here, PDF and PNG in reports/paint.py.

A colour is the name of an ink: one of `reports.colours.INK`, or `s3`, that of the series with index 3. In a page inks
are CSS variables, so that a drawing follows the theme; a file that stands alone has the light theme's colours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

from reports.escape import printable

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A polyline. `dash` is as in SVG: lengths of strokes and gaps."""

    points: tuple[Point, ...]
    ink: str
    width: float = 1.0
    dash: str = ""
    alpha: float = 1.0
    series: int | None = None

    def svg(self) -> str:
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in self.points)
        more = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        look = f'fill="none" stroke="var(--{self.ink})" stroke-width="{_n(self.width)}"'
        return f'<path d="{path}" {look}{more}{_alpha(self)}/>'


@dataclass(frozen=True)
class Mark:
    """A marker of radius `size`; `told` is shown when it is pointed at."""

    at: Point
    shape: str  # one of reports.colours.MARKERS
    ink: str
    size: float = 3.4
    hollow: bool = False
    told: str = ""
    alpha: float = 1.0
    series: int | None = None

    def svg(self) -> str:
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in outline(self.shape, self.at, self.size)) + "z"
        look = f'fill="var(--surface)" stroke="var(--{self.ink})"' if self.hollow else f'fill="var(--{self.ink})"'
        title = f"<title>{escape(printable(self.told))}</title>" if self.told else ""
        return (
            f'<path class="m" d="{path}" {look}{_alpha(self)}>{title}</path>'
            if title
            else f'<path d="{path}" {look}{_alpha(self)}/>'
        )


@dataclass(frozen=True)
class Text:
    """One line of text; `anchor` is start, middle or end, `turned` reads from below upwards."""

    at: Point
    text: str
    ink: str = "ink"
    size: float = 11.0
    anchor: str = "start"
    bold: bool = False
    turned: bool = False
    series: int | None = None

    def svg(self) -> str:
        x, y = map(_n, self.at)
        anchor = f' text-anchor="{self.anchor}"' if self.anchor != "start" else ""
        more = (' font-weight="600"' if self.bold else "") + (
            f' transform="rotate(-90 {x} {y})"' if self.turned else ""
        )
        text = escape(printable(self.text))
        return f'<text x="{x}" y="{y}" font-size="{_n(self.size)}" fill="var(--{self.ink})"{anchor}{more}>{text}</text>'


@dataclass(frozen=True)
class Box:
    """A filled rectangle."""

    corner: Point  # above, left
    width: float
    height: float
    ink: str
    alpha: float = 1.0
    told: str = ""
    series: int | None = None

    def svg(self) -> str:
        x, y = map(_n, self.corner)
        size = f'width="{_n(self.width)}" height="{_n(self.height)}"'
        title = f"<title>{escape(printable(self.told))}</title>" if self.told else ""
        return f'<rect x="{x}" y="{y}" {size} fill="var(--{self.ink})"{_alpha(self)}>{title}</rect>'


Item = Line | Mark | Text | Box


@dataclass
class Drawing:
    """A sheet of this many pixels, and what is on it, the first at the bottom."""

    width: float
    height: float
    items: list[Item] = field(default_factory=list)

    def add(self, *items: Item) -> None:
        self.items += items

    def svg(self, alt: str) -> str:
        """The `<svg>` element of a page, whose colours are CSS variables."""
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}" style="max-width:{self.width * 1.35:.0f}px"'
        groups = ((s, list(items)) for s, items in groupby(self.items, key=lambda item: item.series))
        inside = "".join(_grouped(series, items) for series, items in groups)
        label = f'role="img" aria-label="{escape(printable(alt))}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>{inside}</svg>'

    def standalone(self, alt: str, colours: Mapping[str, str]) -> str:
        """A file: the colours by name of ink filled in, on paper of its own."""
        paper = Box((0, 0), self.width, self.height, "surface")
        text = Drawing(self.width, self.height, [paper, *self.items]).svg(alt)
        text = re.sub(r"var\(--(\w+)\)", lambda m: colours[m[1]], text)
        size = f'<svg width="{_n(self.width)}" height="{_n(self.height)}" font-family="system-ui, sans-serif"'
        return '<?xml version="1.0" encoding="utf-8"?>\n' + text.replace("<svg", size, 1) + "\n"


def outline(shape: str, at: Point, size: float) -> list[Point]:
    """The corners of a marker; a circle has 16, which at this size nobody can count."""
    corners = SHAPES[shape]
    return [(at[0] + size * x, at[1] + size * y) for x, y in corners]


def _polygon(corners: int, turn: float, radius: float) -> tuple[Point, ...]:
    angles = (2 * math.pi * i / corners + math.radians(turn) for i in range(corners))
    return tuple((radius * math.cos(a), radius * math.sin(a)) for a in angles)


def _cross(arm: float, turn: float) -> tuple[Point, ...]:
    """A plus whose arms are `2 arm` wide, turned by some degrees."""
    one = ((1, -arm), (1, arm), (arm, arm))
    corners = [(x, y) for x, y in one]
    points = [_rotated(p, 90 * quarter + turn) for quarter in range(4) for p in corners]
    return tuple(points)


def _rotated(point: Point, degrees: float) -> Point:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return point[0] * c - point[1] * s, point[0] * s + point[1] * c


SHAPES: Mapping[str, tuple[Point, ...]] = {
    "o": _polygon(16, 0, 1.0),
    "s": _polygon(4, 45, 1.25),
    "D": _polygon(4, 0, 1.3),
    "^": _polygon(3, -90, 1.35),
    "v": _polygon(3, 90, 1.35),
    "<": _polygon(3, 180, 1.35),
    ">": _polygon(3, 0, 1.35),
    "p": _polygon(5, -90, 1.2),
    "P": _cross(0.4, 0),
    "X": _cross(0.4, 45),
}


def _grouped(series: int | None, items: Sequence[Item]) -> str:
    inside = "".join(item.svg() for item in items)
    return inside if series is None else f'<g class="series" data-series="{series}">{inside}</g>'


def _alpha(item: Line | Mark | Box) -> str:
    return f' opacity="{_n(item.alpha)}"' if item.alpha != 1 else ""


def _n(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 2 else f"{value:.1f}".removesuffix(".0")


def text_width(text: str, size: float = 11.0) -> float:
    """About how wide a text is; no font is asked."""
    narrow = sum(c in "iljtfr.,:;'|! " for c in text)
    return size * (0.6 * (len(text) - narrow) + 0.32 * narrow)


def extent(points: Iterable[Point]) -> tuple[Point, Point]:
    """The corners of the box around some points."""
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))
