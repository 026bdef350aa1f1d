"""Verdicts follow the records: the same claim holds on one set of numbers and fails on another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from avbench.claims import requests
from avbench.request import Request
from reports.claims.verdicts import CLAIMS, Verdict, verdicts
from reports.claims.view import FAILS, HOLDS, LIMITS, UNMEASURED
from reports.document import Say, Table
from reports.frame import tidy
from reports.sections.verdicts import section
from suite.case import Case
from suite.record import Metric, Record

TOKENS = (16, 24, 32, 48, 64)


def record(
    design: str, side: int, metrics: dict[str, Any], status: str = "ok", reason: str = "", **case: Any
) -> Record:
    """One record; a metric is a value, or (value, low, high)."""
    values = {
        k: Metric(*(v if isinstance(v, tuple) else (v,))[:1], "", *(v[1:] if isinstance(v, tuple) else ()))
        for k, v in metrics.items()
    }
    about: dict[str, Any] = {"quantity": "latency", "layout": "isotropic", "position": "none", "task": "classification"}
    return Record(Case(design=design, classes=4, height=side, width=side, **about | case), status, reason, values)


def growing(design: str, metric: str, power: float, noise: float = 0.0, **case: Any) -> list[Record]:
    """A mixer alone whose metric grows as a power of its tokens."""
    wave = [1.0, -1.0, 0.5, -0.5, 1.0]
    values = [side ** (2 * power) * (1 + noise * w) for side, w in zip(TOKENS, wave, strict=True)]
    quantity = {"macs": "static", "peak_bytes": "memory"}.get(metric, "latency")
    return [
        record(design, side, {metric: value}, quantity=quantity, scope="mixer", **case)
        for side, value in zip(TOKENS, values, strict=True)
    ]


def score(design: str, value: float, half: float, data: str, task: str = "classification", **case: Any) -> list[Record]:
    """Three seeds of an accuracy whose interval over seeds is about `half` each way."""
    metric = "top1" if task == "classification" else "miou"
    spread = [-half / 2.5, 0.0, half / 2.5]
    return [
        record(design, 64, {metric: (value + s, value - 0.1, value + 0.1)}, quantity="accuracy", mode="train",
               task=task, data=data, seed=seed, **case)
        for seed, s in enumerate(spread)
    ]  # fmt: skip


def verdict(number: int, records: Iterable[Record]) -> Verdict:
    found: Verdict = next(v for v in verdicts(tidy(records)) if v.claim.number == number)
    return found


def quadratic(work: float, time: float, memory: float) -> list[Record]:
    return [
        *growing("vit", "macs", work),
        *growing("vit", "latency_ms", time, 0.02),
        *growing("vit", "peak_bytes", memory),
    ]


GRATING, LEGEND, CUE = "scenes:grating", "scenes:legend", "scenes:cue"


def heads(several: float, one: float, half: float) -> list[Record]:
    return [r for d, v in (("vit", several), ("single_head", one)) for r in score(d, v, half, LEGEND, "segmentation")]


def shifted(**errors: float) -> list[Record]:
    return [
        record("vit", 64, {"shift_error_token": e}, quantity="field", position=name) for name, e in errors.items()
    ]  # fmt: skip


EXPECTED = [
    (1, quadratic(2, 2, 2), HOLDS),
    (1, quadratic(1.8, 1.9, 1), LIMITS),
    (1, quadratic(1, 1, 1), FAILS),
    (2, [record(d, 64, {"sequential_steps": n}, quantity="probe") for d, n in (("rnn", 64), ("vit", 8))], HOLDS),
    (2, [record(d, 64, {"sequential_steps": n}, quantity="probe") for d, n in (("rnn", 8), ("vit", 8))], FAILS),
    (3, [record(d, 64, {"field_tokens_1": s}, quantity="field") for d, s in (("vit", 1.0), ("conv", 0.05))], HOLDS),
    (3, [record(d, 64, {"field_tokens_1": s}, quantity="field") for d, s in (("vit", 0.9), ("conv", 0.05))], FAILS),
    (4, heads(0.9, 0.5, 0.02), HOLDS),
    (4, heads(0.5, 0.9, 0.02), FAILS),
    (4, heads(0.8, 0.9, 0.3), LIMITS),
    (6, [record("pixel", 32, {"latency_ms": 5.0}), record("pixel", 224, {}, "too_large", "needs 99 GB"),
         record("vit", 224, {"latency_ms": 5.0})], HOLDS),
    (7, score("conv_stem", 0.9, 0.02, GRATING) + score("downsample", 0.4, 0.02, GRATING), HOLDS),
    (7, score("conv_stem", 0.4, 0.02, GRATING) + score("downsample", 0.9, 0.02, GRATING), FAILS),
    (8, score("conv_stem", 0.9, 0.02, GRATING) + score("vit", 0.4, 0.02, GRATING), FAILS),
    (8, score("conv_stem", 0.9, 0.3, GRATING) + score("vit", 0.8, 0.3, GRATING), LIMITS),
    (10, [*growing("local", "macs", 1), *growing("local", "latency_ms", 1.05, 0.02)], HOLDS),
    (10, [*growing("local", "macs", 2), *growing("local", "latency_ms", 2, 0.02)], FAILS),
    (12, [record("swin", 64, {"field_tokens_last": 1.0, "field_full_after": 6}, quantity="field"),
          record("window", 64, {"field_tokens_last": 0.0625}, quantity="field")], HOLDS),
    (12, [record("swin", 64, {"field_tokens_last": 0.8}, quantity="field")], LIMITS),
    (13, [*growing("axial", "macs", 1.5),
          record("axial", 64, {"field_tokens_1": 0.1, "field_tokens_2": 1.0}, quantity="field")], HOLDS),
    (15, shifted(learned=0.04, sincos=0.06, bias=0.001, rotary=0.009), LIMITS),
    (15, shifted(learned=0.04, rotary=0.05), FAILS),
    (16, [*score("vit", 0.9, 0.02, CUE, "segmentation", decoder="pup"), *score("conv", 0.5, 0.02, CUE, "segmentation")],
     HOLDS),
]  # fmt: skip


@pytest.mark.parametrize(("number", "records", "expected"), EXPECTED)
def test_verdicts_follow_the_numbers(number: int, records: list[Record], expected: str) -> None:
    found = verdict(number, records)
    assert found.verdict == expected, found.said
    assert found.said and set(found.ids) <= {r.id for r in records} and found.ids


def test_what_was_not_measured_names_the_command() -> None:
    records = [record("vit", 32, {"latency_ms": 1.0})]
    found = list(verdicts(tidy(records)))
    assert [v.claim.number for v in found] == list(range(1, 22))
    assert {v.verdict for v in found} == {UNMEASURED}
    assert all("avbench sweep" in v.said or "no command" in v.said for v in found)


def test_an_empty_run_has_no_verdict() -> None:
    assert {v.verdict for v in verdicts(tidy([]))} == {UNMEASURED}


def test_every_claim_says_how_it_is_judged() -> None:
    assert len(CLAIMS) == 21 and all(c.says.endswith(".") and c.judged_by for c in CLAIMS)


def test_a_single_seed_decides_nothing() -> None:
    """Its interval is over test images, and says nothing of another seed."""
    better, worse = score("conv_stem", 0.9, 0.02, GRATING)[:1], score("downsample", 0.4, 0.02, GRATING)[:1]
    found = verdict(7, better + worse)
    assert found.verdict == LIMITS and "not told apart" in found.said


def test_c11_compares_memory_time_and_accuracy() -> None:
    def networks(halo: float) -> list[Record]:
        sides = {"halo": halo, "local": 10.0}
        rounds = [
            record(d, 64, {"latency_ms": ms * (1 + r / 1000)}, round=r) for d, ms in sides.items() for r in range(3)
        ]
        return rounds + [record(d, 64, {"peak_bytes": 10 * ms}, quantity="memory") for d, ms in sides.items()]

    better = score("halo", 0.9, 0.02, GRATING) + score("local", 0.5, 0.02, GRATING)
    assert verdict(11, networks(5.0)).verdict == LIMITS  # accuracy is not there
    assert verdict(11, networks(5.0) + better).verdict == HOLDS
    assert verdict(11, networks(20.0)).verdict == FAILS


def test_a_report_shows_verdicts_where_the_records_decide_any() -> None:
    table = section(tidy(quadratic(1.8, 1.9, 1)))
    assert table is not None
    (say, made) = table.blocks
    assert isinstance(made, Table) and len(made.blocks[0].rows) == 21
    assert isinstance(say, Say) and say.words == ("Of 21 claims 20 are not measured yet, 1 hold within limits.",)
    assert section(tidy([record("vit", 32, {"latency_ms": 1.0})])) is None


def test_every_command_of_a_claim_can_be_planned() -> None:
    asked = list(requests(Request(rounds=2, params="1M")))
    assert len(asked) >= 16 and all(one.rounds == 2 and one.params == "1M" for one in asked)
    for one in asked:
        one.axes()


def test_what_was_tested_at_another_size_decides_no_claim() -> None:
    records = score("vit", 0.9, 0.01, CUE, "segmentation", decoder="naive")
    records += score("conv", 0.5, 0.01, CUE, "segmentation")
    elsewhere = [replace(r, metrics=r.metrics | {"miou@128": Metric(0.99, "")}) for r in records]
    assert verdict(16, elsewhere) == verdict(16, records)
    assert verdict(16, records).verdict == HOLDS
