"""Tidy frame -> figures: each quantity against resolution, accuracy against latency. One panel a task and setting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import axes as paper
from reports.colours import INK, Style
from reports.svg import save
from reports.units import HEADLINES, title

GROWTH = ("macs", "peak_bytes", "latency_ms", "top1", "miou")
PREDICTED = {"peak_bytes": "predicted_bytes"}  # drawn hollow where the measured quantity is missing
LADDERS = {"macs": ((1e9, "GMAC"), (1e6, "MMAC")), "peak_bytes": ((2**30, "GiB"), (2**20, "MiB"))}
MOST = 36  # panels of one page: each more setting doubles them, and nobody reads hundreds


@dataclass(frozen=True)
class Panel:
    """One figure: the name of its files, its text, and its SVG for the page."""

    name: str
    task: str
    heading: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Selection:
    """The rows of one panel, and what they have in common."""

    metric: str
    task: str
    setting: str
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", f"{self.metric} {self.task} {self.setting}".lower()).strip("-")
        return words[:80]

    @property
    def under(self) -> str:
        return " · ".join(filter(None, (self.task, self.setting)))


def draw(frame: pd.DataFrame, styles: Mapping[str, Style], folder: Path) -> tuple[list[Panel], int]:
    """Writes name.svg and name.png of each figure, and returns them with the number that was left out beyond MOST."""
    wanted = [(growth, s) for s in selections(frame)] + [(tradeoff, s) for s in pairs(frame)]
    colours = {style.light: f"--s{style.index}" for style in styles.values()}
    colours |= {light: f"--{name}" for name, (light, _) in INK.items()}
    panels: dict[str, Panel] = {}
    for make, selection in sorted(wanted[:MOST], key=lambda pair: pair[1].task):
        figure, heading, caption = make(selection, styles)
        name = selection.name if selection.name not in panels else f"{selection.name[:70]}-{len(panels)}"
        alt = f"{heading}, {selection.under}: {selection.rows['series'].nunique()} designs. {caption}"
        svg = save(figure, folder, name, colours, alt)
        panels[name] = Panel(name, selection.task, heading, caption, svg)
    return list(panels.values()), max(0, len(wanted) - MOST)


def selections(frame: pd.DataFrame) -> Iterator[Selection]:
    """What there is to draw against resolution, in the order of GROWTH."""
    measured = frame[frame["status"] == "ok"]
    for metric in GROWTH:
        rows = measured[(measured["metric"] == metric) & ((measured["value"] > 0) | (metric in HEADLINES))]
        for (task, setting), group in _commonest_first(rows, ["task", "setting"]):
            extra = frame[(frame["task"] == task) & (frame["setting"] == setting)]
            group = pd.concat([group, _predicted(metric, group, extra), _bounds(metric, extra)])
            yield Selection(metric, str(task), str(setting), group)


def _commonest_first(rows: pd.DataFrame, by: list[str]) -> list[tuple[Any, pd.DataFrame]]:
    """The groups of a frame, those with the most rows first: what a run is about before its special cases."""
    return sorted(rows.groupby(by), key=lambda group: (-len(group[1]), group[0]))


def _predicted(metric: str, measured: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The predictions of what was not measured."""
    rows = rows[rows["metric"] == PREDICTED.get(metric, "-")]
    known = set(zip(measured["series"], measured["pixels"], strict=True))
    return rows[[pair not in known for pair in zip(rows["series"], rows["pixels"], strict=True)]]


def _bounds(metric: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["metric"].isin(["chance", "ceiling"])] if metric in HEADLINES else rows.iloc[:0]


def growth(selection: Selection, styles: Mapping[str, Style]) -> tuple[Figure, str, str]:
    """One quantity against resolution: figure, heading, caption."""
    metric, rows = selection.metric, selection.rows
    lines = rows[rows["metric"].isin([metric, PREDICTED.get(metric, "-")])]
    scale, unit = _scale(metric, lines)
    heading = f"{title(metric)}, {unit}"
    figure, axes = paper.sheet(heading, selection.under, lines["series"].nunique(), styles)
    ticks = rows.drop_duplicates("pixels").sort_values("pixels")
    paper.resolutions(axes, list(ticks["pixels"]), list(ticks["resolution"]))
    ends = rows[["value", "low", "high"]].div(scale)
    if metric in HEADLINES:
        paper.percent(axes, ends.min().min(), ends.max().max())
        _draw_bounds(axes, rows, scale)
    else:
        ends = ends[ends > 0]  # logarithms have no room for anything else
        paper.logarithmic(axes, "y", ends.min().min(), ends.max().max())
    paper.label_ends(axes, [_draw_line(axes, s, g, styles[str(s)], metric, scale) for s, g in lines.groupby("series")])
    return figure, heading, _caption(metric, lines)


def _scale(metric: str, rows: pd.DataFrame) -> tuple[float, str]:
    """What a value is divided by, and the unit it is in then."""
    if metric in HEADLINES:
        return (100.0 if (rows["unit"] == "%").any() else 1.0), "%"
    ladder = LADDERS.get(metric, ((1.0, "ms"),))
    return next((step for step in ladder if rows["value"].median() >= step[0]), ladder[-1])


