"""Growth: what cards state is what is counted; fits, crossings and largest sizes on curves that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from report_fakes import made, network
from scipy import stats

from avbench.find import find, names
from reports.crossing import crossing, crossovers, largest
from reports.frame import tidy
from reports.growth import degree, exponents, line, stated
from suite.alone import Alone
from suite.record import Metric, Record
from suite.simulate import simulate
from variants.contract import Grid

SIDES = (64, 128, 256, 512)


def exponent(sizes: list[int], values: list[int]) -> float:
    return line([math.log(n) for n in sizes], [math.log(v) for v in values]).slope


@pytest.mark.parametrize("name", names())
def test_a_mixer_grows_as_its_card_states(name: str) -> None:
    """Multiply-adds at sizes so large that the leading term is alone, memory as it is simulated."""
    recipe: Any = find(name)
    with torch.device("meta"):
        mixer, _ = recipe.alone(Grid(SIDES[-1], SIDES[-1]))
    huge = [Grid(2**power, 2**power) for power in range(12, 16)]
    macs = [mixer.macs(grid) for grid in huge]
    assert exponent([grid.n for grid in huge], macs) == pytest.approx(degree(recipe.card.time), abs=0.03)
    passes = [simulate(Alone(recipe), "classification", 1, Grid(side, side)) for side in SIDES]
    peaks = [found.peak_bytes for found in passes]
    assert exponent([side**2 for side in SIDES], peaks) == pytest.approx(degree(recipe.card.memory), abs=0.04)
    assert [found.macs for found in passes] == [mixer.macs(Grid(side, side)) for side in SIDES]


@pytest.mark.parametrize(
    ("growth", "power"),
    [
        ("n² d", 2), ("n √n d", 1.5), ("n^1.5 d", 1.5), ("√(n d) n", 1.5), ("n (d + h side²)", 1), ("n (d + h n)", 2),
        ("n d w² / block²", 1), ("n² d, n = Y X / 64", 2), ("n d + Y X d / 32", 1), ("d e", 0), ("9 n d²", 1),
        ("n² / n", 1), ("(n d)³", 3), ("0", 0), ("n d + n² d", 2),
    ],
)  # fmt: skip
def test_the_power_of_n_in_a_stated_growth(growth: str, power: float) -> None:
    assert degree(growth) == power


@pytest.mark.parametrize("growth", ["", "n +", "n )", "(n", "n * d", "² n", "linear!"])
def test_a_growth_that_cannot_be_read_is_refused(growth: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        degree(growth)


def test_a_line_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=9), rng.normal(size=9)
    found, expected = line(x, y), stats.linregress(x, y)
    assert found.slope == pytest.approx(expected.slope)
    assert found.error == pytest.approx(expected.stderr)
    assert found.at(0.0) == pytest.approx(expected.intercept)


def test_the_interval_of_a_root_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    x, covered, trials = np.arange(6.0), 0, 2000
    for _ in range(trials):
        root = line(x, 2.0 * x - 9.0 + rng.normal(scale=1.5, size=6)).root()  # zero at 4.5
        assert root is not None
        covered += root[1] <= 4.5 <= root[2]
    assert covered / trials == pytest.approx(0.95, abs=0.015)
    flat = line(x, np.array([1.0, 1.1, 0.9, 1.0, 1.1, 0.95])).root()
    assert flat is not None and flat[1:] == (-np.inf, np.inf), "nothing bounds the root of what may be level"
    assert line(x, np.ones(6)).root() is None


def curve(name: str, metric: str, values: dict[int, float], spread: float = 0.0, **case: Any) -> list[Record]:
    """A value at each side; where there is a spread, three processes that lie so far apart."""
    quantity = {"macs": "static", "peak_bytes": "memory", "latency_ms": "latency"}[metric]
    start = network(name, quantity=quantity, **case)
    return [
        made(replace(start, height=side, width=side, round=i), {metric: Metric(value * factor, "")})
        for side, value in values.items()
        for i, factor in enumerate((1 - spread, 1, 1 + spread) if spread else (1,))
    ]


def power(factor: float, exponent: float, sides: tuple[int, ...] = SIDES) -> dict[int, float]:
    return {side: factor * float(side) ** exponent for side in sides}


def test_an_exponent_is_of_pixels_or_of_tokens_with_its_error() -> None:
    records = curve("vit", "macs", power(5, 3)) + curve("vit", "macs", power(2, 4), scope="mixer")
    records += curve("conv", "macs", power(3, 2, SIDES[:3]))
    records = [replace(r, notes={"stated_time": "n² d", "stated_memory": "n d"}) for r in records]
    found = exponents(tidy(records), stated(records)).set_index("scope")
    assert len(found) == 2, "three sizes make no fit"
    assert found.loc["network", "exponent"] == pytest.approx(1.5)
    assert found.loc["mixer", "exponent"] == pytest.approx(2)
    assert dict(found["against"]) == {"network": "pixels", "mixer": "tokens"}
    assert found.loc["mixer", ["error", "sizes", "smallest", "largest"]].tolist() == [
        pytest.approx(0, abs=1e-9), 4, "64", "512",
    ]  # fmt: skip
    assert found.loc["mixer", ["stated", "stated_exponent"]].tolist() == ["n² d", 2]


def test_what_a_stranger_states_in_words_has_no_exponent() -> None:
    records = [replace(r, notes={"stated_time": "as it pleases!"}) for r in curve("mine", "macs", power(5, 2))]
    (row,) = exponents(tidy(records), stated(records)).to_dict("records")
    assert row["stated"] == "as it pleases!" and row["stated_exponent"] is None
    assert exponents(tidy([])).empty


def one(table: pd.DataFrame, series: str) -> dict[str, Any]:
    (row,) = table[table["series"] == series].to_dict("records")
    return {k: None if pd.isna(row[k]) else row[k] for k in ("kind", "pixels", "low", "high")}


def test_a_crossing_between_measured_sizes() -> None:
    """side³ passes 100 side² at 100; between sizes both are powers, so nothing is lost."""
    records = curve("vit", "macs", power(1, 3)) + curve("conv", "macs", power(100, 2))
    assert one(crossovers(tidy(records)), "conv") == {
        "kind": "measured", "pixels": pytest.approx(100), "low": None, "high": None,
    }  # fmt: skip
    records = curve("vit", "latency_ms", power(1, 3), 0.01) + curve("conv", "latency_ms", power(100, 2), 0.01)
    found = one(crossovers(tidy(records)), "conv")
    assert found["kind"] == "measured"
    assert found["pixels"] == pytest.approx(100)
    assert 90 < found["low"] < 100 < found["high"] < 111


def test_an_end_that_no_measurement_bounds_is_infinite() -> None:
    records = curve("vit", "latency_ms", power(1, 3), 0.2) + curve("conv", "latency_ms", power(480, 2), 0.2)
    found = one(crossovers(tidy(records)), "conv")
    assert found["pixels"] == pytest.approx(480)
    assert found["low"] < 480 and found["high"] == math.inf


@pytest.mark.parametrize(("sure", "low", "high"), [((-1, 0.1, -0.05), 0, math.inf), ((-1, 0.1, 0.2), 0, 242)])
def test_an_interval_ends_where_the_intervals_stay_apart(sure: tuple[float, ...], low: float, high: float) -> None:
    """The design's interval is as wide on both sides, the rival's has no width; the optimist sees no crossing."""
    gain = np.array([-0.1, 0.3, 0.4])
    wide = gain - np.array(sure)
    both = pd.DataFrame({"pixels": [64, 256, 512], "interval": "over 3", "interval_of_reference": "over 3"})
    both = both.assign(value=np.exp(-gain), low=np.exp(-gain - wide), high=np.exp(-gain + wide))
    both = both.assign(value_of_reference=1.0, low_of_reference=1.0, high_of_reference=1.0)
    found = crossing(both)
    assert found["kind"] == "measured" and 64 < found["pixels"] < 256
    assert (found["low"], found["high"]) == (low, pytest.approx(high, rel=0.1))


def test_cheaper_at_every_size_is_said_apart_where_intervals_overlap() -> None:
    records = curve("vit", "latency_ms", power(1, 3), 0.01) + curve("conv", "latency_ms", power(60, 2), 0.2)
    records += curve("swin", "latency_ms", power(1, 2), 0.01)
    found = crossovers(tidy(records))
    assert one(found, "conv")["kind"] == "level" and one(found, "swin")["kind"] == "below"


@pytest.mark.parametrize("sides", [SIDES[:2], SIDES[:3]])
def test_from_few_sizes_nothing_is_extrapolated(sides: tuple[int, ...]) -> None:
    """They meet at 300, beyond all sizes: that no fit says so does not make it far away."""
    records = curve("vit", "macs", power(1, 3, sides)) + curve("conv", "macs", power(300, 2, sides))
    assert one(crossovers(tidy(records)), "conv")["kind"] == "after"


def test_a_law_that_crosses_before_the_largest_size_says_nothing_of_later_ones() -> None:
    gains = dict(zip(SIDES, (-2.0, -0.2, 0.5, -0.01), strict=True))
    records = curve("vit", "macs", power(1, 3))
    records += curve("conv", "macs", {side: side**3 / math.exp(gain) for side, gain in gains.items()})
    assert one(crossovers(tidy(records)), "conv")["kind"] == "after"


def test_no_crossing_is_said_as_such() -> None:
    records = (
        curve("vit", "macs", power(1, 3)) + curve("conv", "macs", power(10, 2)) + curve("swin", "macs", power(9, 3))
    )
    found = crossovers(tidy(records))
    assert one(found, "conv") == {"kind": "below", "pixels": None, "low": None, "high": None}
    assert one(found, "swin") == {"kind": "beyond", "pixels": None, "low": None, "high": None}
    assert "vit" not in set(found["series"])
    assert crossovers(tidy(curve("conv", "macs", power(10, 2)))).empty, "there is nothing to compare with"


def test_a_crossing_beyond_all_sizes_is_extrapolated() -> None:
    rng = np.random.default_rng(2)
    noisy = {side: value * math.exp(rng.normal(scale=0.02)) for side, value in power(900, 2).items()}
    found = one(crossovers(tidy(curve("vit", "macs", power(1, 3)) + curve("conv", "macs", noisy))), "conv")
    assert found["kind"] == "extrapolated"
    assert found["pixels"] == pytest.approx(900, rel=0.05)
    assert found["low"] < 900 < found["high"]


def test_networks_are_not_compared_with_mixers_or_other_settings() -> None:
    records = curve("vit", "macs", power(1, 3), scope="mixer") + curve("conv", "macs", power(100, 2))
    assert crossovers(tidy(records)).empty
    records = curve("vit", "latency_ms", power(1, 3)) + curve("conv", "latency_ms", power(100, 2), batch=8)
    assert crossovers(tidy(records)).empty


def test_a_rival_in_several_forms_is_that_of_the_same_layout_or_the_usual_one() -> None:
    records = [
        *curve("vit", "macs", power(1, 3)),
        *curve("vit", "macs", power(2, 3), layout="pyramid"),
        *curve("vit", "macs", power(3, 3), position="sincos"),
        *curve("conv", "macs", power(100, 2), layout="pyramid", position="none"),
        *curve("swin", "macs", power(100, 2), layout="bottleneck", position="none"),
        *curve("linear", "macs", power(100, 2), layout="isotropic", position="sincos"),
    ]
    found = crossovers(tidy(records)).set_index("series")
    assert dict(found["reference"]) == {
        "conv": "vit · pyramid · learned", "swin": "vit · isotropic · learned", "linear": "vit · isotropic · sincos",
    }  # fmt: skip
    assert found.loc["swin", "pixels"] == pytest.approx(100)


def test_the_largest_size_within_a_limit() -> None:
    records = curve("vit", "latency_ms", power(1, 2), 0.01) + curve("conv", "latency_ms", power(1e9, 2))
    assert one(largest(tidy(records), "latency_ms", 1.0), "vit")["kind"] == "above"
    found = one(largest(tidy(records), "latency_ms", 100.0**2), "vit")
    assert found["kind"] == "measured"
    assert found["pixels"] == pytest.approx(100)
    assert 95 < found["low"] < 100 < found["high"] < 105
    wide = one(largest(tidy(curve("vit", "latency_ms", power(1, 2), 0.5)), "latency_ms", 66.0**2), "vit")
    assert wide["low"] == 0 and 66 < wide["high"] < 512, "even the smallest size may be over the limit"
    assert one(largest(tidy(records), "latency_ms", 1.0), "conv") == {
        "kind": "above", "pixels": None, "low": None, "high": None,
    }  # fmt: skip


def test_the_largest_size_beyond_all_is_extrapolated_or_said_to_be_beyond() -> None:
    records = curve("vit", "peak_bytes", power(1, 2)) + curve(
        "conv", "peak_bytes", {64: 1.0, 128: 8.0, 256: 32.0, 512: 128.0}
    )
    found = largest(tidy(records), "peak_bytes", 1024.0**2)
    assert one(found, "vit") == {
        "kind": "extrapolated", **dict.fromkeys(("pixels", "low", "high"), pytest.approx(1024)),
    }  # fmt: skip
    bent = one(largest(tidy(records), "peak_bytes", 256.0), "conv")
    assert bent["pixels"] == pytest.approx(512 * 2 ** (1 / 2.3), rel=1e-6), "the fitted exponent, 2.3, is the larger"
    assert bent["low"] < bent["pixels"] < bent["high"]
    assert one(found, "conv") == {"kind": "beyond", "pixels": None, "low": pytest.approx(512), "high": None}


def test_what_was_too_large_to_measure_stands_as_predicted() -> None:
    records = curve("vit", "peak_bytes", power(1, 2, (64, 128)))
    case = network("vit", quantity="memory", height=256, width=256)
    records.append(made(case, {}, status="too_large", reason="needs more", notes={"predicted_bytes": 4.0 * 256**2}))
    found = one(largest(tidy(records), "peak_bytes", 200.0**2), "vit")
    assert found["kind"] == "predicted" and 128 < found["pixels"] < 200
    assert one(largest(tidy(records), "peak_bytes", 100.0**2), "vit")["kind"] == "measured"
