"""A value of each design as a dot with its interval, one row a design; a hollow dot where there is a second value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.colours import Style
from reports.document import Figure
from reports.drawing import Drawing, Line, Mark, Text
from reports.plot import LABEL, Frame, Scale, axes, heading, label_room, padded, short, tick

STEP, PLOT, TOP, BOTTOM = 15.0, 210.0, 40.0, 20.0
COLUMNS = ("design", "value", "low", "high", "hollow")


@dataclass(frozen=True)
class Dot:
    """One row; low and high are the value where it has no interval."""

    series: str
    value: float
    low: float
    high: float
    told: str
    hollow: float | None = None


def dots(
    rows: Sequence[Dot], looks: Mapping[str, Style], name: str, said: str, under: str, caption: str,
    percent: bool = False, log: bool = False, line: float | None = None,
) -> Figure:  # fmt: skip
    """The rows in their order, the first at the top; `line` is a value that all are read against."""
    left = label_room([r.series for r in rows])
    height = STEP * len(rows)
    drawing = Drawing(left + PLOT + 10, TOP + height + BOTTOM)
    values = [line, *(v for r in rows for v in (r.low, r.high, r.value, r.hollow))]
    ends = [v for v in values if v is not None and (v > 0 or not log)]
    x = padded(min(ends), max(ends), left, left + PLOT, log)
    frame = Frame(x, Scale(0, len(rows), TOP, TOP + height, log=False))
    axes(drawing, Frame(x, Scale(0, 1, TOP + height, TOP, log=False)), _ticks(x, percent), ())
    heading(drawing, said, under)
    if line is not None:
        drawing.add(Line(((x(line), TOP), (x(line), TOP + height)), "muted", 1.2))
    for i, row in enumerate(rows):
        _draw(drawing, frame, row, i + 0.5, looks[row.series])
    alt = f"{said}, {under}: {len(rows)} designs. {caption}"
    data = tuple((r.series, r.value, r.low, r.high, r.hollow) for r in rows)
    return Figure(name, said, caption, alt, drawing, COLUMNS, data)


def _ticks(x: Scale, percent: bool) -> list[tuple[float, str]]:
    return [(v, f"{100 * v:.0f}" if percent else tick(v)) for v in x.ticks(6)]


def _draw(drawing: Drawing, frame: Frame, row: Dot, place: float, style: Style) -> None:
    """The name at the left, the interval, the hollow dot, the dot."""
    ink, index, y = f"s{style.index}", style.index, frame.y(place)
    left = frame.x.start
    drawing.add(
        Line(((left, y), (frame.x.end, y)), "grid", 0.6, "1 3"),
        Text((left - 22, y + 3.8), short(row.series), "ink", LABEL, "end", series=index),
        Mark((left - 13, y), style.marker, ink, 3.2, series=index),
    )
    low = max(row.low, frame.x.low) if frame.x.log else row.low
    if low < row.high:
        drawing.add(Line(((frame.x(low), y), (frame.x(row.high), y)), ink, 2.0, alpha=0.55, series=index))
    if row.hollow is not None:
        drawing.add(Mark((frame.x(row.hollow), y), "D", ink, 4.2, True, series=index))
    drawing.add(Mark((frame.x(row.value), y), "o", ink, 3.6, told=row.told, series=index))