def _draw_line(
    axes: Axes, series: object, rows: pd.DataFrame, style: Style, metric: str, scale: float
) -> tuple[str, Style, float, float]:
    """A line with its intervals, hollow and dotted where it is predicted; returns where it ends."""
    rows = rows.sort_values("pixels")
    measured = rows[rows["metric"] == metric]
    look = {"color": style.light, "marker": style.marker, "markersize": 4.2}
    gid = f"series-{style.index}-line"
    if len(measured) < len(rows):
        hollow = look | {"markerfacecolor": paper.SURFACE, "linestyle": ":", "linewidth": 1.0}
        axes.plot(rows["pixels"], rows["value"] / scale, gid=gid, **hollow)
    axes.plot(measured["pixels"], measured["value"] / scale, linewidth=1.4, gid=gid, **look)
    spans = measured.dropna(subset=["low", "high"])
    low, high = spans["low"] / scale, spans["high"] / scale
    axes.vlines(spans["pixels"], low, high, color=style.light, linewidth=1.1, gid=gid)
    last = rows.iloc[-1]
    return str(series), style, last["pixels"], last["value"] / scale


def _draw_bounds(axes: Axes, rows: pd.DataFrame, scale: float) -> None:
    """Chance and ceiling, which no design moves."""
    for name in ("chance", "ceiling"):
        bound = rows[rows["metric"] == name].groupby("pixels")["value"].median().div(scale)
        if bound.empty:
            continue
        axes.plot(bound.index, bound, color=paper.MUTED, linewidth=1, linestyle=(0, (4, 3)), marker="_", markersize=6)
        place = {"xytext": (-2, 3), "textcoords": "offset points", "va": "bottom", "ha": "right"}
        axes.annotate(name, (bound.index[-1], bound.iloc[-1]), fontsize=7.5, color=paper.MUTED, **place)


def _caption(metric: str, rows: pd.DataFrame) -> str:
    """What the marks mean, as far as this figure holds them."""
    if metric == "macs":
        return "Counted exactly; one image."
    kinds = sorted(rows.loc[rows["low"].notna(), "interval"].unique())
    said = [f"Bars: 95 % interval, {'; '.join(kinds)}." if any(kinds) else "No intervals."]
    if (rows["metric"] != metric).any():
        said.append("Hollow and dotted: predicted, not measured.")
    return " ".join(said)


def pairs(frame: pd.DataFrame) -> Iterator[Selection]:
    """Accuracy joined with the latency of the same network: a row for each series and resolution that has both."""
    measured = frame[frame["status"] == "ok"]
    latency = measured[
        (measured["metric"] == "latency_ms") & (measured["mode"] == "inference") & (measured["value"] > 0)
    ]
    score = measured[measured["metric"].isin(HEADLINES)]
    both = score.merge(latency, on=["series", "task", "resolution", "pixels"], suffixes=("", "_of_latency"))
    for (task, metric, setting, other), rows in _commonest_first(
        both, ["task", "metric", "setting", "setting_of_latency"]
    ):
        named = ", ".join(filter(None, (str(setting), f"latency: {other}" if other else "")))
        yield Selection(f"{metric}-latency", str(task), named, rows)


def tradeoff(selection: Selection, styles: Mapping[str, Style]) -> tuple[Figure, str, str]:
    """Accuracy against latency: figure, heading, caption."""
    rows = selection.rows.sort_values("pixels")
    scale = 100.0 if (rows["unit"] == "%").any() else 1.0
    heading = f"{title(str(rows['metric'].iloc[0]))}, %, against latency, ms"
    figure, axes = paper.sheet(heading, selection.under, rows["series"].nunique(), styles)
    shares, times = (rows[[f"{c}{end}" for c in ("value", "low", "high")]] for end in ("", "_of_latency"))
    paper.logarithmic(axes, "x", times.min().min(), times.max().max())
    paper.percent(axes, shares.min().min() / scale, shares.max().max() / scale)
    axes.set_xlabel("latency, ms", fontsize=8.5, color=paper.MUTED)
    sides = sorted(rows["pixels"].unique())
    size = {side: 9 + 40 * i / max(1, len(sides) - 1) for i, side in enumerate(sides)}
    paper.label_ends(axes, [_draw_path(axes, g, styles[str(s)], scale, size) for s, g in rows.groupby("series")])
    names = list(rows.drop_duplicates("pixels")["resolution"])
    larger = f" The larger the mark, the larger the image: {', '.join(names)} pixels." if len(names) > 1 else ""
    return figure, heading, f"Up and to the left is better. Bars: 95 % intervals.{larger}"


def _draw_path(
    axes: Axes, rows: pd.DataFrame, style: Style, scale: float, size: Mapping[float, float]
) -> tuple[str, Style, float, float]:
    """The resolutions of one series, joined, with both intervals; returns where it ends."""
    x, y, gid = rows["value_of_latency"], rows["value"] / scale, f"series-{style.index}-line"
    look = {"color": style.light, "gid": gid}
    axes.plot(x, y, linewidth=0.8, alpha=0.6, **look)
    axes.vlines(x, rows["low"].astype(float) / scale, rows["high"].astype(float) / scale, linewidth=0.9, **look)
    axes.hlines(y, rows["low_of_latency"], rows["high_of_latency"], linewidth=0.9, **look)
    axes.scatter(x, y, s=[size[p] for p in rows["pixels"]], marker=style.marker, linewidths=0, **look)
    return str(rows["series"].iloc[0]), style, x.iloc[-1], y.iloc[-1]
