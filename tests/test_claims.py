"""Verdicts follow the records: of the cases of a claim's own command, some numbers hold it and others refute it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from zlib import crc32

import pytest
from sweeps import CALIBRATIONS, pretend

from avbench.claims import parsed, requests
from avbench.find import find
from avbench.request import Request
from reports.claims.verdicts import CLAIMS, Verdict, verdicts
from reports.claims.verdicts import verdict as judged
from reports.claims.view import FAILS, HOLDS, LIMITS, OPEN, UNMEASURED, View
from reports.document import Part, Say, Table
from reports.frame import tidy
from reports.sections.verdicts import section
from suite.axes import Limits
from suite.case import Case
from suite.plan import plan
from suite.record import Metric, Record

Numbers = Callable[[Case], dict[str, Any]]
NO_LIMITS = Limits(1e15, 10**18)


@cache
def planned(number: int) -> tuple[Case, ...]:
    """The cases of a claim's own commands, whatever they take."""
    asked = [replace(parsed(c), device="cpu", threads="1") for c in CLAIMS[number - 1].commands]
    plans = [plan(list(map(find, a.designs or ())), a.axes(), CALIBRATIONS, NO_LIMITS, pretend) for a in asked]
    assert all(p.status == "ok" for made in plans for p in made.cases)
    return tuple(p.case for made in plans for p in made.cases)


def measured(number: int, numbers: Numbers) -> list[Record]:
    """A record of each case: its metrics as value or (value, low, high), or its `status`."""
    return [record(case, **numbers(case)) for case in planned(number)]


def record(case: Case, status: str = "ok", reason: str = "", **metrics: Any) -> Record:
    values = {k: Metric(*v[:1], "", *v[1:]) if isinstance(v, tuple) else Metric(v, "") for k, v in metrics.items()}
    return Record(case, status, reason, values)


def verdict(number: int, records: Sequence[Record]) -> Verdict:
    return judged(CLAIMS[number - 1], View(tidy(records), {r.id: r for r in records}))


def by_quantity(**numbers: Numbers) -> Numbers:
    return lambda case: numbers[case.quantity](case) if case.quantity in numbers else {}


def wave(case: Case) -> float:
    """From -1 to 1, another for each case."""
    return crc32(case.id.encode()) % 1001 / 500 - 1


def grown(metric: str, power: float, noise: float = 0.01) -> Numbers:
    """A power of the number of tokens; noise for what is timed."""
    return lambda case: {metric: (case.height * case.width) ** power * (1 + noise * wave(case))}


def valued(metric: str, of: dict[str, float], noise: float = 0.01) -> Numbers:
    return lambda case: {metric: of[case.design] * (1 + noise * wave(case))}


def scored(of: dict[str, float], noise: float = 0.01, metric: str = "") -> Numbers:
    """A score for each design, position or decoder, and chance."""

    def numbers(case: Case) -> dict[str, Any]:
        name = metric or ("top1" if case.task == "classification" else "miou")
        base = next(of[k] for k in (case.decoder, case.position, case.design) if k in of)
        value = base + noise * wave(case)
        return {name: (value, value - 0.05, value + 0.05), "chance": 0.25}

    return numbers


def vit_grows(macs: float, latency: float, plain: float, fused: float, noise: float = 0.01) -> Numbers:
    return by_quantity(
        static=grown("macs", macs, 0),
        latency=grown("latency_ms", latency, noise),
        memory=lambda c: grown("peak_bytes", plain if c.backend == "math" else fused, 0)(c),
    )


def chains(rnn: float, vit: float, rnn_ms: float, vit_ms: float) -> Numbers:
    return by_quantity(
        probe=lambda c: grown("sequential_steps", rnn if c.design == "rnn" else vit, 0)(c),
        static=lambda c: {"macs": 1e6},
        latency=valued("latency_ms", {"rnn": rnn_ms, "vit": vit_ms}),
    )


def field(of: dict[str, float], metric: str) -> Numbers:
    return by_quantity(field=valued(metric, of, 0))


def two(better: str, worse: str, one: float, other: float, noise: float = 0.01) -> Numbers:
    return by_quantity(accuracy=scored({better: one, worse: other}, noise))


