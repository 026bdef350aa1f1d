"""Claims about reach, equivariance and dependence on the data: what a query sees, and what moves with the image."""

from __future__ import annotations

from reports.claims.cost import fitted
from reports.claims.view import FAILS, HOLDS, LIMITS, Finding, View, percent, power, spanned

EXACT = 1e-5  # an error below this is rounding


def recurrence(view: View) -> Finding | None:
    """C2: the chain of dependent steps of `rnn` and of `vit`, and their latency at as many tokens."""
    chain, flat = (view.exponent(view.rows(d, metric="sequential_steps")) for d in ("rnn", "vit"))
    steps = [view.number(view.rows(d, metric="sequential_steps")) for d in ("rnn", "vit")]
    if steps[0] is None or steps[1] is None:
        return None
    said = f"the longest chain of dependent steps is {steps[0].value:.0f} for rnn and {steps[1].value:.0f} for vit"
    if chain and flat:
        said += f", growing as {power(chain)} and {power(flat)}"
    return view.finding(HOLDS if steps[0].value > 2 * steps[1].value else FAILS, said)


def one_layer_sees_all(view: View) -> Finding | None:
    """C3: the share of tokens with a non-zero derivative after one layer, of attention and of a convolution."""
    seen = [view.number(view.rows(d, metric="field_tokens_1")) for d in ("vit", "conv")]
    if seen[0] is None or seen[1] is None:
        return None
    said = f"one layer of vit sees {percent(seen[0].value)} of the tokens, one of conv {percent(seen[1].value)}"
    return view.finding(HOLDS if seen[0].value == 1 > seen[1].value else FAILS, said)


def data_dependence(view: View) -> Finding | None:
    """C5: how much the map from values to output changes with the image; bilateral filter by `local`."""
    change = {d: view.number(view.rows(d, metric="data_dependence")) for d in ("vit", "local", "bilateral", "conv")}
    if change["vit"] is None or change["conv"] is None:
        return None
    said = "; ".join(f"{d} {n.value:.2g}" for d, n in change.items() if n)
    said = f"from one image to another the map from values to output changes by (relative) {said}"
    error = view.number(view.rows("bilateral", metric="twin_error"))
    if error:
        said += f"; local with fixed projections differs from the bilateral filter by {error.value:.1g}"
    holds = change["vit"].value > 0.01 and change["conv"].value < EXACT
    if not holds:
        return view.finding(FAILS, said)
    return view.finding(HOLDS if error and error.value < EXACT else LIMITS, said)


def shifted_windows_reach(view: View) -> Finding | None:
    """C12: the field of `swin` after all layers, and of `window`."""
    seen = {d: view.number(view.rows(d, metric="field_tokens_last")) for d in ("swin", "window")}
    full = view.number(view.rows("swin", metric="field_full_after"))
    if seen["swin"] is None:
        return None
    after = f", all of them after {full.value:.0f} layers" if full else ""
    said = f"the centre of swin depends on {percent(seen['swin'].value)} of the tokens{after}"
    said += f"; of window on {percent(seen['window'].value)}" if seen["window"] else ""
    return view.finding(HOLDS if seen["swin"].value == 1 else LIMITS, said)


def axial_order(view: View) -> Finding | None:
    """C13: the field of `axial` after one and two layers, and its exponent."""
    one, two = (view.number(view.rows("axial", metric=f"field_tokens_{layer}")) for layer in (1, 2))
    fit = fitted(view, "axial", "macs")
    if one is None:
        return None
    last = f", two {percent(two.value)}" if two else ""
    said = f"one layer sees {percent(one.value)} of the tokens{last}"
    said += f"; multiply-adds grow as {power(fit)} in tokens" if fit else ""
    full = one.value == 1 or (two is not None and two.value == 1)
    return view.finding(HOLDS if full and fit and fit[0] <= 1.6 else LIMITS if full else FAILS, said)


def equivariance(view: View) -> Finding | None:
    """C15: errors under shifts with absolute and with relative positions; accuracy where objects have moved."""
    errors = {
        p: view.number(view.rows("vit", metric="shift_error_token", position=p))
        for p in ("learned", "sincos", "bias", "rotary")
    }
    known = {p: n for p, n in errors.items() if n}
    absolute, relative = (
        [known[p] for p in names if p in known] for names in (("learned", "sincos"), ("bias", "rotary"))
    )
    moved = {p: view.number(view.rows("vit", metric="top1_moved50", position=p)) for p in ("learned", "rotary")}
    if not (absolute and relative) and None in moved.values():
        return None
    said, verdicts = [], []
    if absolute and relative:
        said.append("shift errors: " + ", ".join(f"{p} {n.value:.2g}" for p, n in known.items()))
        verdicts.append(max(n.value for n in relative) < min(n.value for n in absolute))
    if moved["learned"] and moved["rotary"]:
        told = f"learned {spanned(moved['learned'])}, rotary {spanned(moved['rotary'])}"
        said.append(f"right answers with everything moved by half the image: {told}")
        verdicts.append(moved["learned"].below(moved["rotary"]))
    return view.finding(
        HOLDS if len(verdicts) == 2 and all(verdicts) else LIMITS if any(verdicts) else FAILS, "; ".join(said)
    )
