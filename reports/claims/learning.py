"""Claims about what is learnt: accuracy of one design against another on the task that separates them."""

from __future__ import annotations

from collections.abc import Sequence

from reports.claims.view import FAILS, OPEN, Answer, Finding, Number, View, joined, spanned
from reports.units import number

SCORE = {"classification": "top1", "segmentation": "miou"}
LEVELS = ("hybrid_high", "hybrid_mid", "hybrid_low")
DECODERS = ("naive:32", "pup:32", "mla:32")  # of SETR


def stem_keeps_detail(view: View) -> Finding | None:
    """C7: `conv_stem` above `downsample` on gratings, whose answer is a fine texture."""
    return _ordered(view, "conv_stem", "downsample", "scenes:grating", "classification")


def patches_suffice(view: View) -> Finding | None:
    """C8: `vit` above `conv_stem`, on the same task."""
    return _ordered(view, "vit", "conv_stem", "scenes:grating", "classification")


def one_head(view: View) -> Finding | None:
    """C4: `vit` above `single_head`, under one budget, on looking up by content."""
    return _ordered(view, "vit", "single_head", "scenes:legend", "segmentation")


def _ordered(view: View, better: str, worse: str, data: str, task: str) -> Finding | None:
    """Whether one design is more accurate than another."""
    scores = view.common(*(view.rows(d, metric=SCORE[task], task=task, data=data) for d in (better, worse)))
    if scores is None:
        return None
    answer, said = compared(view, scores)
    return view.judged(said, {better: answer})


def compared(view: View, scores: Sequence[Number] | None) -> tuple[Answer, str]:
    """Whether the first of two scores lies above the second, and a sentence with both."""
    if scores is None:
        return None, "accuracy was not measured"
    one, other = scores
    what = "top-1" if one.row["task"] == "classification" else "mIoU"
    said = (
        f"{what} on {one.row['data']} at {one.at} is {spanned(one)} of {one.name} and {spanned(other)} of {other.name}"
    )
    if not any(map(view.learnt, scores)):
        return None, f"{said}: neither is surely above chance"
    answer = view.above(one, other)
    alone = not all(score.row["repeats"] for score in scores)
    untold = ": a single seed tells nothing" if alone else ": their seeds do not tell them apart"
    return answer, said if answer is not None else said + untold


def levels(view: View) -> Finding | None:
    """C9: a level is a place for attention unless another is both faster and more accurate."""
    data = {"task": "classification", "data": "scenes:grating"}
    scores = view.common(*(view.rows(n, metric="top1", **data) for n in LEVELS))
    times = view.common(
        *(view.rows(n, metric="latency_ms", scope="network", mode="inference", **_alike(scores)) for n in LEVELS)
    )
    if scores is None or times is None:
        return None
    said = f"at {scores[0].at} " + joined(
        f"{s.name} takes {number('latency_ms', t.value)} and answers {spanned(s)} right"
        for s, t in zip(scores, times, strict=True)
    )
    if not any(map(view.learnt, scores)):
        return view.finding(OPEN, f"{said}: none is surely above chance")
    parts = {name: _unbeaten(view, level, scores, times) for level, name in enumerate(LEVELS)}
    if list(parts.values()).count(False) > 1:
        return view.finding(FAILS, f"{said}; the others are both slower and less accurate than one")
    return view.judged(said, parts)


def _alike(scores: list[Number] | None) -> dict[str, object]:
    """The task, the size and the budget at which scores were compared."""
    return {c: scores[0].row[c] for c in ("task", "resolution", "params_budget")} if scores else {}


def _unbeaten(view: View, level: int, scores: list[Number], times: list[Number]) -> Answer:
    """Whether no other level is surely both faster and more accurate."""
    beaten: list[Answer] = []
    for other in set(range(len(LEVELS))) - {level}:
        both = view.above(scores[other], scores[level]), view.above(times[level], times[other])
        beaten.append(False if False in both else None if None in both else True)
    return False if True in beaten else None if None in beaten else True


def segmentation(view: View) -> Finding | None:
    """C16: a plain transformer above the convolutional network, each with the same one of SETR's decoders."""
    parts: dict[str, Answer] = {}
    told = []
    for decoder in DECODERS:
        fixed = {"metric": "miou", "task": "segmentation", "data": "scenes:cue", "decoder": decoder}
        scores = view.common(*(view.rows(d, **fixed) for d in ("vit", "conv")))
        if scores is None:
            return None
        parts[decoder], said = compared(view, scores)
        told.append(said)
    return view.judged("; ".join(told), parts)
