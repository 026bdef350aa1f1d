"""Samples of k process triples (A, A', B) -> one verdict for each case. Pure statistics, no torch.

A and A' are two processes of the base, B is one of the head, and all three take turns. For triple i, with the times
a, a', b of one turn, and medians over its turns,

    effect_i = median (ln b - (ln a + ln a') / 2)          control_i = median (ln a' - ln a)

Test      sign-flip, exact if noise is as likely with the other sign: then so is each effect under the null, and p is
          the share of the 2ᵏ patterns of signs whose sum is at least as large. Holm at ALPHA over all cases and
          quantities.
Bounds    the one-sided 99 % bounds of the effect, by inverting that test.
More      triples are added while the controls say that the bounds will be too wide (is_wide). The test stays exact:
          if noise is as likely with the other sign, and A and A' are alike, then an effect, less the true one, is as
          likely with the other sign whatever its control is. A rule that looks at controls alone favours no sign.
Rule      slower  if p is significant, the lower bound exceeds the minimum effect of the quantity, and a fresh rerun of
                  the flagged cases says the same; faster is the same rule, mirrored
          unclear if the control breaks the rule itself, or the bounds lie further apart than the minimum effect, or
                  beyond it although p is not significant
          same    else: with the smallest slowdown that would have been seen: the shift of these effects that makes the
                  lower bound exceed the minimum effect, and p significant even where Holm is strictest
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, isfinite, log, log2, sqrt
from statistics import median

import numpy as np

ALPHA = 0.01
MINIMUM = {"wall_ms": 0.05, "cpu_ms": 0.03, "device_ms": 0.05}  # effects below these do not matter
SPARE = 2  # triples beyond the fewest, so that one whose effect is near zero does not undo the others
ENOUGH_TRIPLES = 16  # no more are added, however wide the bounds
MOST_TRIPLES = 20  # 2²⁰ patterns of signs are worked out exactly
NOISY = "two runs of the base itself differ by the same rule: the machine is not quiet"
SLOWER, FASTER, SAME, UNCLEAR, BROKEN = "slower", "faster", "same", "unclear", "broken"

Key = tuple[str, str]
"""Name of a case, and quantity."""


@dataclass(frozen=True)
class Triple:
    """One quantity of one case in each of three processes, in milliseconds: one sample for each turn."""

    a: tuple[float, ...]
    a2: tuple[float, ...]
    b: tuple[float, ...]

    def is_sound(self) -> bool:
        """Whether there are turns, and all samples are times: finite and above zero."""
        times = (*self.a, *self.a2, *self.b)
        return len(self.a) == len(self.a2) == len(self.b) > 0 and all(isfinite(time) and time > 0 for time in times)

    @property
    def effect(self) -> float:
        turns = zip(self.a, self.a2, self.b, strict=True)
        return median(log(b) - (log(a) + log(a2)) / 2 for a, a2, b in turns)

    @property
    def control(self) -> float:
        return median(log(a2 / a) for a, a2 in zip(self.a, self.a2, strict=True))


@dataclass(frozen=True)
class Verdict:
    """What the triples of one case and quantity say. Ratios are head over base."""

    case: str
    quantity: str
    outcome: str  # slower, faster, same, unclear or broken
    reason: str = ""
    ratio: float | None = None
    low: float | None = None  # one-sided 99 % bounds of the ratio
    high: float | None = None
    p: float | None = None  # of the direction in which the ratio lies
    visible: float | None = None  # the smallest ratio above 1 that would have been called slower
    triples: int = 0


@dataclass(frozen=True)
class Evidence:
    """One series of effects: p for slower and for faster, and its bounds, all as logarithms of ratios."""

    effects: np.ndarray
    centre: float
    low: float
    high: float
    p_slower: float
    p_faster: float


def least_triples(tests: int) -> int:
    """The fewest triples with which one of so many tests can be significant after Holm: 2⁻ᵏ is at most ALPHA/tests."""
    return ceil(log2(max(tests, 1) / ALPHA))


def triples_for(tests: int) -> int:
    """SPARE more than the least, of which every single effect must have the same sign."""
    return min(least_triples(tests) + SPARE, MOST_TRIPLES)


def is_wide(samples: Mapping[Key, Sequence[Triple]]) -> bool:
    """Whether the bounds of some case will lie further apart than its minimum effect, as far as its controls say.

    A control has two processes of weight 1, an effect one of 1 and two of 1/2: its deviation is √3/2 of the control's.
    """
    return any(
        sqrt(3) / 2 * (seen.high - seen.low) > MINIMUM[key[1]]
        for key, triples in samples.items()
        if triples and all(t.is_sound() for t in triples)
        for seen in [evidence([t.control for t in triples])]
    )


def judged(samples: Mapping[Key, Sequence[Triple]], failed: Mapping[str, str] | None = None) -> list[Verdict]:
    """A verdict for each case and quantity, before any rerun; `failed` says why a case stopped running.

    ValueError if there is nothing to judge.
    """
    if not samples:
        raise ValueError("nothing was measured, so nothing can be judged: name at least one case")
    broken = {key for key, triples in samples.items() if not triples or not all(t.is_sound() for t in triples)}
    sound = {key: triples for key, triples in samples.items() if key not in broken}
    effects = {key: evidence([t.effect for t in triples]) for key, triples in sound.items()}
    controls = {key: evidence([t.control for t in triples]) for key, triples in sound.items()}
    slower, faster = flagged(effects)
    unsound = set.union(*flagged(controls))
    verdicts = [_broken(key, (failed or {}).get(key[0])) for key in broken]
    for key, seen in effects.items():
        outcome = SLOWER if key in slower else FASTER if key in faster else SAME
        reason = NOISY if key in unsound else _doubt(seen, MINIMUM[key[1]]) if outcome == SAME else ""
        verdicts.append(_verdict(key, seen, UNCLEAR if reason else outcome, reason, len(sound)))
    return sorted(verdicts, key=lambda v: (v.case, v.quantity))


def confirmed(first: Sequence[Verdict], again: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts, in which slower and faster stand only where those of the rerun say the same."""
    rerun = {(v.case, v.quantity): v for v in again}
    result = []
    for verdict in first:
        second = rerun.get((verdict.case, verdict.quantity))
        if verdict.outcome in (SLOWER, FASTER) and (second is None or second.outcome != verdict.outcome):
            verdict = replace(
                verdict, outcome=UNCLEAR, reason=f"{verdict.outcome} at first, but the rerun {_told(second)}"
            )
        result.append(verdict)
    return result


