"""A quantity against resolution: a panel for each family of designs, the others behind it in grey."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reports.colours import Style
from reports.document import Figure
from reports.drawing import Drawing, Line, Mark, Text
from reports.figures.curve import Curve, families, fitted
from reports.figures.told import ends, known_ends, point_told, unit_of
from reports.frame import Row, grouped
from reports.plot import LINE, SMALL, Frame, axes, clipped, heading, label_ends, label_room, padded, tick
from reports.units import BOUNDS, title
from reports.words import count

PLOT, LEFT, TOP, BOTTOM, LOWEST = 196.0, 46.0, 40.0, 34.0, 170.0
COLUMNS = ("design", "resolution", "value", "low", "high", "what")


def panels(curve: Curve, looks: Mapping[str, Style], name: str) -> Iterator[Figure]:
    """One figure for each family of the curve's designs; none if nothing was measured."""
    for i, (family, members) in enumerate(families(curve, looks) if curve.rows else ()):
        yield panel(curve, looks, f"{name}-{i}", family, members)


def panel(curve: Curve, looks: Mapping[str, Style], name: str, family: str, members: Sequence[str]) -> Figure:
    """The designs of one family in their colours, all others in grey."""
    scale, unit = unit_of(curve.metric, curve.rows)
    height = max(LOWEST, LINE * len(members))
    drawing = Drawing(LEFT + PLOT + label_room(members), TOP + height + BOTTOM)
    frame = _frame(curve, members, scale, height)
    sizes = dict(sorted({(r["pixels"], r["resolution"]) for r in (*curve.points, *curve.bounds)}))
    y_ticks = [(v, tick(v) if frame.y.log else f"{100 * v:.0f}") for v in frame.y.ticks(6)]
    axes(drawing, frame, list(sizes.items()), y_ticks)
    said = f"{title(curve.metric)}, {unit}"
    heading(drawing, said, " · ".join(filter(None, (curve.under, family))))
    side = "tokens a side" if any(r["scope"] == "mixer" for r in curve.rows) else "image side, pixels"
    drawing.add(Text((LEFT + PLOT / 2, TOP + height + 29), side, "muted", SMALL, "middle"))
    lines = {s: sorted(rows, key=lambda r: r["pixels"]) for (s,), rows in grouped(curve.points, "series").items()}
    _draw_others(drawing, frame, [rows for s, rows in lines.items() if s not in members], scale)
    _draw_bounds(drawing, frame, curve.bounds, scale)
    label_ends(drawing, frame, [_draw_line(drawing, frame, curve, lines[s], looks[s], scale) for s in members])
    caption = _caption(curve, members)
    alt = f"{said} against resolution, {curve.under}, {family or 'all'}: {count(len(members), 'design')}. {caption}"
    return Figure(name, f"{said}, {family}" if family else said, caption, alt, drawing, COLUMNS, _data(curve, members))


def _frame(curve: Curve, members: Sequence[str], scale: float, height: float) -> Frame:
    """All resolutions, and the values of the members: where the others are, their grey lines tell."""
    sides = [r["pixels"] for r in (*curve.points, *curve.bounds)]
    own = [r for r in curve.points if r["series"] in members] + list(curve.bounds)
    values = [v / scale for r in own for v in ends(r) if curve.linear or v > 0]
    y = padded(min(values), max(values), TOP + height, TOP, log=not curve.linear, room=0.04)
    return Frame(padded(min(sides), max(sides), LEFT, LEFT + PLOT), y)


def _points(frame: Frame, rows: Sequence[Row], scale: float) -> tuple[tuple[float, float], ...]:
    return tuple(frame.point(r["pixels"], r["value"] / scale) for r in rows)


def _draw_others(drawing: Drawing, frame: Frame, lines: Sequence[Sequence[Row]], scale: float) -> None:
    for rows in lines:
        pieces = clipped(_points(frame, rows, scale), frame.y.end, frame.y.start)
        drawing.add(*(Line(piece, "muted", 0.6, alpha=0.3) for piece in pieces))


