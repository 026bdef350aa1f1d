"""`--batch max`: as many images as fit in memory and in time, and as many again when a run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from sweeps import CALIBRATIONS, DATA, FakeWorker, axes, pretend

from avbench.planning import brief, row, told
from avbench.request import Request
from suite.axes import Axes, Learning, Limits
from suite.fill import chosen, largest_batch
from suite.latency import PATIENCE
from suite.measure import Bench
from suite.plan import Plan, plan
from suite.predict import LATENCY_PASSES, Prediction
from suite.record import Record, read
from suite.run import run

TINY = fakes.find("tiny")
ASKED = replace(axes(64, metrics="memory,latency"), batches=(1, "max"), modes=("inference", "train"), rounds=2)
IMAGE = 100 * 64**2  # bytes that an inference of one image is said to need


def made(memory: int, asked: Axes = ASKED, before: Iterable[Record] = (), seconds: float = 1e6) -> Plan:
    return plan([TINY], asked, CALIBRATIONS, Limits(seconds, memory), pretend, filled=chosen(before))


def batches(found: Plan) -> dict[tuple[str, str], set[int]]:
    """Of the cases that fill the memory, by quantity and mode."""
    by: dict[tuple[str, str], set[int]] = {}
    for case in (p.case for p in found.cases if p.case.fills_memory):
        by.setdefault((case.quantity, case.mode), set()).add(case.batch)
    return by


def cost(images: int) -> Prediction:
    """A megabyte and 10 ms an image."""
    return Prediction(1, 10**6 * images, 10**6 * images, 0.01 * images, 0.01)


@pytest.mark.parametrize(("free", "expected"), [(0, 1), (10**6, 1), (2 * 10**6, 2), (63 * 10**6, 32), (64 * 10**6, 64)])
def test_it_is_the_largest_power_of_two_that_fits(free: int, expected: int) -> None:
    assert largest_batch(cost, free, 1e6) == (expected, "memory")


@pytest.mark.parametrize(("images", "expected"), [(0.1, 1), (1, 1), (9, 8), (16, 16)])
def test_it_leaves_time_for_all_passes(images: float, expected: int) -> None:
    limit = images * 0.01 * LATENCY_PASSES / PATIENCE * (1 + 1e-9)
    assert largest_batch(cost, 10**12, limit) == (expected, "time")


def test_memory_and_latency_are_of_the_same_pass_in_every_round() -> None:
    free = 100 * IMAGE
    assert batches(made(free)) == {
        ("memory", "inference"): {64}, ("latency", "inference"): {64},
        ("memory", "train"): {32}, ("latency", "train"): {32},
    }  # fmt: skip
    assert {p.case.batch for p in made(free).cases if not p.case.fills_memory} == {1}


def test_one_and_the_largest_are_told_apart_even_where_they_are_equal() -> None:
    found = made(2 * IMAGE)
    ones = [p.case for p in found.cases if p.case.quantity == "latency" and p.case.mode == "inference"]
    assert [(c.batch, c.fills_memory) for c in ones] == [(1, False)] * 2 + [(1, True)] * 2
    assert len({p.case.id for p in found.cases}) == len(found.cases) == 2 * 2 + 2 * 2 * 2
    assert [told(c) for c in ones[1:3]] == ["latency", "latency largest batch, 1"]


@pytest.mark.parametrize(("seconds", "bound"), [(1e6, "memory"), (0.01, "time")])
def test_a_plan_says_whether_memory_or_time_is_the_bound(seconds: float, bound: str) -> None:
    found = [p for p in made(10 * IMAGE, seconds=seconds).cases if p.case.fills_memory]
    assert {p.bound for p in found} == {row(p)["bound"] for p in found} == {bound}
    assert brief(found[0], 1)["case"] == f"{told(found[0].case)} (by {bound})"


def test_what_does_not_fit_even_once_is_too_large() -> None:
    assert {p.status for p in made(IMAGE // 2).cases} == {"too_large"}


def test_a_run_goes_on_with_the_batches_that_it_began_with(tmp_path: Path) -> None:
    worker = FakeWorker()
    run(made(100 * IMAGE), tmp_path, Limits(), worker, clock=worker.clock)
    before, first = read(tmp_path), len(worker.seen)
    assert {(r.case.fills_memory, r.notes.get("bound")) for r in before} == {(False, None), (True, "memory")}
    assert batches(made(1000 * IMAGE)) != batches(made(100 * IMAGE)) == batches(made(1000 * IMAGE, before=before))
    assert {p.bound for p in made(1000 * IMAGE, before=before, seconds=0.01).cases if p.case.fills_memory} == {"memory"}
    run(made(1000 * IMAGE, before=before), tmp_path, Limits(), worker, clock=worker.clock)
    assert len(worker.seen) == first, "nothing is measured twice"


def test_a_training_goes_on_in_the_parts_that_it_began_with(tmp_path: Path) -> None:
    asked = replace(axes(64, metrics="accuracy"), learning=Learning((DATA,), batch=16))
    worker, limits = FakeWorker(), Limits(1e6)
    half = 3 * 8 * IMAGE + 1000  # bytes: a step needs three times what an inference does, beside what rests
    run(made(half, asked), tmp_path, limits, worker, clock=worker.clock)
    before = read(tmp_path)
    for memory in (half // 2, 10 * half):
        (again,) = made(memory, asked, before=before).cases
        assert again.case == before[0].case and again.case.at_once == 8
        run(made(memory, asked, before=before), tmp_path, limits, worker, clock=worker.clock)
    assert len(worker.seen) == 1, "nothing is learnt twice"
    seeds = replace(asked, learning=replace(asked.learning, seeds=2))
    assert {p.case.at_once for p in made(10 * half, seeds, before=before).cases} == {8}


def test_what_did_not_fit_is_planned_anew() -> None:
    asked = replace(axes(64, metrics="accuracy"), learning=Learning((DATA,), batch=16))
    (tight,) = made(IMAGE, asked).cases
    assert (tight.status, tight.case.at_once) == ("too_large", 1)
    (roomy,) = made(100 * IMAGE, asked, before=[Record(tight.case, tight.status)]).cases
    assert roomy.case.at_once == 0
    (smaller,) = made(30 * IMAGE, asked, before=[Record(roomy.case, "oom")]).cases
    assert smaller.case.at_once == 8, "--memory may say that there is less than it seemed"


def test_a_record_holds_how_many_images_it_was() -> None:
    case = next(p.case for p in made(10 * IMAGE).cases if p.case.fills_memory and p.case.quantity == "latency")
    metrics = Bench(fakes.find).measure(replace(case, height=16, width=16)).metrics
    assert (metrics["largest_batch"].value, metrics["largest_batch"].unit) == (case.batch, "images") == (8, "images")
    assert metrics["throughput_img_s"].value == pytest.approx(8e3 / metrics["latency_ms"].value)
    assert (
        "largest_batch" not in Bench(fakes.find).measure(replace(case, fills_memory=False, height=16, width=16)).metrics
    )


def test_max_is_a_batch_to_ask_for() -> None:
    assert Request(batch="1,max", device="cpu", data="digits").axes().batches == (1, "max")
