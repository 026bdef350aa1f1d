"""doctor --noise: from processes whose noise is known to what a sweep can see, and to what a sweep keeps of it."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from avbench import checking, noise, sweeping
from avbench.find import names
from avbench.noise import (
    CASES,
    ROUNDS,
    Noise,
    conditions_of,
    keep,
    last_known,
    measure_noise,
    noise_of,
    spreads_apart,
)
from reports.spread import intervals
from suite.case import Case
from suite.plan import Plan, Planned
from suite.record import Metric, Record

CASE = Case("latency", "vit", "isotropic", "none", "classification", 10, 224, 224)
IDENTITY = {"cpu": "abacus"}


class Shaky:
    """A worker each of whose processes is slower or faster by chance, by `spread`, whatever it measures."""

    def __init__(self, spread: float, status: str = "ok") -> None:
        self.spread, self.status, self.now = spread, status, 0.0
        self.chance, self.seen, self.level = random.Random(0), list[Case](), 1.0

    def __call__(self) -> Shaky:
        return self

    def __enter__(self) -> Shaky:
        self.level = math.exp(self.chance.gauss(0, self.spread))
        self.now += 3.0
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def measure(self, case: Case, limit_s: float, memory_bytes: int, progress: object = None) -> Record:
        self.seen.append(case)
        self.now += 2.0
        times = {"latency_ms": Metric(7 * self.level, "ms"), "cpu_ms": Metric(7 * math.sqrt(self.level), "ms")}
        marks = ["contended"] if case.design == "swin" else ["launch_bound"]
        return Record(case, self.status, "because", times, notes={"marks": marks})


@pytest.fixture(autouse=True)
def cases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No plan is made, and the cache folder is the test's own."""
    found = [replace(CASE, design=name) for name in ("vit", "swin")]
    monkeypatch.setattr(noise, "cases_of", lambda device, threads: found)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def measured(spread: float, minutes: float = 20.0) -> Noise:
    worker = Shaky(spread)
    return measure_noise("cpu", 1, minutes, worker, lambda: worker.now)


def test_the_spread_of_the_processes_is_found() -> None:
    found = measured(0.02)
    assert found.spread["latency_ms"] == pytest.approx(0.02, rel=0.2)
    assert found.spread["cpu_ms"] == pytest.approx(0.01, rel=0.2)
    assert found.within_pairs["latency_ms"] == pytest.approx(0.6745 * math.sqrt(2) * 0.02, rel=0.3)
    assert found.marked == 0.5
    assert (found.pairs, found.networks) == (86, ("swin", "vit"))


def test_every_process_is_new_and_measures_every_network_and_every_process_has_its_pair() -> None:
    worker = Shaky(0.01)
    found = measure_noise("cpu", 2, 0.01, worker, lambda: worker.now)
    assert found.pairs == noise.PAIRS
    rounds = [case.round for case in worker.seen]
    assert rounds == sorted(rounds) and len(rounds) == 2 * len(set(rounds)) == 4 * noise.PAIRS