def _draw_bounds(drawing: Drawing, frame: Frame, rows: Sequence[Row], scale: float) -> None:
    """Chance and ceiling, which no design moves."""
    for name in BOUNDS:
        by_side = {r["pixels"]: r["value"] / scale for r in rows if r["metric"] == name}
        points = [frame.point(x, y) for x, y in sorted(by_side.items())]
        if points:
            points = points if len(points) > 1 else [(frame.x.start, points[0][1]), (frame.x.end, points[0][1])]
            x, y = points[-1]
            drawing.add(Line(tuple(points), "muted", 1.0, "4 3"), Text((x - 2, y - 4), name, "muted", SMALL, "end"))


def _draw_line(
    drawing: Drawing, frame: Frame, curve: Curve, rows: Sequence[Row], style: Style, scale: float
) -> tuple[str, Style, float, float]:
    """The points of a series with their intervals and the line through them; returns where they end.

    The line is the fitted power law, dashed beyond the last size; where there is none it joins the points. Predictions
    are hollow, on a dotted line.
    """
    metric = curve.metric
    measured = [r for r in rows if r["metric"] == metric]
    ink, index = f"s{style.index}", style.index
    after = [r for r in rows if not measured or r["pixels"] >= measured[-1]["pixels"]]
    if len(after) > 1:
        drawing.add(Line(_points(frame, after, scale), ink, 1.0, "1.5 2.5", series=index))
    if law := fitted(curve, measured):
        first, last, end = (frame.point(x, y / scale) for x, y in law)
        drawing.add(Line((first, last), ink, 1.4, series=index))
        beyond = clipped([last, end], frame.y.end, frame.y.start) if len(after) < 2 and last != end else []
        drawing.add(*(Line(piece, ink, 1.0, "6 4", series=index) for piece in beyond))
    elif measured:
        drawing.add(Line(_points(frame, measured, scale), ink, 1.4, series=index))
    for row, (x, y) in zip(rows, _points(frame, rows, scale), strict=True):
        low, high = (v / scale for v in ends(row))
        if row["metric"] == metric and low < high and (low > 0 or not frame.y.log):
            drawing.add(Line(((x, frame.y(low)), (x, frame.y(high))), ink, 1.2, series=index))
        drawing.add(Mark((x, y), style.marker, ink, 3.2, row["metric"] != metric, point_told(row), series=index))
    return rows[0]["series"], style, rows[-1]["pixels"], rows[-1]["value"] / scale


def _caption(curve: Curve, members: Sequence[str]) -> str:
    """What the marks mean, as far as this figure holds them."""
    kinds = sorted({r["interval"] for r in curve.rows if r["series"] in members and r["low"] == r["low"]} - {""})
    said = [f"Bars: 95 % intervals, {'; '.join(kinds)}." if kinds else "Counted, without intervals."]
    own = grouped((r for r in curve.rows if r["series"] in members), "series").values()
    if laws := [law for rows in own if (law := fitted(curve, rows))]:
        dashed = " dashed: extrapolated." if any(law[1] != law[2] for law in laws) else ""
        said.append(f"Lines: fitted power laws{';' if dashed else '.'}{dashed}")
    if any(r["series"] in members for r in curve.predicted):
        said.append("Hollow and dotted: predicted, not measured.")
    if len(members) < len(curve.series):
        said.append("Grey: the other designs.")
    return " ".join(said)


def _data(curve: Curve, members: Sequence[str]) -> tuple[tuple[str | float | None, ...], ...]:
    rows = sorted((r for r in curve.points if r["series"] in members), key=lambda r: (r["series"], r["pixels"]))
    return tuple(
        (
            r["series"],
            r["resolution"],
            r["value"],
            *known_ends(r),
            r["interval"] if r["metric"] == curve.metric else "predicted",
        )
        for r in rows
    )
