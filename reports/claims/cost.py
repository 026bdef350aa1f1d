"""Claims about cost: exponents, local and blocked neighbourhoods, and the resolution at which pixels are too many."""

from __future__ import annotations

import pandas as pd

from reports.claims.learning import compared
from reports.claims.view import FAILS, HOLDS, LIMITS, Answer, Finding, Fit, View, grows_as, joined, place, power
from reports.frame import Row, rows_of
from reports.units import number

LINEAR_DESIGNS = ("linear", "efficient", "performer", "linformer", "nystrom")
CLOSE = 0.5  # a distance from softmax attention, of which the plain mean of all values has 1
MET = ("oom", "timeout")
PREDICTED = ("too_large", "too_slow")
SHORT = "more --minutes"  # in the reason of what a run's minutes had no room for, whatever the design


def quadratic(view: View) -> Finding | None:
    """C1: O(length² x dim), from the mixer of `vit` alone, in the fused and in the plain form."""
    fits = {
        "multiply-adds": fitted(view, "vit", "macs"),
        "latency": fitted(view, "vit", "latency_ms"),
        "peak memory in the plain form": fitted(view, "vit", "peak_bytes", "math"),
        "peak memory with the fused kernel": fitted(view, "vit", "peak_bytes"),
    }
    return _growth(view, fits, 2)


def local_is_linear(view: View) -> Finding | None:
    """C10: local attention grows linearly with the number of pixels."""
    fits = {"multiply-adds": fitted(view, "local", "macs"), "latency": fitted(view, "local", "latency_ms")}
    return _growth(view, fits, 1)


def _growth(view: View, fits: dict[str, Fit | None], stated: float) -> Finding | None:
    """Whether everything grows as stated; None where anything was not measured."""
    if not (known := _complete(fits)):
        return None
    said = joined(f"{power(fit)} of {name}" for name, fit in known.items())
    sizes = next(iter(known.values())).sizes
    return view.judged(f"growth from {sizes} is {said}", {name: grows_as(fit, stated) for name, fit in known.items()})


def _complete(fits: dict[str, Fit | None]) -> dict[str, Fit]:
    """The fits, if all were made, and over the same sizes; else none."""
    known = {name: fit for name, fit in fits.items() if fit}
    return known if len(known) == len(fits) and len({fit.sizes for fit in known.values()}) == 1 else {}


def fitted(view: View, design: str, metric: str, backend: str = "sdpa") -> Fit | None:
    """The exponent of a metric of a design's mixer alone, at inference and batch 1."""
    return view.exponent(view.rows(design, metric=metric, scope="mixer", mode="inference", batch=1, backend=backend))


def pixels_too_many(view: View) -> Finding | None:
    """C6: the smallest size at which `pixel` is over a limit of memory or time that `vit` keeps to."""
    frame = view.frame[view.frame["quantity"].isin(["memory", "latency"]) & ~view.frame["reason"].str.contains(SHORT)]
    pixel, vit = (_by_place(frame[frame["design"] == design]) for design in ("pixel", "vit"))
    shared = [(pixel[at], vit[at]) for at in pixel if at in vit]
    lost = [both for both in shared if both[0]["status"] in MET + PREDICTED]
    if not lost:
        return _pixels_run(view, [p for p, v in shared if p["status"] == v["status"] == "ok"])
    ours, theirs = min(lost, key=lambda both: (both[0]["pixels"], both[0]["status"] in PREDICTED))
    view.used += [*ours["ids"], *theirs["ids"]]
    predicted = ours["status"] in PREDICTED
    status, tried = ours["status"].replace("_", " "), ", predicted and not tried" if predicted else ""
    said = f"at {ours['resolution']} pixels pixel is {status} ({ours['quantity']}, {ours['mode']}{tried}): "
    said += f"{ours['reason']}; vit is {theirs['status'].replace('_', ' ')} there"
    return view.finding(FAILS if theirs["status"] != "ok" else LIMITS if predicted else HOLDS, said)


def _pixels_run(view: View, held: list[Row]) -> Finding | None:
    """Where `pixel` was within every limit."""
    if not held:
        return None
    largest = max(held, key=lambda row: float(row["pixels"]))
    view.used += largest["ids"]
    return view.finding(FAILS, f"pixel was over no limit up to {largest['resolution']} pixels")


def _by_place(frame: pd.DataFrame) -> dict[tuple[object, ...], Row]:
    """A row for each network's quantity, mode and batch at each size."""
    return {(*place(r), r["quantity"], r["mode"], r["batch"]): r for r in rows_of(frame[frame["scope"] == "network"])}


def blocked_is_leaner(view: View) -> Finding | None:
    """C11: `halo` against `local` at an equal budget: memory, latency, accuracy."""
    parts: dict[str, Answer] = {}
    told = []
    for metric, what in (("peak_bytes", "peak memory"), ("latency_ms", "latency")):
        fixed = {"metric": metric, "scope": "network", "mode": "inference", "task": "classification"}
        found = view.common(*(view.rows(d, **fixed) for d in ("halo", "local")))
        if found is None:
            return None
        halo, local = found
        parts[what] = view.above(local, halo)
        numbers = (f"{number(metric, n.value)} of {n.name}" for n in found)
        told.append(f"{what} is {' against '.join(numbers)} at {halo.at}")
    scores = view.common(*(view.rows(d, metric="top1", data="scenes:grating") for d in ("halo", "local")))
    parts["accuracy"], said = compared(view, scores)
    return view.judged("; ".join([*told, said]), parts)


def approximations_are_linear(view: View) -> Finding | None:
    """C14: of every approximation the exponent, and the distance to softmax attention on the same q, k and v."""
    fits = _complete({d: fitted(view, d, "latency_ms") for d in LINEAR_DESIGNS})
    distances = view.common(*(view.rows(d, metric="softmax_distance") for d in LINEAR_DESIGNS))
    if not fits or distances is None:
        return None
    said = f"from {next(iter(fits.values())).sizes} latency grows as "
    said += joined(f"{power(fit)} of {design}" for design, fit in fits.items())
    said += "; the distance to softmax attention, of which the plain mean of all values has 1, is "
    said += joined(f"{distance.value:.2f} of {distance.name}" for distance in distances)
    parts: dict[str, Answer] = {f"growth of {design}": grows_as(fit, 1) for design, fit in fits.items()}
    parts |= {f"nearness of {distance.name}": distance.value < CLOSE for distance in distances}
    return view.judged(said, parts)
