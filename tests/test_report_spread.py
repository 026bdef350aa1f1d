"""The spread that few processes borrow from all cases: coverage, in worlds whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports.interval import of_median
from reports.spread import LEAST, law, moderated


def world(seed: int, cases: int, n: int, degrees: float) -> list[list[float]]:
    """Times whose true value is 10, by cases whose spreads are 5 % in the middle: alike, or each its own."""
    drawn = np.random.default_rng(seed)
    spread = np.full(cases, 0.05) if math.isinf(degrees) else 0.05 * np.sqrt(degrees / drawn.chisquare(degrees, cases))
    return (10 * np.exp(drawn.normal(0, spread[:, None], (cases, n)))).tolist()


@pytest.mark.parametrize("degrees", [math.inf, 8.0, 3.0])
@pytest.mark.parametrize("n", [2, 3])
def test_the_interval_holds_the_truth_as_often_as_it_says(degrees: float, n: int) -> None:
    held, widths = [], []
    for seed in range(60):
        found = world(seed, 60, n, degrees)
        by = law(found)
        assert by is not None
        for values in found:
            centre, low, high = moderated(values, by)
            assert low <= centre <= high
            held.append(low <= 10 <= high)
            widths.append(math.log(high / low))
    assert 0.925 < np.mean(held) < 0.99
    alone = [math.log(high / low) for _, low, high in map(of_median, world(0, 60, n, degrees))]
    assert np.median(widths) < np.median(alone)


def test_spreads_that_are_alike_are_pooled_and_others_are_not() -> None:
    alike, own = law(world(0, 400, 3, math.inf)), law(world(0, 400, 3, 1.0))
    assert alike and own
    assert alike.degrees > 10 and own.degrees < 2
    assert alike.variance == pytest.approx(0.05**2, rel=0.2)


def test_a_case_that_varies_more_than_the_others_has_a_wider_interval() -> None:
    by = law(world(0, 60, 2, 3.0))
    assert by is not None
    calm, wild = (math.log(high / low) for _, low, high in (moderated(v, by) for v in ([10, 10.1], [10, 20])))
    assert wild > 3 * calm


def test_too_few_cases_have_no_law() -> None:
    found = world(0, LEAST, 2, math.inf)
    assert law(found) is not None
    assert law(found[1:]) is None
    assert law([*found[1:], [7.0, 7.0]]) is None, "what does not vary says nothing"