def _told(second: Verdict | None) -> str:
    if second is None:
        return "was not run"
    return f"broke: {second.reason}" if second.outcome == BROKEN else f"found {percent(second.ratio)}: {second.outcome}"


def evidence(effects: Sequence[float]) -> Evidence:
    """What the signs of these effects say."""
    values = np.asarray(effects, dtype=float)
    low, high = bound(values), -bound(-values)
    return Evidence(values, float(np.median(values)), low, high, p_value(values), p_value(-values))


def p_value(effects: np.ndarray) -> float:
    """The share of all patterns of signs whose sum is at least that of the effects. ValueError beyond MOST_TRIPLES."""
    if len(effects) > MOST_TRIPLES:
        raise ValueError(f"{len(effects)} triples are more than are judged exactly: take at most {MOST_TRIPLES}")
    sizes, half = np.abs(effects), len(effects) // 2
    slack = 1e-12 * float(sizes.sum())  # sums of the same numbers in another order differ in the last bits
    left, right = _signed_sums(sizes[:half]), np.sort(_signed_sums(sizes[half:]))
    smaller = np.searchsorted(right, effects.sum() - slack - left)  # for each left half, so many right halves are short
    return float(1 - smaller.sum() / (len(left) * len(right)))


def _signed_sums(sizes: np.ndarray) -> np.ndarray:
    """The sum of the sizes under each pattern of signs."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def bound(effects: np.ndarray, level: float = ALPHA) -> float:
    """The one-sided lower bound of the centre: the largest shift that the test rejects at `level`; or -infinity."""
    low, high = float(effects.min()), float(effects.max())
    if 0.5 ** len(effects) > level:
        return -np.inf
    low -= 1e-9 + (high - low)  # rejected for certain: all effects lie above it
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(effects - middle) <= level else (low, middle)
    return low


def flagged(found: Mapping[Key, Evidence]) -> tuple[set[Key], set[Key]]:
    """The keys that are slower, and those that are faster: significant after Holm, and beyond the minimum effect."""
    slower = holm({key: seen.p_slower for key, seen in found.items()})
    faster = holm({key: seen.p_faster for key, seen in found.items()})
    return (
        {key for key in slower if found[key].low > log(1 + MINIMUM[key[1]])},
        {key for key in faster if found[key].high < -log(1 + MINIMUM[key[1]])},
    )


def holm(p_values: Mapping[Key, float]) -> set[Key]:
    """The keys whose p is significant at ALPHA, all of them together (Holm 1979)."""
    significant = set[Key]()
    for place, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        if p_values[key] > ALPHA / (len(p_values) - place):
            break
        significant.add(key)
    return significant


def _doubt(seen: Evidence, minimum: float) -> str:
    """Why bounds without a significant p are no pass; nothing if they are."""
    apart = exp(seen.high) - exp(seen.low)
    if apart > minimum:
        return f"the bounds lie {percent(1 + apart)} apart, more than the {minimum:.0%} to be seen"
    if seen.low > log(1 + minimum) or seen.high < -log(1 + minimum):
        return f"beyond {minimum:.0%}, but not significant over all cases: add --triples"
    return ""


def _visible(seen: Evidence, minimum: float, tests: int) -> float:
    """The smallest ratio above 1 that would have been slower: by the lower bound, and by Holm where it is strictest."""
    strict = bound(seen.effects, ALPHA / tests)
    return max((1 + minimum) * exp(seen.centre - seen.low), exp(seen.centre - strict))


def _verdict(key: Key, seen: Evidence, outcome: str, reason: str, tests: int) -> Verdict:
    bounds = exp(seen.centre), exp(seen.low), exp(seen.high)
    visible = _visible(seen, MINIMUM[key[1]], tests) if outcome == SAME else None
    return Verdict(*key, outcome, reason, *bounds, min(seen.p_slower, seen.p_faster), visible, len(seen.effects))


def _broken(key: Key, why: str | None) -> Verdict:
    said = f"it stopped running: {why}" if why else "a sample is missing, zero or not a number, so nothing can be said"
    return Verdict(*key, BROKEN, said)


def percent(ratio: float | None) -> str:
    """`+3.1 %` for 1.031."""
    return "nothing" if ratio is None else f"{100 * (ratio - 1):+.1f} %"
