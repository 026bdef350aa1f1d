"""Claims about cost: exponents, local and blocked neighbourhoods, and the resolution at which pixels are too many."""

from __future__ import annotations

import pandas as pd

from reports.claims.view import FAILS, HOLDS, LIMITS, Finding, View, graded, joined, power
from reports.units import number

NEAR = 0.15  # how far an exponent may be from the stated one to be called equal to it
LINEAR_DESIGNS = ("linear", "efficient", "performer", "linformer", "nystrom")
LOST = frozenset({"too_large", "too_slow", "oom", "timeout"})


def quadratic(view: View) -> Finding | None:
    """C1: O(length² x dim), from the mixer of `vit` alone."""
    fits = {m: fitted(view, "vit", m) for m in ("macs", "latency_ms", "peak_bytes")}
    work, time, memory = (fits[m] for m in ("macs", "latency_ms", "peak_bytes"))
    if work is None or time is None:
        return None
    plain = fitted(view, "vit", "peak_bytes", "math")
    said = f"from {work[3]} tokens multiply-adds grow as {power(work)}, latency as {power(time)}"
    said += f", peak memory as {power(memory)} with the fused kernel" if memory else ""
    said += f" and {power(plain)} in the plain form" if plain else ""
    if work[0] < 1.5 and time[0] < 1.5:
        return view.finding(FAILS, said)
    whole = abs(work[0] - 2) <= NEAR and time[1] <= 2 <= time[2] and (memory is None or abs(memory[0] - 2) <= NEAR)
    limit = "" if whole else ": the projections, linear in the length, share in it, and the fused kernel keeps no map"
    return view.finding(HOLDS if whole else LIMITS, said + limit)


def fitted(view: View, design: str, metric: str, backend: str = "sdpa") -> tuple[float, float, float, str] | None:
    """The exponent of a metric of a design's mixer alone, at inference and batch 1."""
    rows = view.rows(design, metric=metric, scope="mixer", mode="inference", batch=1, backend=backend)
    return view.exponent(_one_task(rows))


def _one_task(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first task and setting: a mixer alone has no head, so that its tasks do not differ."""
    return (
        rows[(rows["task"] == rows["task"].min()) & (rows["setting"] == rows["setting"].min())] if len(rows) else rows
    )


def pixels_too_many(view: View) -> Finding | None:
    """C6: the resolution from which `pixel` is over a limit at which `vit` is not."""
    frame = view.frame[(view.frame["design"] == "pixel") & (view.frame["quantity"].isin(["memory", "latency"]))]
    lost, held = frame[frame["status"].isin(LOST)], frame[frame["status"] == "ok"]
    if lost.empty:
        return None
    first = lost.sort_values("pixels").iloc[0]
    view.used.append(str(first["id"]))
    most = held[held["pixels"] < first["pixels"]].sort_values("pixels")
    up_to = f"measured up to {most['resolution'].iloc[-1]} pixels; " if len(most) else ""
    patches = view.rows("vit", resolution=first["resolution"])
    said = f"{up_to}at {first['resolution']}: {str(first['status']).replace('_', ' ')}, {first['reason']}"
    if patches.empty:
        return view.finding(LIMITS, f"{said}; patches were not measured there")
    return view.finding(HOLDS, f"{said}; patches run there")


def local_is_linear(view: View) -> Finding | None:
    """C10: local attention grows linearly with the number of pixels."""
    fits = {m: fitted(view, "local", m) for m in ("macs", "latency_ms")}
    if fits["macs"] is None or fits["latency_ms"] is None:
        return None
    said = f"multiply-adds grow as {power(fits['macs'])}, latency as {power(fits['latency_ms'])}"
    near = [abs(fit[0] - 1) <= NEAR for fit in fits.values() if fit]
    return view.finding(graded(near), said)


def blocked_is_leaner(view: View) -> Finding | None:
    """C11: `halo` against `local` at an equal budget: memory and latency (accuracy where the records hold it)."""
    parts, verdicts = [], []
    for metric in ("peak_bytes", "latency_ms"):
        halo, local = (
            view.rows(d, metric=metric, scope="network", mode="inference", task="classification")
            for d in ("halo", "local")
        )
        if found := view.pair(halo, local):
            ours, theirs, at = found
            parts.append(f"{number(metric, ours.value)} against {number(metric, theirs.value)} at {at}")
            verdicts.append(ours.below(theirs))
    if len(verdicts) < 2:
        return None
    scores = view.pair(*(view.rows(d, metric="top1") for d in ("halo", "local")))
    said = f"halo takes {parts[0]} of peak memory and {parts[1]} of time"
    if scores is None:
        return view.finding(LIMITS if any(verdicts) else FAILS, f"{said}; accuracy was not compared")
    verdicts.append(scores[1].below(scores[0]))
    said += f"; it answers {100 * scores[0].value:.1f} % right against {100 * scores[1].value:.1f} %"
    return view.finding(graded(verdicts), said)


def approximations_are_linear(view: View) -> Finding | None:
    """C14: the exponent of each approximation, and where measured its distance to softmax attention."""
    fits = {d: fitted(view, d, "latency_ms") for d in LINEAR_DESIGNS}
    known = {d: fit for d, fit in fits.items() if fit}
    if not known:
        return None
    near = {d for d, fit in known.items() if abs(fit[0] - 1) <= NEAR or fit[1] <= 1 <= fit[2]}
    told = joined(f"{d} {power(fit)}" for d, fit in known.items())
    said = f"latency grows as {told}"
    distances = {d: view.number(view.rows(d, metric="softmax_distance")) for d in known}
    if measured := {d: n for d, n in distances.items() if n}:
        said += "; the relative distance to softmax attention on the same q, k and v is "
        said += joined(f"{number_.value:.2f} for {d}" for d, number_ in measured.items())
    return view.finding(LIMITS if near else FAILS, said)
