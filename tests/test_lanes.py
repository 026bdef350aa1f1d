"""Devices of one host at the same time, the CPU alone; and a run of several lanes that breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGINT, default_int_handler, pthread_kill, signal
from threading import Barrier, Event, Lock, main_thread

import fakes
import pytest
from sweeps import CALIBRATIONS, MACHINE, axes, pretend

from suite import run as subject
from suite.axes import Limits
from suite.case import Case
from suite.lanes import turns
from suite.plan import Plan, plan
from suite.record import STARTS, Metric, Record, latest, read
from suite.run import run

WAIT_S = 20.0
DEVICES = ("cpu", "cuda:0", "cuda:1")


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is there without asking a device."""
    monkeypatch.setattr(subject, "available_bytes", lambda device: 10**9)


def planned(*sides: int, devices: tuple[str, ...] = DEVICES) -> Plan:
    speeds = CALIBRATIONS | {(device, "float32", 1): MACHINE for device in devices}
    asked = replace(axes(*sides, metrics="params,latency"), devices=devices, rounds=2)
    return plan([fakes.find("tiny"), fakes.find("convnet")], asked, speeds, Limits(), pretend)


@dataclass
class Host:
    """Its workers wait on each other: a case on one GPU ends when one on the other has begun."""

    both: Barrier = field(default_factory=lambda: Barrier(2))
    lock: Lock = field(default_factory=Lock)
    busy: list[str] = field(default_factory=list)
    beside: set[tuple[str, ...]] = field(default_factory=set)  # what was busy whenever a case began
    during: Callable[[Case], None] = lambda case: None
    stopped: int = 0

    def worker(self) -> Host:
        return self

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def stop(self) -> None:
        self.stopped += 1
        self.both.abort()

    def measure(self, case: Case, limit_s: float, memory_bytes: int, progress: object = None) -> Record:
        device = "cpu" if case.quantity == "static" else case.device
        with self.lock:
            self.busy.append(device)
            self.beside.add(tuple(sorted(self.busy)))
        if device != "cpu":
            self.both.wait(WAIT_S)
        self.during(case)
        with self.lock:
            self.busy.remove(device)
        return Record(case, "ok", metrics={"latency_ms": Metric(1.0, "ms")}, seconds=0.01)


def test_gpus_work_at_the_same_time_and_the_cpu_alone(tmp_path: Path) -> None:
    host, made = Host(), planned(32, 64)
    outcome = run(made, tmp_path, Limits(), host.worker, machines={d: {"identity": {"gpu": d}} for d in DEVICES})
    assert outcome.measured == len(made.tried) == 2 * (2 + 2 * 2 * 3)
    assert ("cuda:0", "cuda:1") in host.beside
    assert all(len(set(busy)) == len(busy) for busy in host.beside), "one case a device"
    assert all(busy == ("cpu",) for busy in host.beside if "cpu" in busy)
    records = read(tmp_path)
    assert all(r.machine == {"identity": {"gpu": r.case.device}} for r in records)


def test_cuda_and_its_first_device_are_one_lane() -> None:
    cases = [p for p in planned(32, devices=("cuda", "cuda:0")).tried if p.case.quantity == "latency"]
    (turn,) = turns(cases)
    assert list(turn) == ["cuda:0"]
    assert turn["cuda:0"] == cases


def test_sizes_come_one_after_the_other() -> None:
    cases = [p for p in planned(32, 64).tried if p.case.quantity == "latency" and p.case.round == 0]
    ordered = turns(sorted(cases, key=lambda p: p.case.height))
    order = [(list(turn), {p.case.height for lane in turn.values() for p in lane}) for turn in ordered]
    assert order == [(["cuda:0", "cuda:1"], {32}), (["cpu"], {32}), (["cuda:0", "cuda:1"], {64}), (["cpu"], {64})]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, even in tests that were started in the background, where a shell has it ignored."""
    before = signal(SIGINT, default_int_handler)
    yield
    signal(SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_every_lane_and_drops_what_was_in_flight(tmp_path: Path) -> None:
    halted = Event()

    def interrupt(case: Case) -> None:
        if case.device == "cuda:0" and case.quantity == "latency":
            pthread_kill(main_thread().ident or 0, SIGINT)
            if not halted.wait(WAIT_S / 4):  # Python drops what is raised in a callback of its garbage collector
                pthread_kill(main_thread().ident or 0, SIGINT)
                halted.wait(WAIT_S)

    class Interrupted(Host):
        def stop(self) -> None:
            super().stop()
            halted.set()

    host = Interrupted(during=interrupt)
    outcome = run(planned(32), tmp_path, Limits(), host.worker)
    assert outcome.interrupted
    assert host.stopped == 2
    assert [r.case.device for r in read(tmp_path) if r.case.quantity == "latency" and r.status == "ok"] in (
        [], ["cuda:1"],
    )  # fmt: skip
    assert {r.status for r in latest(read(tmp_path)) if r.case.quantity == "latency"} <= {"ok", "not_reached"}


def test_an_error_in_one_lane_ends_the_run(tmp_path: Path) -> None:
    def broken(case: Case) -> None:
        if case.device == "cuda:1":
            raise ValueError("no room on the disk")

    host = Host(during=broken)
    with pytest.raises(ValueError, match="no room"):
        run(planned(32), tmp_path, Limits(), host.worker)
    assert host.stopped == 2


def test_the_time_of_a_run_is_accounted_for(tmp_path: Path) -> None:
    now = [0.0]

    class Slow(Host):
        def measure(self, case: Case, *rest: object, **more: object) -> Record:
            now[0] += 10.0  # of which the process took 4 to start, and the network 1 to build and 2 to simulate
            notes = {"build_s": 1.0, "residual_s": 0.5, "simulate_s": 1.5} if case.quantity == "latency" else {}
            return Record(case, "ok", metrics={"m": Metric(1.0, "")}, notes=notes, seconds=6.0)

    def shown(event: object) -> None:
        now[0] += 0.5

    made = planned(32, devices=("cpu",))
    outcome = run(made, tmp_path, Limits(), Slow().worker, shown, planning_seconds=7.0, clock=lambda: now[0])
    static, timed = 2, 4
    assert outcome.spent == {
        "planning": 7.0,
        "starting": (static + timed) * 4.0,
        "building": timed * 1.0,
        "fitting": timed * 0.5,
        "simulating": timed * 1.5,
        "measuring": static * 6.0 + timed * 3.0,
        "writing": 0.0,
        "showing": 2 * (static + timed) * 0.5,
        "rest": 0.0,
    }
    total = 7.0 + (static + timed) * 11.0
    assert outcome.overhead == pytest.approx(1 - outcome.spent["measuring"] / total)
    ended = json.loads((tmp_path / STARTS).read_text().splitlines()[-1])
    assert ended["spent"] == outcome.spent
