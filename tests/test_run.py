"""run: order, time, going on, failures, Ctrl-C, a full disk. The worker is a fake; one test uses a real one."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import fakes
import pytest
from sweeps import CALIBRATIONS, DATA, FakeWorker, axes, pretend

from suite.axes import Learning, Limits
from suite.case import Case
from suite.outcome import Event, Outcome
from suite.pace import Pace
from suite.plan import Plan, plan
from suite.record import STARTS, Journal, Record, latest, read
from suite.run import GRACE, run

ALL = "params,memory,latency,accuracy"


def planned(*sides: int, metrics: str = "params,memory,latency", limits: Limits | None = None, **more: Any) -> Plan:
    designs = [fakes.find("tiny"), fakes.find("convnet")]
    return plan(designs, replace(axes(*sides, metrics=metrics), **more), CALIBRATIONS, limits or Limits(), pretend)


def ran(made: Plan, folder: Path, worker: FakeWorker, limits: Limits | None = None) -> Outcome:
    return run(made, folder, limits or Limits(), worker, clock=worker.clock)


def statuses(folder: Path) -> dict[str, str]:
    return {record.id: record.status for record in latest(read(folder))}


def test_static_comes_first_then_whole_resolutions_then_rounds(tmp_path: Path) -> None:
    worker = FakeWorker()
    ran(planned(32, 64), tmp_path, worker)
    order = [(c.quantity == "static", c.round, c.height) for c in worker.seen]
    assert [o[0] for o in order] == [True] * 4 + [False] * (len(order) - 4)
    assert [o[1:] for o in order[4:]] == sorted(o[1:] for o in order[4:])
    assert worker.starts == 3, "one process for each round"


def test_a_network_is_built_once_for_all_that_infers(tmp_path: Path) -> None:
    """Its cases follow each other, those that train last; the cheapest network comes first."""
    worker = FakeWorker()
    made = planned(32, 64, metrics="memory,latency", modes=("inference", "train"), rounds=2)
    dear = [replace(p, seconds=99.0) if p.case.design == "tiny" and p.case.mode == "train" else p for p in made.cases]
    ran(Plan(tuple(dear)), tmp_path, worker)
    for round in (0, 1):
        seen = [(c.height, c.design, c.mode) for c in worker.seen if c.round == round]
        assert [alike for alike, _ in groupby(seen)] == [
            (side, design, mode)
            for side in (32, 64)
            for design in ("convnet", "tiny")
            for mode in ("inference", "train")
        ]


def test_accuracy_comes_after_the_first_round(tmp_path: Path) -> None:
    worker = FakeWorker()
    ran(planned(32, metrics=ALL), tmp_path, worker)
    kinds = [f"{c.quantity}{c.round}" for c in worker.seen]
    assert list(dict.fromkeys(kinds)).index("accuracy0") == 3
    assert kinds[-1] == "latency2"


def test_every_planned_case_becomes_a_record(tmp_path: Path) -> None:
    made = planned(32, 8192, metrics=ALL)
    outcome = ran(made, tmp_path, FakeWorker())
    assert set(statuses(tmp_path)) == {p.case.id for p in made.cases}
    assert outcome.not_tried == len(made.cases) - len(made.tried) > 0
    assert {p.status for p in made.cases} == set(statuses(tmp_path).values())


def test_what_the_minutes_do_not_allow_is_not_reached_and_measured_next_time(tmp_path: Path) -> None:
    made, worker, limits = planned(32, metrics=ALL), FakeWorker(takes=lambda case: 20.0), Limits(minutes=2)
    first = ran(made, tmp_path, worker, limits)
    assert worker.clock.now <= 120 + GRACE
    assert first.not_reached == len(made.tried) - first.measured > 0
    reasons = [r.reason for r in read(tmp_path) if r.status == "not_reached"]
    assert len(reasons) == first.not_reached
    assert all("needs about 0." in reason and "same command again" in reason for reason in reasons)
    second = ran(made, tmp_path, worker, Limits())
    assert (second.kept, second.measured) == (first.measured, first.not_reached)
    assert set(statuses(tmp_path).values()) == {"ok"}
    assert len({c.id for c in worker.seen}) == len(worker.seen), "nothing was measured twice"


def test_accuracy_leaves_the_later_rounds_their_time(tmp_path: Path) -> None:
    worker = FakeWorker(takes=lambda case: 50.0 if case.quantity == "accuracy" else 10.0)
    learning = Learning((DATA,), images=40_000, minutes=0, seeds=5)  # predicted to take 46 s each
    made = planned(32, metrics=ALL, learning=learning)
    ran(made, tmp_path, worker, Limits(minutes=5))
    kinds = [c.quantity for c in worker.seen]
    assert kinds.count("latency") == 6
    assert 2 <= kinds.count("accuracy") < 5


def test_a_case_that_hangs_at_the_end_of_the_run_is_not_reached(tmp_path: Path) -> None:
    worker = FakeWorker(takes=lambda case: 1e9 if case.quantity == "latency" else 1.0)
    ran(planned(32, rounds=1), tmp_path, worker, Limits(minutes=0.3, case_seconds=60))
    assert max(worker.limits) < 60
    assert {r.status for r in read(tmp_path) if r.case.quantity == "latency"} == {"not_reached"}
    assert worker.clock.now <= 18 + GRACE


def test_what_compiles_may_take_longer_and_says_nothing_of_what_does_not(tmp_path: Path) -> None:
    """Compiling takes half a minute more than predicted: it is waited for, and eager cases are expected as before."""
    worker, events = FakeWorker(takes=lambda case: 64.0 if case.compiled else 2.0), list[Event]()
    made = planned(32, metrics="latency", compiles=(True, False), rounds=1)
    made = Plan(tuple(replace(p, seconds=32.0 if p.case.compiled else 2.0) for p in made.cases))
    run(made, tmp_path, Limits(minutes=20), worker, events.append, clock=worker.clock)
    assert set(statuses(tmp_path).values()) == {"ok"}
    limits = {case.compiled: limit for case, limit in zip(worker.seen, worker.limits, strict=True)}
    assert limits == {False: 60.0, True: 3 * 32.0 + 60.0}
    pace = Pace()
    pace.learn(made.cases[0], 64.0)
    eager = next(p for p in made.cases if not p.case.compiled)
    assert pace.seconds(eager) == 2.0


def test_a_failure_is_a_row_and_is_not_tried_in_every_round(tmp_path: Path) -> None:
    worker = FakeWorker(fails=lambda case: "oom" if case.quantity == "latency" and case.design == "tiny" else "ok")
    ran(planned(32), tmp_path, worker)
    failed = [r for r in read(tmp_path) if r.status == "oom"]
    assert [r.case.round for r in failed] == [0, 1, 2]
    assert [c.round for c in worker.seen if c.quantity == "latency" and c.design == "tiny"] == [0]
    assert failed[1].reason == "as in the first round: because"
    assert failed[0].notes["available_bytes"] > 0 and failed[0].notes["predicted_bytes"] == 100 * 32**2


def test_higher_limits_bring_back_what_was_too_slow(tmp_path: Path) -> None:
    strict, loose = Limits(case_seconds=2), Limits(case_seconds=1000)
    worker = FakeWorker()
    assert ran(planned(2048, metrics="params,latency", limits=strict), tmp_path, worker, strict).not_tried > 0
    outcome = ran(planned(2048, metrics="params,latency", limits=loose), tmp_path, worker, loose)
    assert (outcome.not_tried, set(statuses(tmp_path).values())) == (0, {"ok"})


def test_starting_again_adds_no_rows_for_what_is_not_tried(tmp_path: Path) -> None:
    made = planned(32, 8192)
    ran(made, tmp_path, FakeWorker())
    rows = len(read(tmp_path))
    ran(made, tmp_path, FakeWorker())
    assert len(read(tmp_path)) == rows


def test_ctrl_c_drops_the_case_in_flight_and_ends_with_rows(tmp_path: Path) -> None:
    class Interrupted(FakeWorker):
        def measure(self, case: Case, *rest: object, **more: object) -> Record:
            if len(self.seen) == 3:
                raise KeyboardInterrupt
            return super().measure(case, *rest, **more)  # type: ignore[arg-type]  # passed on as it came

    made, worker = planned(32), Interrupted()
    outcome = ran(made, tmp_path, worker)
    assert (outcome.interrupted, outcome.measured) == (True, 3)
    found = list(statuses(tmp_path).values())
    assert (found.count("ok"), found.count("not_reached")) == (3, len(made.tried) - 3)


def test_a_full_disk_stops_the_run_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Journal, record: Record) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(ValueError, match=r"records.jsonl \(No space left on device\): make room"):
        ran(planned(32), tmp_path, FakeWorker())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="choose another --run"):
        ran(planned(32), tmp_path / "file" / "run", FakeWorker())


def test_events_tell_of_progress_and_of_the_time_left(tmp_path: Path) -> None:
    events: list[Event] = []
    worker = FakeWorker()
    made = planned(32)
    run(made, tmp_path, Limits(minutes=20), worker, events.append, clock=worker.clock)
    ended = [e for e in events if e.record]
    assert [e.done for e in ended] == list(range(1, len(made.tried) + 1))
    assert [e.fraction for e in events[:3]] == [0.0, 0.5, 1.0]
    assert ended[-1].seconds_left == 0
    assert ended[0].seconds_left > ended[-2].seconds_left > 0


def test_records_carry_prediction_and_machine_and_the_run_its_overhead(tmp_path: Path) -> None:
    machine, worker = {"identity": {"cpu": "abacus"}}, FakeWorker()
    outcome = run(
        planned(32), tmp_path, Limits(), worker, machines={"cpu": machine}, request={"res": "32"}, clock=worker.clock
    )
    record = next(r for r in read(tmp_path) if r.case.quantity == "memory")
    assert record.notes["predicted_bytes"] == 100 * 32**2
    assert record.machine == machine
    began, ended = [json.loads(line) for line in (tmp_path / STARTS).read_text().splitlines()]
    assert (began["request"], ended["not_reached"]) == ({"res": "32"}, 0)
    assert (outcome.overhead, ended["overhead"]) == (0.0, 0.0)