def changing(vit: float, conv: float, twin: float) -> Numbers:
    of_conv, others = {"data_dependence": conv}, {"map_change": vit, "twin_error": twin}
    return by_quantity(probe=lambda c: of_conv if c.design == "conv" else others)


def beyond(status: str, also_vit: bool = False, reason: str = "it needs 99 GB", side: int = 96) -> Numbers:
    def numbers(case: Case) -> dict[str, Any]:
        if case.height > side and (also_vit or case.design == "pixel"):
            return {"status": status, "reason": reason}
        return {"peak_bytes": 5.0} if case.quantity == "memory" else {"latency_ms": 5.0}

    return numbers


def hybrids(times: tuple[float, ...], scores: tuple[float, ...], noise: float = 0.01) -> Numbers:
    names = ("hybrid_high", "hybrid_mid", "hybrid_low")
    return by_quantity(
        latency=valued("latency_ms", dict(zip(names, times, strict=True))),
        accuracy=scored(dict(zip(names, scores, strict=True)), noise),
    )


def blocked(memory: float, time: float, score: float, noise: float = 0.01) -> Numbers:
    """`halo`, where `local` has 1 and .5."""
    return by_quantity(
        memory=valued("peak_bytes", {"halo": memory, "local": 1.0}, 0),
        latency=valued("latency_ms", {"halo": time, "local": 1.0}, 0.001),
        accuracy=scored({"halo": score, "local": 0.5}, noise),
    )


def axial(one: float, two: float, power: float) -> Numbers:
    tokens = {"field_tokens_1": one, "field_tokens_2": two}
    return by_quantity(static=grown("macs", power, 0), field=lambda c: tokens)


def approximate(power: float, distance: float, noise: float = 0.01) -> Numbers:
    return by_quantity(latency=grown("latency_ms", power, noise), probe=lambda c: {"softmax_distance": distance})


def moved(learned: float, sincos: float, bias: float, rotary: float, *scores: float) -> Numbers:
    errors = {"learned": learned, "sincos": sincos, "bias": bias, "rotary": rotary}
    scores_of = dict(zip(("rotary", "sincos"), scores, strict=False))
    return by_quantity(
        field=lambda c: {"shift_error_token": errors[c.position]},
        accuracy=scored(scores_of, metric="top1_moved50") if scores else lambda c: {"status": "not_reached"},
    )


