"""When a training left its plateau: the loss of whoever sees what there is, but has not understood the task.

A source says how high its plateau lies, see Source. A curve has left it at the first point from which on the median of
the WINDOW points around each stays below it by a margin:

    margin = max(SHARE · plateau, DEVIATIONS · σ)      σ = 1.4826 · median |l₋₁ - 2 l + l₊₁| / √6

σ is how far a point deviates from a straight line through its neighbours. The median of five normal numbers deviates
by .54 σ, so that noise alone passes the margin once in 10,000 medians; a median moves no step, and forgives a spike.
SHARE is what a plateau in closed form may be wrong by: whoever has understood less has understood nothing yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from math import sqrt
from statistics import median

SHARE = 1 / 50  # of the plateau
DEVIATIONS = 2.0
WINDOW = 5  # points; all of a shorter curve


def left(losses: Sequence[tuple[int, float]], plateau: float) -> int | None:
    """Of points (images seen, loss): after how many images the loss had left the plateau for good; None if never."""
    ys = [loss for _, loss in losses]
    window = min(WINDOW, len(ys)) or 1
    medians = {i + window // 2: median(ys[i : i + window]) for i in range(len(ys) - window + 1)}
    below = plateau - max(SHARE * plateau, DEVIATIONS * noise(ys))
    stayed = list(takewhile(lambda middle: medians[middle] < below, reversed(medians)))
    return losses[stayed[-1]][0] if stayed else None


def noise(ys: Sequence[float]) -> float:
    """σ of a curve; 0 of fewer than three points."""
    bends = [abs(ys[i - 1] - 2 * ys[i] + ys[i + 1]) for i in range(1, len(ys) - 1)]
    return 1.4826 * median(bends) / sqrt(6) if bends else 0.0
