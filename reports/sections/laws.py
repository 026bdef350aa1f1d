"""The laws behind the curves: exponents beside the stated ones, crossovers, and the largest size within a limit.

What they are is in reports/growth.py and reports/crossing.py; here they become tables and figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from reports.colours import Style
from reports.crossing import REACH, REFERENCE, crossovers, held, largest
from reports.document import GAP, Block, Cell, Figure, Gallery, Heading, Part, Piece, Section, Table
from reports.document import Row as Line
from reports.figures.dots import Dot, dots
from reports.frame import Row, grouped, rows_of
from reports.growth import CURVE, STATED_BY, exponents, stated
from reports.naming import NETWORK
from reports.units import number, title
from suite.record import Record

NEEDED = [*NETWORK, *"design device backend status value low high interval pixels resolution".split()]
DRAWN = ("latency_ms", "peak_bytes", "macs")
TIMES_MS = (100.0, 1000.0, 10_000.0)
STATED = (
    "Power of the number of pixels (tokens, where a mixer is measured alone) by which a quantity grows, fitted, with "
    "its 95 % interval and its standard error. What a design states is the growth of its mixer alone as the tokens "
    "become many: a whole network at these sizes may grow more slowly, because its other parts grow linearly."
)
CROSSED = (
    "The side from which a design costs less than {}, full attention{}, in the same setting. In italics: extrapolated "
    "from the fitted laws, not measured."
)
KERNELS = {"sdpa": "by the fused kernel", "math": "in the plain form", "flex": "by flex_attention"}
WITHIN = (
    "The largest side that fits, with weights and images beside the peak. In italics: predicted by the plan, or "
    "extrapolated from the fitted laws, not measured. Beyond: even the largest size of the run is far within the limit."
)


def section(frame: pd.DataFrame, looks: Mapping[str, Style], records: Sequence[Record]) -> Section | None:
    """The laws; None where no quantity has sizes enough for one."""
    frame = frame[[*CURVE, *NEEDED]]  # narrow, because every curve is cut out of it
    positive = frame["low"] > 0  # an interval from zero on has no logarithm
    frame = frame.assign(low=frame["low"].where(positive), high=frame["high"].where(positive))
    parts: list[Piece] = [*_growth(frame, looks, records), *_crossings(frame), *_limits(frame, records)]
    return Section("laws", "Growth, crossovers and limits", tuple(parts)) if parts else None


def said_of(row: Row) -> str:
    """What a curve is of: metric, task, setting."""
    return " · ".join(filter(None, (title(row["metric"]), row["task"], row["setting"])))


def _growth(frame: pd.DataFrame, looks: Mapping[str, Style], records: Sequence[Record]) -> Iterator[Part]:
    found = rows_of(exponents(frame, stated(records)))
    if not found:
        return
    groups = grouped((r for r in found if r["metric"] in DRAWN), "metric", "task", "setting")
    drawn: dict[tuple[Any, ...], Figure] = {}
    for (metric, task, setting), rows in sorted(
        groups.items(), key=lambda g: (DRAWN.index(g[0][0]), g[0][1], -len(g[1]))
    ):
        if (metric, task) not in drawn:
            drawn[metric, task] = _exponents_drawn(rows, looks, f"exponents-{len(drawn)}", setting)
    found.sort(key=lambda r: ((*DRAWN, *STATED_BY).index(r["metric"]), r["task"]))
    heads = ("Exponent", "Standard error", "Sizes", "Stated", "Stated exponent")
    blocks = tuple(
        Block(
            said_of(rows[0]),
            tuple(Line(_exponent_cells(r), r["series"]) for r in sorted(rows, key=lambda r: r["series"])),
        )
        for rows in grouped(found, "metric", "task", "setting").values()
    )
    table = Table(
        "exponents", "Fitted and stated exponents", "Design", tuple(map(Heading, heads)), blocks, STATED, prose=(3,)
    )
    yield Part("By which power it grows", (Gallery(tuple(drawn.values())), table))


def _exponents_drawn(rows: Sequence[Row], looks: Mapping[str, Style], name: str, setting: str) -> Figure:
    ordered = sorted(rows, key=lambda r: (-r["exponent"], r["series"]))
    spread = max(r["exponent"] for r in rows) - min(r["exponent"] for r in rows) + 1
    marks = [
        Dot(
            r["series"], r["exponent"], max(r["low"], r["exponent"] - spread), min(r["high"], r["exponent"] + spread),
            f"{r['series']}: {r['exponent']:.2f} ± {r['error']:.2f}, stated {r['stated'] or 'nothing'}",
            _known(r["stated_exponent"]),
        )
        for r in ordered
    ]  # fmt: skip
    of = "tokens" if rows[0]["against"] == "tokens" else "pixels"
    caption = f"Fitted over {_span(rows)}; bars: 95 % intervals. Hollow: what the mixer alone states."
    return dots(
        marks,
        looks,
        name,
        f"{title(rows[0]['metric'])}: power of the {of}",
        " · ".join(filter(None, (rows[0]["task"], setting))),
        caption,
    )


def _span(rows: Sequence[Row]) -> str:
    sizes = sorted({(r["smallest"], r["largest"], r["sizes"]) for r in rows}, key=lambda s: -s[2])
    return f"{sizes[0][2]} sizes, {sizes[0][0]} to {sizes[0][1]}"


def _exponent_cells(row: Row) -> tuple[Cell, ...]:
    value, low, high = row["exponent"], row["low"], row["high"]
    degree = _known(row["stated_exponent"])
    return (
        Cell(f"{value:.2f}", f"{low:.2f} to {high:.2f}", value=value, low=low, high=high),
        Cell(f"{row['error']:.2g}", value=row["error"]),
        Cell(str(row["sizes"]), f"{row['smallest']} to {row['largest']}", value=row["sizes"]),
        Cell(row["stated"] or GAP),
        Cell(GAP if degree is None else f"{degree:g}", value=degree),
    )


def _crossings(frame: pd.DataFrame) -> Iterator[Part]:
    found = rows_of(crossovers(frame[frame["metric"].isin(DRAWN)]))
    if not found:
        return
    blocks = tuple(
        Block(
            said_of(rows[0]) + (f" · against {reference}" if reference != REFERENCE else ""),
            tuple(Line((_place(r, CROSSES),), r["series"]) for r in sorted(rows, key=lambda r: r["series"])),
        )
        for (*_, reference), rows in grouped(found, "metric", "task", "setting", "reference").items()
    )
    heading = (Heading(f"Costs less than {REFERENCE}"),)
    note = CROSSED.format(REFERENCE, _kernels(frame))
    table = Table("crossovers", "Crossovers", "Design", heading, blocks, note, first=True)
    yield Part("Where it overtakes full attention", (table,))


def _kernels(frame: pd.DataFrame) -> str:
    """How the reference was computed where it was measured; of several ways, each with its setting's name."""
    measured = frame[(frame["design"] == REFERENCE) & (frame["metric"] != "macs") & (frame["status"] == "ok")]
    found = [backend for backend in KERNELS if backend in set(measured["backend"])]
    said = [KERNELS[b] + (f" ({b})" if len(found) > 1 else "") for b in found]
    return " " + " or ".join(said) if said else ""