GRATING = ("conv_stem", "downsample")
SCENARIOS = [
    (1, vit_grows(2, 2, 2, 2), HOLDS),
    (1, vit_grows(2, 2, 2, 1), LIMITS),
    (1, vit_grows(1, 1, 1, 1), FAILS),
    (1, vit_grows(2, 2, 2, 2, noise=0.5), OPEN),
    (2, chains(0.5, 0, 9, 3), HOLDS),
    (2, chains(0, 0.5, 3, 9), FAILS),
    (2, chains(0.5, 0, 3, 3), OPEN),
    (3, field({"vit": 1.0, "conv": 0.05}, "field_tokens_1"), HOLDS),
    (3, field({"vit": 0.9, "conv": 0.05}, "field_tokens_1"), FAILS),
    (4, two("vit", "single_head", 0.9, 0.5), HOLDS),
    (4, two("vit", "single_head", 0.5, 0.9), FAILS),
    (4, two("vit", "single_head", 0.6, 0.6, noise=0.1), OPEN),
    (4, two("vit", "single_head", 0.25, 0.2), OPEN),
    (5, changing(0.3, 0, 0), HOLDS),
    (5, changing(0, 0.5, 0.1), FAILS),
    (5, changing(0.3, 0, 0.1), LIMITS),
    (6, beyond("oom"), HOLDS),
    (6, beyond("too_large"), LIMITS),
    (6, beyond("oom", also_vit=True), FAILS),
    (6, beyond("oom", side=512), FAILS),
    (6, beyond("too_slow", reason="give more --minutes", side=16), UNMEASURED),
    (7, two(*GRATING, 0.9, 0.4), HOLDS),
    (7, two(*GRATING, 0.4, 0.9), FAILS),
    (7, two(*GRATING, 0.6, 0.6, noise=0.1), OPEN),
    (8, two("vit", "conv_stem", 0.9, 0.4), HOLDS),
    (8, two("vit", "conv_stem", 0.4, 0.9), FAILS),
    (9, hybrids((3, 2, 1), (0.9, 0.7, 0.5)), HOLDS),
    (9, hybrids((1, 2, 3), (0.9, 0.7, 0.5)), FAILS),
    (9, hybrids((1, 2, 0.5), (0.9, 0.7, 0.5)), LIMITS),
    (9, hybrids((1, 2, 3), (0.6, 0.6, 0.6), noise=0.1), OPEN),
    (9, hybrids((1, 2, 3), (0.25, 0.2, 0.2)), OPEN),
    (10, by_quantity(static=grown("macs", 1, 0), latency=grown("latency_ms", 1.05)), HOLDS),
    (10, by_quantity(static=grown("macs", 2, 0), latency=grown("latency_ms", 2)), FAILS),
    (10, by_quantity(static=grown("macs", 1, 0), latency=grown("latency_ms", 1, 0.6)), OPEN),
    (11, blocked(0.5, 0.5, 0.9), HOLDS),
    (11, blocked(2, 2, 0.3), FAILS),
    (11, blocked(0.5, 2, 0.9), LIMITS),
    (11, blocked(0.5, 0.5, 0.5, noise=0.1), OPEN),
    (12, field({"swin": 1.0, "window": 0.25}, "field_tokens_last"), HOLDS),
    (12, field({"swin": 0.8, "window": 0.25}, "field_tokens_last"), FAILS),
    (12, field({"swin": 1.0, "window": 1.0}, "field_tokens_last"), LIMITS),
    (13, axial(0.1, 1.0, 1.5), HOLDS),
    (13, axial(1.0, 1.0, 2), FAILS),
    (13, axial(0.1, 0.5, 0.5), FAILS),
    (13, axial(0.1, 1.0, 0.5), LIMITS),
    (14, approximate(1, 0.1), HOLDS),
    (14, approximate(2, 1.0), FAILS),
    (14, approximate(1, 1.0), LIMITS),
    (14, approximate(1, 0.1, noise=0.6), OPEN),
    (15, moved(0.04, 0.06, 0.001, 0.002, 0.9, 0.3), HOLDS),
    (15, moved(0.04, 0.06, 0.05, 0.06, 0.3, 0.9), FAILS),
    (15, moved(0.04, 0.06, 0.001, 0.03, 0.9, 0.3), LIMITS),
    (15, moved(0.04, 0.06, 0.001, 0.002), OPEN),
    (16, two("vit", "conv", 0.9, 0.5), HOLDS),
    (16, two("vit", "conv", 0.5, 0.9), FAILS),
    (16, two("vit", "conv", 0.6, 0.6, noise=0.1), OPEN),
]  # fmt: skip


@pytest.mark.parametrize(("number", "numbers", "expected"), SCENARIOS)
def test_verdicts_follow_the_numbers_of_the_claims_own_cases(number: int, numbers: Numbers, expected: str) -> None:
    records = measured(number, numbers)
    found = verdict(number, records)
    assert found.verdict == expected, found.said
    assert set(found.ids) <= {r.id for r in records} and bool(found.ids) == (expected != UNMEASURED)
    assert ("avbench sweep" in found.said) == (expected in (OPEN, UNMEASURED))


def test_every_claim_with_a_command_can_hold_and_can_fail() -> None:
    assert len(CLAIMS) == 21 and all(c.says.endswith(".") and c.judged_by for c in CLAIMS)
    reached = {(number, expected) for number, _, expected in SCENARIOS}
    assert {(c.number, word) for c in CLAIMS if c.command for word in (HOLDS, FAILS)} <= reached


def test_what_was_not_measured_names_the_command_or_what_is_missing() -> None:
    records = [record(replace(planned(3)[0], design="other"), field_tokens_1=1.0)]
    found = list(verdicts(tidy(records), records))
    assert [v.claim.number for v in found] == list(range(1, 22))
    assert {v.verdict for v in found} == {UNMEASURED}
    assert all("avbench sweep" in v.said or "it needs" in v.said for v in found)
    assert {v.verdict for v in verdicts(tidy([]), [])} == {UNMEASURED}


