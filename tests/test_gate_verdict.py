"""The gate's statistics: exact p values, Holm, bounds, and the five outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import exp, log, nan
from random import Random

import numpy as np
import pytest

from suite.gate import verdict
from suite.gate.verdict import (
    ALPHA,
    BROKEN,
    FASTER,
    SAME,
    SLOWER,
    UNCLEAR,
    Triple,
    Verdict,
    bound,
    confirmed,
    holm,
    judged,
    least_triples,
    p_value,
    triples_for,
)


def triples(effect: float, noise: float, count: int = 10, seed: int = 0, control: float = 0.0) -> list[Triple]:
    """Triples whose head is slower by `effect`, and whose second base process by `control`, as logarithms."""
    chance = Random(seed)
    draw = lambda centre: exp(centre + chance.gauss(0, noise))  # noqa: E731 (one line says it)
    return [Triple((draw(0),), (draw(control),), (draw(effect),)) for _ in range(count)]


def outcome(effect: float, noise: float, quantity: str = "cpu_ms", **how: float) -> str:
    (found,) = judged({("case", quantity): triples(effect, noise, **how)})  # type: ignore[arg-type]
    return found.outcome


def test_p_is_the_share_of_all_patterns_of_signs() -> None:
    effects = np.array([0.3, -0.1, 0.25, 0.07, 0.4])
    sums = [sum(s * abs(e) for s, e in zip(signs, effects, strict=True)) for signs in product((1, -1), repeat=5)]
    assert p_value(effects) == pytest.approx(np.mean([total >= effects.sum() - 1e-12 for total in sums]))
    assert p_value(np.ones(10)) == 2**-10


def test_holm_is_stricter_the_more_is_tested() -> None:
    assert holm({("a", "cpu_ms"): ALPHA, ("b", "cpu_ms"): 0.5}) == set()
    assert holm({("a", "cpu_ms"): ALPHA / 2, ("b", "cpu_ms"): ALPHA}) == {("a", "cpu_ms"), ("b", "cpu_ms")}


def test_as_many_triples_as_significance_needs() -> None:
    """And some to spare: the smallest effect may point the other way."""
    for tests in (1, 2, 10, 11, 70):
        k = least_triples(tests)
        assert 2.0**-k <= ALPHA / tests < 2.0 ** -(k - 1)
        effects = np.array([0.1] * (triples_for(tests) - 1) + [-0.01])
        assert p_value(effects) <= ALPHA / tests < p_value(effects[: k - 1])


def test_the_bound_holds_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(0)
    below = [bound(chance.normal(0.1, 0.02, 8)) < 0.1 for _ in range(150)]
    assert np.mean(below) > 0.96  # 99 % is stated; a binomial 150 has 96 % at three deviations
    assert bound(np.full(5, 0.1)) == -np.inf  # five signs can never say 99 %


@pytest.mark.parametrize(
    ("effect", "noise", "expected"),
    [(0, 0.003, SAME), (0.1, 0.003, SLOWER), (-0.1, 0.003, FASTER), (0.1, 0.01, SLOWER), (0.0, 0.1, UNCLEAR)],
)
def test_each_outcome(effect: float, noise: float, expected: str) -> None:
    assert outcome(effect, noise, seed=1) == expected


def test_what_is_significant_and_small_is_no_regression() -> None:
    (found,) = judged({("case", "cpu_ms"): triples(log(1.015), 0.001)})
    assert found.outcome == SAME and found.p is not None and found.p < ALPHA
    assert found.visible is not None and 1.03 < found.visible < 1.035


def of_many(effects: Sequence[float], tests: int) -> Verdict:
    """The verdict on the wall time of one case with these effects, beside others that do not differ."""
    series = {("case", "wall_ms"): [Triple((1.0,), (1.0,), (exp(effect),)) for effect in effects]}
    still = [Triple((1.0,), (1.0,), (1.0,))] * 7
    series |= {(f"other {i}", "wall_ms"): still for i in range(tests - 1)}
    return next(found for found in judged(series) if found.case == "case")


@pytest.mark.parametrize("sign", [1, -1])
def test_beyond_the_minimum_and_not_significant_is_no_pass(sign: int) -> None:
    """Of 14 triples 13 say 8 % and one -0.1 %: p is 2⁻¹³, which Holm over 140 tests does not take for significant."""
    effects = [sign * log(1.08)] * 13 + [sign * log(0.999)]
    assert of_many(effects, 1).outcome == (SLOWER if sign > 0 else FASTER)
    found = of_many(effects, 140)
    assert found.outcome == UNCLEAR and "--triples" in found.reason and found.visible is None


@pytest.mark.parametrize("tests", [1, 20])
def test_what_would_have_been_seen_would_have_been_seen(tests: int) -> None:
    """The same effects, shifted until their middle lies at the smallest visible slowdown, or just below it.

    One triple is spoilt: over one test the bound decides, over twenty Holm, for which all must have the same sign.
    """
    effects = np.array([*np.linspace(-0.001, 0.001, 10), -0.09])
    before = of_many(effects.tolist(), tests)
    assert before.outcome == SAME and before.visible is not None and before.ratio is not None
    shift = log(before.visible / before.ratio)
    assert of_many((effects + shift + 1e-5).tolist(), tests).outcome == SLOWER
    assert of_many((effects + shift - 1e-5).tolist(), tests).outcome != SLOWER
    assert (shift > 0.0899) == (tests == 20)


def test_a_base_that_differs_from_itself_is_unclear() -> None:
    (found,) = judged({("case", "wall_ms"): triples(0.3, 0.003, control=0.2)})
    assert found.outcome == UNCLEAR and "not quiet" in found.reason


def test_a_triple_compares_turn_by_turn() -> None:
    """The machine is slower by another factor in each turn, and the head by 10 %; one block is an outlier."""
    pace = (1.0, 3.0, 2.0, 5.0, 4.0)
    one = Triple(pace, tuple(1.02 * ms for ms in pace), (1.1, 3.3, 40.0, 5.5, 4.4))
    assert one.control == pytest.approx(log(1.02))
    assert one.effect == pytest.approx(log(1.1) - log(1.02) / 2)


def test_a_rule_that_looks_at_controls_leaves_the_test_exact() -> None:
    """Triples are added while is_wide says so: p is at most 5 % in at most 5 % of series without an effect."""
    chance, found, counts = np.random.default_rng(0), [], set()
    draw = lambda: Triple(*((exp(x),) for x in 0.01 * chance.standard_t(3, 3)))  # noqa: E731 (one line says it)
    for _ in range(400):
        series = [draw() for _ in range(7)]
        while len(series) < 9 and verdict.is_wide({("case", "cpu_ms"): series}):
            series.append(draw())
        counts.add(len(series))
        found.append(p_value(np.array([t.effect for t in series])) <= 0.05)
    assert {7, 9} <= counts  # it is the rule that decides
    assert 0.02 < np.mean(found) < 0.083  # three deviations of a binomial of 400 above 5 %


def test_the_base_alone_says_whether_the_bounds_will_be_wide() -> None:
    """Whatever the head takes: a rule that saw it could choose when to stop by the verdict."""
    for noise, wide in ((0.03, True), (0.003, False)):
        for head in (0.0, 0.5, -0.5):
            series = [replace(t, b=tuple(exp(head * i) for _ in t.b)) for i, t in enumerate(triples(0, noise))]
            assert verdict.is_wide({("case", "cpu_ms"): series, ("gone", "cpu_ms"): []}) == wide


@pytest.mark.parametrize("bad", [(nan,), (0.0,), (-1.0,), (float("inf"),), (), (1.0, 1.0)])
def test_a_sample_that_is_no_time_is_broken(bad: tuple[float, ...]) -> None:
    found = [*triples(0, 0.003)[:9], Triple((1.0,), (1.0,), bad)]
    assert judged({("case", "cpu_ms"): found})[0].outcome == BROKEN
    assert judged({("case", "cpu_ms"): []})[0].outcome == BROKEN


def test_nothing_is_never_judged() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        judged({})


def test_a_slowdown_stands_only_if_the_rerun_says_the_same() -> None:
    key = ("case", "cpu_ms")
    first = judged({key: triples(0.1, 0.003)})
    assert confirmed(first, judged({key: triples(0.1, 0.003, seed=1)}))[0].outcome == SLOWER
    for again in (judged({key: triples(0.0, 0.003, seed=1)}), []):
        (found,) = confirmed(first, again)
        assert found.outcome == UNCLEAR and "rerun" in found.reason


def test_false_alarms_are_rare_on_noise_alone() -> None:
    """Six series that differ by noise alone: a false alarm needs significance and 3 %, so none in 15 runs."""
    for seed in range(15):
        found = {(f"case {i}", "cpu_ms"): triples(0, 0.02, seed=100 * seed + i) for i in range(6)}
        assert not [v for v in judged(found) if v.outcome == SLOWER]