def _limits(frame: pd.DataFrame, records: Sequence[Record]) -> Iterator[Part]:
    """Of each cost setting: the largest size within the memory of its device and within a few times."""
    free = _free(records)
    limits = [*(("peak_bytes", b, d) for d, b in sorted(free.items())), *(("latency_ms", t, "") for t in TIMES_MS)]
    cells: dict[tuple[str, str], dict[str, dict[int, Cell]]] = {}
    for i, (metric, limit, device) in enumerate(limits):
        of_device = held(frame[frame["device"] == device]) if device else frame
        for row in rows_of(largest(of_device, metric, limit)):
            cells.setdefault((row["task"], row["setting"]), {}).setdefault(row["series"], {})[i] = _place(row, LIMITS)
    blocks = tuple(
        Block(
            " · ".join(filter(None, key)),
            tuple(Line(tuple(c.get(i, Cell()) for i in range(len(limits))), s) for s, c in sorted(of.items())),
        )
        for key, of in sorted(cells.items())
    )
    said = "free on {} at the start" if len(free) > 1 else "free at the start"
    heads = tuple(Heading(f"Within {number(m, v)}", said.format(d) if d else "") for m, v, d in limits)
    if blocks:
        yield Part(
            "The largest size that fits",
            (Table("limits", "Largest side", "Design", heads, blocks, WITHIN, first=True),),
        )


def _free(records: Sequence[Record]) -> dict[str, float]:
    """The least memory that was free on each device when a run began, where its records say so."""
    found: dict[str, float] = {}
    for record in records:
        device, name = record.case.device, "available_bytes" if record.case.device == "cpu" else "gpu_available_bytes"
        free = record.machine.get("conditions", {}).get(name)
        if isinstance(free, (int, float)) and free > 0:
            found[device] = min(found.get(device, math.inf), free)
    return found


CROSSES = {
    "below": "at every size",
    "level": "at every size measured, not told apart at all of them",
    "after": "not up to the largest size",
    "beyond": f"by the fitted laws at no size up to {REACH:g} times the largest",
}
LIMITS = {"above": "at no size"}


def _place(row: Row, kinds: Mapping[str, str]) -> Cell:
    """A side with its interval; in words where there is none."""
    kind, at, low, high = row["kind"], *(_known(row[c]) for c in ("pixels", "low", "high"))
    if at is None:
        beyond = f"beyond {_side(low)}" if kind == "beyond" and low else ""
        text = beyond or kinds.get(kind, kind)
        return Cell(text, value=0.0 if kind in ("below", "level") else low)
    ends = f"{_side(low)} to {_side(high)}" if low is not None or high is not None else ""
    guess = kind in ("predicted", "extrapolated")
    under = ", ".join(filter(None, (kind if guess else "", ends)))
    high = None if high == math.inf else high
    return Cell(f"{'≈ ' if guess else ''}{_side(at)}", under, value=at, low=low or None, high=high, guess=guess)


def _side(pixels: float | None) -> str:
    """A side; `any` for the end of an interval that nothing bounds."""
    return f"{pixels:,.0f}".replace(",", "\u202f") if pixels and pixels < math.inf else "any"


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)
