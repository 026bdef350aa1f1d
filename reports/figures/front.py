"""Two quantities of every design at one resolution; those that nothing beats in both stand out and are named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from math import hypot
from statistics import median

from reports.colours import Style
from reports.document import Figure
from reports.drawing import Drawing, Line, Mark, Text, text_width
from reports.figures.curve import FAR
from reports.figures.told import ends, known_ends, unit_of, value_told
from reports.frame import Row
from reports.plot import LABEL, SMALL, Frame, axes, heading, padded, short, tick
from reports.standing import Front
from reports.units import kind, title

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 330.0, 250.0, 44.0, 40.0, 36.0, 12.0
MOST_NAMED = 9
NEAR = 12.0  # a name no further from its mark than this needs no line that leads to it
Place = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
COLUMNS = ("design", "x", "x low", "x high", "y", "y low", "y high", "beaten")


def scatter(front: Front, rows: Sequence[Row], under: str, looks: Mapping[str, Style], name: str) -> Figure | None:
    """The figure of a front: its first metric upwards, its second to the right; None below two designs."""
    up, right = ({r["series"]: r for r in rows if r["metric"] == m} for m in front.metrics)
    leading = {*front.sure, *front.perhaps}
    off = far(up, leading) | far(right, leading)
    both = sorted((up.keys() & right.keys()) - off)
    if len(both) < 2:
        return None
    (y_scale, y_unit), (x_scale, x_unit) = (
        unit_of(m, [of[s] for s in both]) for m, of in zip(front.metrics, (up, right), strict=True)
    )
    said = f"{title(front.metrics[0])}, {y_unit}, against {title(front.metrics[1]).lower()}, {x_unit}"
    drawing = Drawing(WIDTH, HEIGHT)
    frame = _frame([up[s] for s in both], [right[s] for s in both], y_scale, x_scale, front.metrics[0])
    linear = not frame.y.log
    y_ticks = [(v, f"{100 * v:.0f}" if linear else tick(v)) for v in frame.y.ticks(6)]
    axes(drawing, frame, [(v, tick(v)) for v in frame.x.ticks(7)], y_ticks)
    heading(drawing, said, under)
    drawing.add(
        Text(
            ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5),
            f"{title(front.metrics[1]).lower()}, {x_unit}",
            "muted",
            SMALL,
            "middle",
        )
    )
    for series in sorted(both, key=lambda s: s in leading):
        _draw_point(drawing, frame, up[series], right[series], (y_scale, x_scale), looks[series], series in leading)
    named = sorted(leading if len(leading) <= MOST_NAMED else front.sure)
    places = {s: frame.point(right[s]["value"] / x_scale, up[s]["value"] / y_scale) for s in both}
    _name(drawing, {s: places[s] for s in named}, list(places.values()), looks)
    better = "Up" if kind(front.metrics[0]) == "score" else "Down"
    aside = "right" if kind(front.metrics[1]) == "rate" else "left"
    caption = f"{better} and to the {aside} is better. Bars: 95 % intervals. Pale: beaten in both, or not ranked."
    caption += f" Not shown, far above the others: {', '.join(sorted(off))}." if off else ""
    alt = f"{said}, {under}: {len(both)} designs. {caption}"
    data = tuple(
        (s, right[s]["value"], *known_ends(right[s]), up[s]["value"], *known_ends(up[s]),
         "no" if s in front.sure else "perhaps" if s in front.perhaps else "yes")
        for s in both
    )  # fmt: skip
    return Figure(name, said, caption, alt, drawing, COLUMNS, data)


def far(rows: Mapping[str, Row], leading: Collection[str]) -> set[str]:
    """The designs that are beaten by so much that a scale for all would show neither them nor the others."""
    values = {s: r["value"] for s, r in rows.items()}
    if not values or kind(next(iter(rows.values()))["metric"]) in ("score", "rate"):
        return set()
    return {s for s, v in values.items() if v > FAR * median(values.values()) and s not in leading}


def _frame(up: Sequence[Row], right: Sequence[Row], y_scale: float, x_scale: float, metric: str) -> Frame:
    linear = kind(metric) == "score"
    xs = [v / x_scale for r in right for v in ends(r) if v > 0]
    ys = [v / y_scale for r in up for v in ends(r) if linear or v > 0]
    x = padded(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    return Frame(x, padded(min(ys), max(ys), HEIGHT - BOTTOM, TOP, log=not linear))


def _draw_point(
    drawing: Drawing, frame: Frame, up: Row, right: Row, scales: tuple[float, float], style: Style, leading: bool
) -> None:
    """A mark with both intervals; pale where the design is beaten."""
    x, y = frame.point(right["value"] / scales[1], up["value"] / scales[0])
    ink, index, alpha = f"s{style.index}", style.index, 1.0 if leading else 0.4
    (x0, x1), (y0, y1) = ((v / s for v in ends(r)) for r, s in ((right, scales[1]), (up, scales[0])))
    if x0 < x1 and x0 > 0:
        drawing.add(Line(((frame.x(x0), y), (frame.x(x1), y)), ink, 1.0, alpha=0.7 * alpha, series=index))
    if y0 < y1 and (y0 > 0 or not frame.y.log):
        drawing.add(Line(((x, frame.y(y0)), (x, frame.y(y1))), ink, 1.0, alpha=0.7 * alpha, series=index))
    told = f"{up['series']}, {right['resolution']}: {value_told(up)}; {value_told(right)}"
    drawing.add(Mark((x, y), style.marker, ink, 4.2 if leading else 3, told=told, alpha=alpha, series=index))


def _name(drawing: Drawing, named: Mapping[str, Place], marks: Sequence[Place], looks: Mapping[str, Style]) -> None:
    """Writes each name where it covers fewest marks and other names, and near its mark; a line leads to a far one."""
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in marks]
    for name, mark in sorted(named.items(), key=lambda item: item[1][1]):
        boxes = _spots(mark, text_width(short(name), LABEL))
        inside = [
            b for b in boxes if LEFT + 2 <= b[0] and b[2] <= WIDTH and TOP - 8 <= b[1] and b[3] <= HEIGHT - BOTTOM
        ]
        best = min(inside or boxes, key=lambda b: sum(_overlap(b, other) for other in taken) + _gap(b, mark))
        taken.append(best)
        if _gap(best, mark) > NEAR:
            end = tuple(min(max(mark[i], best[i]), best[i + 2]) for i in (0, 1))
            drawing.add(Line((mark, (end[0], end[1])), "muted", 0.6, alpha=0.7, series=looks[name].index))
        drawing.add(Text((best[0], best[3] - 2), short(name), "ink", LABEL, series=looks[name].index))


def _spots(mark: Place, wide: float) -> list[Box]:
    """Where a name of this width may stand: around its mark, and in the same directions further out."""
    x, y = mark
    boxes = []
    for off in (0.0, 12.0, 24.0, 36.0, 48.0):
        for aside, down in product((-1, 0, 1), repeat=2):
            if aside or down:
                left = x + aside * ((5 if down else 7) + off) - wide * (1 - aside) / 2
                base = y + 4 + down * (12 + off)
                boxes.append((left, base - 9, left + wide, base + 2))
    return boxes


def _overlap(one: Box, other: Box) -> float:
    wide, tall = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    return max(0.0, wide) * max(0.0, tall)


def _gap(box: Box, mark: Place) -> float:
    """How far a mark is from a box."""
    return hypot(*(max(box[i] - mark[i], 0.0, mark[i] - box[i + 2]) for i in (0, 1)))
