"""Crossing: the size from which one design is cheaper than another, and the largest size that a limit leaves room for.

Between two sizes a quantity is taken to follow a power of the size: a straight line of logarithms. What an answer
rests on is its `kind`:

    measured       it lies between two measured sizes
    predicted      it lies beside a size that was too large or too slow to measure, whose prediction the records hold
    extrapolated   it lies beyond all sizes, at most REACH times as far as the largest
    beyond         it lies farther still, if anywhere: so say the fitted laws
    after          not up to the largest size; there are too few sizes for a law, or it says otherwise
    below, level   there is none: below the rival at every size; so are the values, but their intervals overlap at one
    above          there is none: above the limit at every size

An end of an interval that nothing bounds is 0 or infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from reports.growth import CURVE, LEAST, curves, line
from reports.naming import NETWORK

REFERENCE = "vit"  # full attention
USUAL = {"layout": "isotropic", "position": "learned"}  # the form of the reference that is compared where none is alike
PREDICTIONS = {"peak_bytes": "predicted_bytes", "latency_ms": "predicted_ms"}
REACH = 4.0  # no power law is believed farther than so many times the largest size
ANSWER = ["kind", "pixels", "low", "high"]
NOWHERE: dict[str, Any] = {"pixels": None, "low": None, "high": None}


def crossovers(frame: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """For each curve of a tidy frame, where it falls below that of the reference design in the same setting.

    Of several forms of the reference, that of the curve's own layout and position counts, or else of the usual ones,
    with the curve's own budget and decoder; an only form counts for all.

    The columns: those of CURVE, `reference` (its series), `kind`, and `pixels`, the side at which the two cost the
    same, with its interval `low` to `high`: that of the measurements, or Fieller's of the fit where it is extrapolated.
    Without repeated measurements both ends are missing.
    """
    found = list(curves(frame))
    rows = []
    for key, points in found:
        if points["design"].iloc[0] == reference:
            continue
        forms = [p for k, p in found if p["design"].iloc[0] == reference and _rivals(k, key)]
        if (rival := _alike(points, forms)) is not None:
            both = points.merge(rival, on="pixels", suffixes=("", "_of_reference"))
            if len(both) > 1:
                rows.append(key | {"reference": rival["series"].iloc[0]} | crossing(both))
    return pd.DataFrame(rows, columns=[*CURVE, "reference", *ANSWER])


def _rivals(one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether two curves differ in their series alone."""
    return all((one[c] == other[c]) != (c == "series") for c in CURVE)


