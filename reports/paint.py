"""A drawing -> PDF, for a paper. Matplotlib is imported only here."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping

from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text as Words

from reports.drawing import Box, Drawing, Item, Line, Mark, Text, outline
from reports.escape import printable

POINT = 0.75  # of a pixel: 96 pixels or 72 points are an inch
ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def pdf(drawing: Drawing, colours: Mapping[str, str]) -> bytes:
    """The drawing as a PDF of its own size, with the colours by name of ink."""
    figure = Figure(figsize=(drawing.width / 96, drawing.height / 96), facecolor=colours["surface"])
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, drawing.width), ylim=(drawing.height, 0))
    axes.set_axis_off()
    for order, item in enumerate(drawing.items):
        artist = _artist(item, colours)
        artist.set(zorder=order, clip_on=False)
        axes.add_artist(artist)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")  # a name in a script that no font here has
        FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None})
    return buffer.getvalue()


def _artist(item: Item, colours: Mapping[str, str]) -> Line2D | Polygon | Rectangle | Words:
    ink = colours[item.ink]
    if isinstance(item, Line):
        xs, ys = zip(*item.points, strict=True)
        dash = tuple(POINT * float(d) for d in item.dash.split())
        style = (0, tuple(d / (POINT * item.width) for d in dash)) if dash else "-"
        return Line2D(xs, ys, color=ink, linewidth=POINT * item.width, linestyle=style, alpha=item.alpha)
    if isinstance(item, Mark):
        fill = colours["surface"] if item.hollow else ink
        corners = outline(item.shape, item.at, item.size)
        return Polygon(corners, facecolor=fill, edgecolor=ink, linewidth=POINT * item.hollow, alpha=item.alpha)
    if isinstance(item, Box):
        return Rectangle(item.corner, item.width, item.height, facecolor=ink, alpha=item.alpha, linewidth=0)
    return _words(item, ink)


def _words(item: Text, ink: str) -> Words:
    return Words(
        *item.at, printable(item.text), color=ink, fontsize=POINT * item.size, ha=ANCHORS[item.anchor], va="baseline",
        weight="bold" if item.bold else "normal", rotation=90 if item.turned else 0, parse_math=False,
    )  # fmt: skip
