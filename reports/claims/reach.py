"""Claims about reach, equivariance and dependence on the data: what a query sees, and what moves with the image."""

from __future__ import annotations

from reports.claims.cost import fitted
from reports.claims.learning import compared
from reports.claims.view import (
    FAILS,
    HOLDS,
    LIMITS,
    Answer,
    Finding,
    Number,
    View,
    grows_as,
    joined,
    percent,
    power,
)
from reports.units import digits

EXACT = 1e-5  # an error below this is rounding
CHANGES = 0.01  # the share of the weights over places that an image moves, from which they depend on it
KEPT = 0.1  # the part of the least error of absolute positions below which a relative one keeps what it sees
POSITIONS = {"learned": "absolute", "sincos": "absolute", "bias": "relative", "rotary": "relative"}


def recurrence(view: View) -> Finding | None:
    """C2: how the longest chain of dependent steps of `rnn` and of `vit` grows, and the time of a multiply-add."""
    chains = [view.exponent(view.rows(d, metric="sequential_steps")) for d in ("rnn", "vit")]
    steps = view.common(*(view.rows(d, metric="sequential_steps") for d in ("rnn", "vit")))
    times = _time_of_work(view, "rnn", "vit")
    long, short = chains
    if long is None or short is None or steps is None or times is None:
        return None
    grows = True if long.low > short.high else False if long.high < short.low else None
    said = f"at {steps[0].at} the longest chain of dependent steps is {digits(steps[0].value)} of rnn, growing as "
    said += f"{power(long)} in tokens, and {digits(steps[1].value)} of vit, growing as {power(short)}; "
    said += f"at {times[0].at} 10⁹ multiply-adds take {digits(times[0].value)} ms in rnn and "
    said += f"{digits(times[1].value)} ms in vit"
    return view.judged(said, {"the chain": grows, "the time of a multiply-add": view.above(*times)})


def _time_of_work(view: View, *designs: str) -> list[Number] | None:
    """Milliseconds for 10⁹ multiply-adds of each mixer alone, at the largest grid."""
    alone = {"scope": "mixer", "mode": "inference"}
    times = view.common(*(view.rows(d, metric="latency_ms", **alone) for d in designs))
    if times is None:
        return None
    works = view.common(*(view.rows(d, metric="macs", resolution=times[0].row["resolution"], **alone) for d in designs))
    return works and [
        Number(time.row | {end: time.row[end] * 1e9 / work.value for end in ("value", "low", "high")})
        for time, work in zip(times, works, strict=True)
    ]


def one_layer_sees_all(view: View) -> Finding | None:
    """C3: the share of tokens with a non-zero derivative after one layer, of attention and of a convolution."""
    seen = view.common(*(view.rows(d, metric="field_tokens_1") for d in ("vit", "conv")))
    if seen is None:
        return None
    vit, conv = (one.value for one in seen)
    said = f"at {seen[0].at} one layer of vit sees {percent(vit)} of its tokens, one of conv {percent(conv)}"
    return view.finding(HOLDS if vit == 1 > conv else FAILS, said)


def data_dependence(view: View) -> Finding | None:
    """C5: whether the map from values to output changes with the image; the bilateral filter by `local`."""
    names = ("vit", "local", "bilateral")
    change = view.common(*(view.rows(d, metric="map_change") for d in names))
    fixed = view.common(view.rows("conv", metric="data_dependence"))
    error = view.common(view.rows("bilateral", metric="twin_error"))
    if change is None or fixed is None or error is None:
        return None
    said = f"at {change[0].at} another image moves "
    said += joined(f"{percent(n.value)} of the weights of {d}" for d, n in zip(names, change, strict=True))
    said += f" to other places; the derivative of conv changes by {digits(fixed[0].value)} of itself"
    said += f"; local with fixed projections differs from the bilateral filter by {digits(error[0].value)} of it"
    parts: dict[str, Answer] = {f"the weights of {d}": n.value > CHANGES for d, n in zip(names, change, strict=True)}
    parts |= {"conv": fixed[0].value < EXACT, "the filter": error[0].value < EXACT}
    return view.judged(said, parts)


def shifted_windows_reach(view: View) -> Finding | None:
    """C12: the field of `swin` and of `window` after all layers, on a grid that never shrinks."""
    alike = {"layout": "isotropic", "metric": "field_tokens_last"}
    seen = view.common(*(view.rows(d, **alike) for d in ("swin", "window")))
    if seen is None:
        return None
    swin, window = (one.value for one in seen)
    full = view.common(view.rows("swin", metric="field_full_after", layout="isotropic"))
    after = f", after {full[0].value:.0f} layers" if full else ""
    said = f"at {seen[0].at} the centre of swin depends on {percent(swin)} of the tokens{after}, that of window on "
    said += percent(window)
    return view.finding(FAILS if swin < 1 else HOLDS if window < 1 else LIMITS, said)


def axial_order(view: View) -> Finding | None:
    """C13: the field of `axial` after one and two layers, and its exponent."""
    seen = view.common(*(view.rows("axial", metric=f"field_tokens_{layer}") for layer in (1, 2)))
    fit = fitted(view, "axial", "macs")
    if seen is None or fit is None:
        return None
    one, two = (n.value for n in seen)
    said = f"at {seen[0].at} one layer sees {percent(one)} of the tokens, two see {percent(two)}; "
    said += f"multiply-adds grow as {power(fit)} from {fit.sizes}"
    return view.judged(said, {"the order": one < 1 == two, "the exponent 1.5": grows_as(fit, 1.5)})


def equivariance(view: View) -> Finding | None:
    """C15: errors under shifts with absolute and with relative positions; accuracy where everything has moved."""
    errors = view.common(*(view.rows("vit", metric="shift_error_token", position=p) for p in POSITIONS))
    if errors is None:
        return None
    by = dict(zip(POSITIONS, (n.value for n in errors), strict=True))
    least = min(by[p] for p, kind in POSITIONS.items() if kind == "absolute")
    parts: dict[str, Answer] = {p: by[p] <= KEPT * least for p, kind in POSITIONS.items() if kind == "relative"}
    said = f"at {errors[0].at} the errors under a shift by a token are "
    said += joined(f"{digits(error)} of {p}" for p, error in by.items())
    moved = {"metric": "top1_moved50", "data": "scenes:relation"}
    scores = view.common(*(view.rows("vit", position=p, **moved) for p in ("rotary", "sincos")))
    parts["accuracy"], told = compared(view, scores)
    return view.judged(f"{said}; with everything moved by half the image {told}", parts)