def test_the_least_difference_is_seen_nine_times_in_ten() -> None:
    """By other draws than those that it was found with, in a sweep whose designs lend each other their spread."""
    chance, spread = random.Random(1), 0.01
    for rounds in ROUNDS:
        difference = 1 + replace(measured(0.01), spread={"latency_ms": spread}).least("latency_ms", rounds)
        seen = []
        for _ in range(60):
            found = intervals(
                [
                    [times * math.exp(chance.gauss(0, spread)) for _ in range(rounds)]
                    for times in (difference, 1.0) * (CASES // 2)
                ]
            )
            seen += [slow[1] > fast[2] for slow, fast in zip(found[::2], found[1::2], strict=True)]
        assert 0.85 < fmean(seen) < 0.95


def test_more_rounds_see_more_where_designs_lend_their_spread() -> None:
    assert 3.7 > spreads_apart(3) > spreads_apart(5) > 1
    assert spreads_apart(10) > 1, "order statistics, of each design alone"


def test_a_network_that_cannot_be_measured_is_a_sentence() -> None:
    worker = Shaky(0.01, status="oom")
    with pytest.raises(ValueError, match=r"gives no latency \(oom: because\)"):
        measure_noise("cpu", 1, 1.0, worker, lambda: worker.now)


def test_on_cuda_the_devices_time_is_what_counts() -> None:
    times = {"latency_ms": Metric(2.0, "ms"), "device_ms": Metric(1.0, "ms")}
    slower = {name: Metric(1.1 * m.value, "ms") for name, m in times.items()} | {"latency_ms": times["latency_ms"]}
    processes = [{"vit": Record(CASE, "ok", metrics=m)} for m in (times, slower, times, slower)]
    found = noise_of(processes, "cuda", 1)
    assert found.spread["latency_ms"] == 0 < found.spread["device_ms"]
    assert f"{found.least('device_ms', 3):.1%} in 3" in found.in_words()


def test_what_was_measured_is_known_to_later_sweeps_of_this_machine_alone() -> None:
    found = measured(0.01)
    assert keep(found, IDENTITY).is_file()
    assert last_known(IDENTITY, "cpu", 1) == found
    assert last_known({"cpu": "slide rule"}, "cpu", 1) is None
    assert last_known(IDENTITY, "cpu", 2) is None
    (said,) = conditions_of(IDENTITY, "cpu", {1: 3, 2: 3}).items()
    assert said[0] == "noise, 1 thread"
    assert "the least difference that a sweep of 3 latencies shows" in said[1] and found.measured in said[1]


def test_cuda_is_its_first_device() -> None:
    found = replace(measured(0.01), device="cuda")
    keep(found, IDENTITY)
    assert last_known(IDENTITY, "cuda:0", 1) == last_known(IDENTITY, "cuda", 1) == found
    assert last_known(IDENTITY, "cuda:1", 1) is None


def test_the_log_that_a_failure_names_is_there_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    def logging(log: Path) -> Shaky:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("Traceback")
        return Shaky(0.01, status="error")

    monkeypatch.setattr(checking, "Worker", logging)
    with pytest.raises(ValueError, match="see ") as raised:
        checking.noise_here(IDENTITY, "cpu", 1, 1.0)
    assert Path(str(raised.value).rpartition("see ")[2]).read_text() == "Traceback"


def test_a_file_that_is_none_is_as_no_file() -> None:
    keep(measured(0.01), IDENTITY).write_text('{"identity": {}, "spread": 3}')
    assert last_known(IDENTITY, "cpu", 1) is None


def test_a_sweep_keeps_the_noise_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "fingerprint", lambda device: {"identity": IDENTITY, "conditions": {"load": 1.0}})
    keep(measured(0.01), IDENTITY)
    machines = sweeping.machines_of(Plan((Planned(CASE), Planned(replace(CASE, threads=2)))))
    assert set(machines) == {"cpu"}
    assert set(machines["cpu"]["conditions"]) == {"load", "noise, 1 thread"}


def test_a_sweep_of_few_latencies_says_that_it_sees_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "fingerprint", lambda device: {"identity": IDENTITY, "conditions": {}})
    known = measured(0.01)
    keep(known, IDENTITY)
    again = [Planned(replace(CASE, design=name, round=n)) for name in ("vit", "swin") for n in range(3)]
    machine = sweeping.machines_of(Plan((*again, Planned(replace(CASE, quantity="memory")))))["cpu"]
    few, many = known.least("latency_ms", 3, 2), known.least("latency_ms", 3)
    assert f"a sweep of 2 latencies shows, nine times in ten, by its --rounds: {few:.1%} in 3" in str(machine)
    assert few > 1.5 * many, "nobody lends them a spread"


def test_doctor_says_it_in_words_and_in_numbers() -> None:
    found = measured(0.01)
    assert checking.as_json_of(found)["least_difference_by_rounds"]["cpu_ms"]["3"] == found.least("cpu_ms", 3)
    said = checking.spoken_noise(found)
    assert f"{found.least('latency_ms', 3):.1%} in 3" in said[0]
    assert "86 pairs of processes, swin, vit on cpu, 1 threads; 50% of the measurements were disturbed" in said[-1]


def test_the_networks_of_the_noise_are_designs() -> None:
    assert set(noise.NETWORKS) <= set(names())
