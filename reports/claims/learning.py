"""Claims about what is learnt: accuracy of one design against another on the task that separates them."""

from __future__ import annotations

from reports.claims.view import FAILS, HOLDS, LIMITS, Finding, Number, View, above, joined, spanned

SCORE = {"classification": "top1", "segmentation": "miou"}


def stem_keeps_detail(view: View) -> Finding | None:
    """C7: `downsample` against `conv_stem` on gratings, whose answer is a fine texture."""
    return _ordered(view, "conv_stem", "downsample", "scenes:grating", "classification")


def patches_suffice(view: View) -> Finding | None:
    """C8: `vit` against `conv_stem`: patches suffice if they are not worse."""
    return _ordered(view, "vit", "conv_stem", "scenes:grating", "classification")


def levels(view: View) -> Finding | None:
    """C9: cost and accuracy of attention at a high, a middle and a low level of a ResNet."""
    names = ("hybrid_high", "hybrid_mid", "hybrid_low")
    times = {n: view.number(view.rows(n, metric="latency_ms", task="classification", mode="inference")) for n in names}
    scores = {n: view.number(view.rows(n, metric="top1")) for n in names}
    if None in times.values():
        return None
    said = joined(
        f"{n} takes {t.value:.1f} ms" + (f" and answers {spanned(s)} right" if (s := scores[n]) else "")
        for n, t in times.items()
        if t
    )
    return view.finding(LIMITS if None in scores.values() else HOLDS, f"each of them builds and runs: {said}")


def one_head(view: View) -> Finding | None:
    """C4: `single_head` against `vit` under one budget; divergence of the heads where it was measured."""
    found = _pair(view, "vit", "single_head", "scenes:legend", "segmentation")
    if found is None:
        return None
    several, one, said = found
    apart = view.number(view.rows("vit", metric="head_divergence"))
    said += f"; the heads' maps diverge by {apart.value:.2g}" if apart else ""
    return view.finding(above(several, one), said)


def segmentation(view: View) -> Finding | None:
    """C16: mIoU of a plain transformer with SETR's decoders, against the convolutional network."""
    rows = view.rows("vit", metric="miou", task="segmentation", data="scenes:cue")
    base = view.number(view.rows("conv", metric="miou", task="segmentation", data="scenes:cue"))
    found = {d: view.number(rows[rows["decoder"] == d]) for d in ("naive", "pup", "mla")}
    known = {d: n for d, n in found.items() if n}
    if not known or base is None:
        return None
    said = joined(f"{d} {spanned(n)}" for d, n in known.items()) + f" mIoU against {spanned(base)} of conv"
    better = [base.below(n) for n in known.values()]
    worse = [n.below(base) for n in known.values()]
    return view.finding(HOLDS if all(better) else FAILS if all(worse) else LIMITS, said)


def _ordered(view: View, better: str, worse: str, data: str, task: str) -> Finding | None:
    """Holds if one design is more accurate than another by intervals that part, fails if it is less so."""
    found = _pair(view, better, worse, data, task)
    if found is None:
        return None
    one, other, said = found
    return view.finding(above(one, other), said)


def _pair(view: View, one: str, other: str, data: str, task: str) -> tuple[Number, Number, str] | None:
    """The scores of two designs on the same data at the largest common resolution, and a sentence with both."""
    metric = SCORE[task]
    rows = (view.rows(d, metric=metric, task=task, data=data) for d in (one, other))
    found = view.pair(*rows)
    if found is None:
        return None
    a, b, at = found
    overlap = "" if a.below(b) or b.below(a) else "; they are not told apart"
    return a, b, f"{one} {spanned(a)}, {other} {spanned(b)} on {data} at {at} pixels{overlap}"
