"""What every figure shares: the paper it is drawn on, logarithmic axes that read as numbers, and direct labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from reports.colours import INK, Style
from reports.svg import RC

SURFACE, MAIN, MUTED, GRID = (INK[name][0] for name in ("surface", "ink", "muted", "grid"))
PLOT_IN, LEFT_IN, TOP_IN, BOTTOM_IN = 2.25, 0.52, 0.5, 0.48  # inches: the plot's width, and what surrounds it
LINE_IN = 0.15  # inches from one label to the next
LONGEST = 24  # characters of a label


def sheet(heading: str, under: str, lines: int, names: Iterable[str]) -> tuple[Figure, Axes]:
    """An empty figure with room at its right for `lines` labels, each as wide as the widest of the names."""
    right = 0.28 + 0.074 * max((len(short(name)) for name in names), default=0)
    height = max(2.35, LINE_IN * lines)
    width, tall = LEFT_IN + PLOT_IN + right, TOP_IN + height + BOTTOM_IN
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width, tall), facecolor=SURFACE)
        axes = figure.add_axes((LEFT_IN / width, BOTTOM_IN / tall, PLOT_IN / width, height / tall), facecolor="none")
    write = {"color": MAIN, "ha": "left", "va": "baseline", "parse_math": False}
    figure.text(0.08 / width, 1 - 0.17 / tall, heading, fontsize=10, fontweight="bold", **write)
    figure.text(0.08 / width, 1 - 0.34 / tall, short(under, 62), fontsize=8, **write | {"color": MUTED})
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=8.5, width=0.7, length=3)
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def short(label: str, longest: int = LONGEST) -> str:
    """A label without what cannot be printed, its middle left out if it is long."""
    label = "".join(c if c.isprintable() else "\ufffd" for c in label)
    keep = (longest - 1) // 2
    return label if len(label) <= longest else f"{label[:keep]}…{label[-keep:]}"


def resolutions(axes: Axes, sides: Sequence[float], names: Sequence[str]) -> None:
    """A logarithmic x axis with the resolutions that were measured, and no others, at its ticks."""
    axes.set_xscale("log")
    room = (max(sides) / min(sides)) ** 0.06 if len(sides) > 1 else 1.3
    axes.set_xlim(min(sides) / room, max(sides) * room)
    every = math.ceil(len(sides) / 7)
    axes.xaxis.set_major_locator(FixedLocator(list(sides[::every])))
    axes.xaxis.set_minor_locator(NullLocator())
    named = dict(zip((round(s, 3) for s in sides), names, strict=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: named.get(round(x, 3), "")))
    axes.set_xlabel("image side, pixels", fontsize=8.5, color=MUTED)


def logarithmic(axes: Axes, which: str, lowest: float, highest: float) -> None:
    """A logarithmic axis, `x` or `y`, from below `lowest` to above `highest`, its ticks written as plain numbers."""
    lowest, highest = min(lowest, highest / 1.6), max(highest, lowest * 1.6)
    room = (highest / lowest) ** 0.06
    set_scale, set_limits = (axes.set_xscale, axes.set_xlim) if which == "x" else (axes.set_yscale, axes.set_ylim)
    set_scale("log")
    set_limits(lowest / room, highest * room)
    decades = math.log10(highest / lowest)
    axis = axes.xaxis if which == "x" else axes.yaxis
    subs = (1.0, 2.0, 5.0) if decades < 2.2 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs if decades > 0.6 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def tick(value: float) -> str:
    """A number beside an axis: `20 000`, but `10⁵` from there on, where the plain form has no room."""
    if value < 99_999:
        return f"{value:,.10g}".replace(",", "\u202f")
    power = math.floor(math.log10(value) + 1e-9)
    factor = f"{value / 10**power:.3g}"
    raised = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if factor == "1" else f"{factor}\u202f·\u202f10{raised}"


def percent(axes: Axes, lowest: float, highest: float) -> None:
    """A linear y axis of shares, written in per cent, around what was measured."""
    room = max(0.02, 0.06 * (highest - lowest))
    axes.set_ylim(max(-0.01, lowest - room), min(1.01, highest + room))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g}"))


def label_ends(axes: Axes, ends: Sequence[tuple[str, Style, float, float]]) -> None:
    """Names each series at the right, in the order of the ends (x, y) of their lines, with a leader to each end."""
    to_axes: Callable[..., tuple[float, float]] = (axes.transData + axes.transAxes.inverted()).transform
    spots = sorted(((to_axes((x, y)), name, style) for name, style, x, y in ends), key=lambda s: (s[0][1], s[1]))
    gap = LINE_IN / (axes.get_position().height * axes.get_figure().get_size_inches()[1])
    heights = spread([at[1] for at, _, _ in spots], gap)
    for (at, name, style), y in zip(spots, heights, strict=True):
        line = {"transform": axes.transAxes, "clip_on": False, "color": style.light, "gid": f"series-{style.index}-end"}
        leader = ":" if at[0] < 0.9 else "-"  # a long solid one would look like data
        axes.plot([at[0], 1.025, 1.045], [at[1], y, y], linewidth=0.6, alpha=0.55, linestyle=leader, **line)
        axes.plot([1.065], [y], marker=style.marker, markersize=4, linestyle="none", **line)
        line |= {"color": MAIN, "gid": f"series-{style.index}-name"}
        axes.text(1.095, y, short(name), va="center_baseline", fontsize=8.5, parse_math=False, **line)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places in 0..1, moved as little as a simple sweep can until they are `gap` apart."""
    result: list[float] = []
    for place in places:
        result.append(max(place, result[-1] + gap if result else 0.0))
    ceiling = max(1.0, gap * (len(result) - 1))
    for i in reversed(range(len(result))):
        result[i] = min(result[i], ceiling)
        ceiling = result[i] - gap
    return result