def _alike(points: pd.DataFrame, forms: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """The form that is most like a curve's network; the only one, whatever it is; None where none is alike."""
    own, by_form = points.iloc[0], {tuple(p[list(NETWORK)].iloc[0].astype(str)): p for p in forms}
    for layout, position in product(*((own[c], USUAL[c]) for c in USUAL)):
        if (form := (layout, position, own["decoder"], str(own["params_budget"]))) in by_form:
            return by_form[form]
    return forms[0] if len(forms) == 1 else None


def crossing(both: pd.DataFrame) -> dict[str, Any]:
    """Kind, pixels, low and high, of two curves at common sizes, ascending, the second named `_of_reference`."""
    x = np.log(both["pixels"].to_numpy(float))
    value, low, high = (_ends(both, end) for end in ("value", "low", "high"))
    rival, rival_low, rival_high = (_ends(both, f"{end}_of_reference") for end in ("value", "low", "high"))
    gain, sure, hoped = (np.log(a / b) for a, b in ((rival, value), (rival_low, high), (rival_high, low)))
    if (gain > 0).all():  # cheaper
        return {"kind": "below" if (sure > 0).all() else "level"} | NOWHERE
    if gain[-1] <= 0:
        return _extrapolated(x, gain)
    at = rises(x, gain)[-1]
    if not (_repeated(both["interval"]) and _repeated(both["interval_of_reference"])):
        return {"kind": "measured"} | NOWHERE | {"pixels": float(np.exp(at))}
    first = float(np.exp(soonest[-1])) if (soonest := rises(x, hoped)) else 0.0
    last = float(np.exp(rises(x, sure)[-1])) if sure[-1] > 0 else np.inf
    return {"kind": "measured", "pixels": float(np.exp(at)), "low": first, "high": last}


def _extrapolated(x: np.ndarray[Any, Any], gain: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Where a straight line through the gains would cross zero beyond the last size."""
    if len(x) < LEAST:
        return {"kind": "after"} | NOWHERE
    fitted = line(x, gain)
    root = fitted.root() if fitted.slope > 0 else None
    if root is None or root[0] > x[-1] + np.log(REACH):
        return {"kind": "beyond"} | NOWHERE
    if root[0] <= x[-1]:
        return {"kind": "after"} | NOWHERE
    return {"kind": "extrapolated"} | dict(zip(ANSWER[1:], map(float, np.exp(root)), strict=True))


def held(frame: pd.DataFrame) -> pd.DataFrame:
    """The peaks of a tidy frame, measured or predicted, with what rests beside them: all that a memory has to hold.

    Beside a prediction stands the most that rested in the same setting at any size, for weights hardly grow.
    """
    network = [name for name in CURVE if name != "metric"]
    resting = frame[(frame["metric"] == "resting_bytes") & (frame["status"] == "ok")]
    own = resting[[*network, "resolution", "value"]].rename(columns={"value": "own"})
    most = resting.groupby(network)["value"].max().rename("most").reset_index()
    peaks = frame[frame["metric"].isin(["peak_bytes", PREDICTIONS["peak_bytes"]])]
    peaks = peaks.merge(own, "left", [*network, "resolution"]).merge(most, "left", network)
    beside = peaks["own"].fillna(peaks["most"]).fillna(0.0)
    return peaks.assign(**{end: peaks[end] + beside for end in ("value", "low", "high")})


def largest(frame: pd.DataFrame, metric: str, limit: float) -> pd.DataFrame:
    """For each network of a tidy frame, the largest side at which a metric (peak_bytes, latency_ms) is within a limit.

    The columns: those of CURVE, `limit`, `kind`, `pixels`, `low` and `high`. Where not even the smallest size is within
    it the kind is above. The interval is that of the measurements. Where the answer is extrapolated, by the exponent of
    the last two sizes or the fitted one, whichever is larger, it spans what the fitted one's interval allows. Where it
    is beyond, `low` is the largest size itself.
    """
    kept = frame[frame["metric"].isin([metric, PREDICTIONS.get(metric, metric)]) & (frame["value"] > 0)]
    kept = kept[(kept["status"] == "ok") | (kept["metric"] != metric)]
    kept = kept.assign(measured=kept["metric"] == metric, metric=metric)
    rows = []
    for key, points in kept.groupby(CURVE):
        points = points.sort_values(["pixels", "measured"]).drop_duplicates("pixels", keep="last")
        named = dict(zip(CURVE, map(str, key), strict=True))
        rows.append(named | {"limit": limit} | room(points, limit))
    return pd.DataFrame(rows, columns=[*CURVE, "limit", *ANSWER])


def room(points: pd.DataFrame, limit: float) -> dict[str, Any]:
    """Kind, pixels, low and high of the last size within the limit, on one curve, its sizes ascending."""
    x = np.log(points["pixels"].to_numpy(float))
    over = {end: np.log(_ends(points, end) / limit) for end in ("value", "low", "high")}
    if over["value"][0] > 0:
        return {"kind": "above"} | NOWHERE
    if not (crossed := rises(x, over["value"])):
        return _further(x, over["value"])
    place = int(np.argmax(over["value"] > 0))
    kind = "measured" if points["measured"].iloc[place - 1 : place + 1].all() else "predicted"
    found = {"kind": kind} | NOWHERE | {"pixels": float(np.exp(crossed[0]))}
    if _repeated(points["interval"]):
        latest = rises(x, over["low"])
        found["low"] = float(np.exp(rises(x, over["high"])[0])) if over["high"][0] <= 0 else 0.0
        found["high"] = float(np.exp(latest[0])) if latest else np.inf
    return found


def _further(x: np.ndarray[Any, Any], over: np.ndarray[Any, Any]) -> dict[str, Any]:
    """How far beyond the last size the limit lies, if it goes on as between the last two."""
    slopes = [(over[-1] - over[-2]) / (x[-1] - x[-2])] if len(x) > 1 else [0.0]
    half = None
    if len(x) >= LEAST:
        fitted = line(x, over)
        slopes.append(fitted.slope)
        half = fitted.t * fitted.error
    slope = max(slopes)
    if slope <= 0 or -over[-1] / slope > np.log(REACH):
        return {"kind": "beyond"} | NOWHERE | {"low": float(np.exp(x[-1]))}
    found = {"kind": "extrapolated"} | NOWHERE | {"pixels": float(np.exp(x[-1] - over[-1] / slope))}
    if half is not None:
        found["low"] = float(np.exp(x[-1] - over[-1] / (slope + half)))
        found["high"] = float(np.exp(x[-1] - over[-1] / (slope - half))) if slope > half else np.inf
    return found


def rises(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> list[float]:
    """Where the straight lines from point to point leave what is zero or below, upwards."""
    steps = zip(x[:-1], y[:-1], x[1:], y[1:], strict=True)
    return [float(a - b * (c - a) / (d - b)) for a, b, c, d in steps if b <= 0 < d]


def _repeated(intervals: pd.Series[str]) -> bool:
    """Whether all are intervals over repetitions, the only ones to rest an answer on."""
    return bool(intervals.str.startswith("over").all())


def _ends(points: pd.DataFrame, column: str) -> np.ndarray[Any, Any]:
    """Values, or one end of their intervals, which of an exact value is the value."""
    value = column.replace("low", "value").replace("high", "value")
    return points[column].fillna(points[value]).to_numpy(float)