def test_only_rows_of_one_size_and_setting_are_compared() -> None:
    """A design that was measured at more sizes and batches is compared where the other was."""
    case = next(c for c in planned(11) if c.quantity == "latency")
    more = [{}, {"height": 1024, "width": 1024}, {"batch": 8}, {"params_budget": 1_000_000, "batch": 8}]
    cases = [replace(case, design="halo", **m) for m in more] + [replace(case, design="local")]
    records = [record(c, latency_ms=float(c.height * c.batch)) for c in cases]
    view = View(tidy(records))
    found = view.common(view.rows("halo"), view.rows("local"))
    assert found and [n.row["id"] for n in found] == [records[0].id, records[-1].id]
    assert set(view.used) == {records[0].id, records[-1].id}
    assert view.common(view.rows("halo", batch=8), view.rows("local")) is None
    assert found[0].at == f"{case.height} pixels"


def test_seeds_tell_designs_apart_whose_intervals_overlap() -> None:
    """One seed shows both designs the same images: what it does to both is no difference between them."""

    def numbers(case: Case) -> dict[str, Any]:
        score = (0.6 if case.design == "conv_stem" else 0.5) + case.seed / 10 + wave(case) / 100
        return {"top1": (score, score - 0.05, score + 0.05), "chance": 0.25}

    records = measured(7, numbers)
    assert verdict(7, records).verdict == HOLDS
    assert verdict(7, [r for r in records if r.case.seed == 0]).verdict == OPEN, "a single seed decides nothing"


def test_designs_that_saw_other_numbers_of_images_are_not_told_apart() -> None:
    records = measured(7, two(*GRATING, 0.9, 0.4))
    seen = {"conv_stem": 8000, "downsample": 2000}
    unlike = [replace(r, metrics=r.metrics | {"images_seen": Metric(seen[r.case.design], "")}) for r in records]
    assert verdict(7, records).verdict == HOLDS and verdict(7, unlike).verdict == OPEN


def test_exponents_over_other_sizes_are_not_judged_together() -> None:
    records = measured(1, vit_grows(2, 2, 2, 2))
    cut = [r for r in records if r.case.quantity != "latency" or r.case.height < 96]
    assert verdict(1, records).verdict == HOLDS and verdict(1, cut).verdict == UNMEASURED


def test_what_was_tested_at_another_size_decides_no_claim() -> None:
    records = measured(16, two("vit", "conv", 0.9, 0.5))
    elsewhere = [replace(r, metrics=r.metrics | {"miou@128": Metric(0.1, "")}) for r in records]
    assert verdict(16, elsewhere) == verdict(16, records)


def test_a_report_shows_verdicts_and_every_record_behind_them() -> None:
    records = measured(7, two(*GRATING, 0.9, 0.4))
    made = section(tidy(records), records)
    assert made is not None
    say, table, behind = made.blocks
    assert isinstance(table, Table) and len(table.blocks[0].rows) == 21
    assert isinstance(say, Say) and say.words == ("Of 21 claims 20 are not measured yet, 1 hold.",)
    assert isinstance(behind, Part) and isinstance(behind.blocks[0], Table)
    (row,) = behind.blocks[0].blocks[0].rows
    assert row.head == "C7" and set(row.cells[0].text.split(", ")) == {r.id for r in records}
    assert section(tidy(records[:1]), records[:1]) is None


def test_the_user_decides_the_effort_that_a_command_leaves_open() -> None:
    asked = list(requests(Request(rounds=2, params="2M", threads="1")))
    assert len(asked) == sum(len(claim.commands) for claim in CLAIMS)
    assert all(one.rounds == 2 and one.threads == "1" for one in asked)
    assert {one.params for one in asked if "accuracy" not in one.metric} == {"2M"}
    assert {one.params for one in asked if "accuracy" in one.metric} == {"1M", "0.4M"}
    assert all(one.seeds >= 3 and one.train_minutes == 0 for one in asked if "accuracy" in one.metric)
