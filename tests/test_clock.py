"""The clock, on a clock of our own: no test here depends on how busy the machine is."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import cycle
from math import comb
from pathlib import Path
from statistics import median

import pytest
import torch
from torch import Tensor

from suite import clock as subject
from suite import disturbance, timing
from suite.clock import BLOCK_S, block, clock, starved_blocks
from suite.disturbance import Frequencies
from suite.samples import interval_of_median, rank


class Time:
    """Wall and CPU time, and time for which the second thread waits; they pass only when somebody says so."""

    def __init__(self) -> None:
        self.wall = self.cpu = self.waited = 0.0

    def spend(self, wall: float, cpu: float | None = None, waited: float = 0.0) -> None:
        self.wall += wall
        self.cpu += wall if cpu is None else cpu
        self.waited += waited


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    for module in (subject, timing):
        monkeypatch.setattr(module, "perf_counter", lambda: time.wall)
    monkeypatch.setattr(subject, "process_time", lambda: time.cpu)
    monkeypatch.setattr(subject, "waits", lambda: {"1": 0.0, "2": time.waited})
    monkeypatch.setattr(disturbance, "steal_ms", lambda: 0.0)
    return time


def image() -> Tensor:
    return torch.zeros(1)


def test_an_even_call_stops_with_a_narrow_interval(time: Time) -> None:
    timing = clock(lambda x: time.spend(0.001), image, 10.0)
    assert (timing.stopped_by, timing.calls_per_sample, len(timing.samples_ms)) == ("interval", 30, 6)
    assert timing.samples_ms == pytest.approx([1.0] * 6)
    assert timing.cpu_samples_ms == pytest.approx([1.0] * 6)
    assert timing.marks == ()


def test_steady_noise_stops_once_it_is_known(time: Time) -> None:
    spread = cycle([0.04, 0.06, 0.05, 0.03, 0.07, 0.044, 0.056, 0.036])
    timing = clock(lambda x: time.spend(next(spread)), image, 60.0)
    assert timing.stopped_by == "noise"
    assert len(timing.samples_ms) >= 32


def test_the_time_ends_what_never_settles(time: Time) -> None:
    drift = iter(range(1000))
    timing = clock(lambda x: time.spend(0.05 + 0.01 * next(drift)), image, 5.0)
    assert timing.stopped_by == "time"
    assert time.wall < 6.0


def test_a_long_call_gets_its_six_samples_within_patience(time: Time) -> None:
    wobble = cycle([3.0, 3.2])
    timing = clock(lambda x: time.spend(next(wobble)), image, 1.0, patience=60.0)
    assert (len(timing.samples_ms), timing.calls_per_sample, timing.stopped_by) == (6, 1, "time")
    assert interval_of_median(timing.samples_ms) == pytest.approx((3000, 3200))


def test_beyond_patience_one_sample_without_an_interval_is_kept(time: Time) -> None:
    timing = clock(lambda x: time.spend(9.0), image, 1.0)
    assert len(timing.samples_ms) == 1
    assert interval_of_median(timing.samples_ms) == (None, None)
    assert timing.median_ms == pytest.approx(9000)


def test_blocks_last_about_thirty_milliseconds(time: Time) -> None:
    timing = clock(lambda x: time.spend(0.0004), image, 5.0)
    assert 20 <= timing.calls_per_sample * timing.median_ms <= 40


def test_every_block_has_a_new_input(time: Time) -> None:
    made: list[Tensor] = []
    used: list[int] = []

    def make() -> Tensor:
        made.append(torch.zeros(1))
        return made[-1]

    def call(x: Tensor) -> None:
        used.append(x.data_ptr())
        time.spend(0.01)

    timing = clock(call, make, 5.0)
    assert len(set(used)) == len(made) > len(timing.samples_ms)


def test_no_garbage_is_collected_meanwhile(time: Time) -> None:
    seen: set[bool] = set()

    def call(x: Tensor) -> None:
        seen.add(gc.isenabled())
        time.spend(0.01)

    assert gc.isenabled()
    clock(call, image, 1.0)
    assert seen == {False}
    assert gc.isenabled()


def test_an_error_in_the_call_turns_collection_on_again(time: Time) -> None:
    def call(x: Tensor) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        clock(call, image, 1.0)
    assert gc.isenabled()


@pytest.mark.parametrize(("share", "marks"), [(1.0, ()), (0.9, ()), (0.5, ("contended",))])
def test_a_call_that_waits_for_the_cpu_is_contended(time: Time, share: float, marks: tuple[str, ...]) -> None:
    timing = clock(lambda x: time.spend(0.03, cpu=0.03 * share), image, 5.0)
    assert timing.marks == marks
    assert median(timing.cpu_samples_ms) == pytest.approx(30 * share)


def test_with_two_threads_a_block_is_held_to_the_best_block() -> None:
    wall, cpu = [10.0, 10.0, 18.0], [19.0, 18.0, 20.0]
    assert starved_blocks(wall, cpu, [0.0] * 3) == [False, False, True]


@pytest.mark.parametrize(("cores", "waited", "marks"), [(1, 0.5, ("contended",)), (2, 0.1, ()), (1, 0.0, ())])
def test_two_threads_on_one_core_are_contended_but_one_thread_is_not(
    time: Time, cores: int, waited: float, marks: tuple[str, ...]
) -> None:
    """Throughout, so that no block is better; a network that is serial by nature uses one core and waits for none."""
    assert clock(lambda x: time.spend(0.03, 0.03 * cores, 0.03 * waited), image, 5.0).marks == marks


def test_threads_wait_as_long_as_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disturbance, "THREADS", tmp_path / "task")
    assert disturbance.waits() == {}
    for name, said in (("7", "123 2500000000 9\n"), ("8", "")):
        (tmp_path / "task" / name).mkdir(parents=True)
        (tmp_path / "task" / name / "schedstat").write_text(said)
    assert disturbance.waits() == {"7": 2.5}


def test_time_given_to_other_guests_is_marked(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disturbance, "steal_ms", lambda: 100 * time.wall)
    timing = clock(lambda x: time.spend(0.03), image, 5.0)
    assert timing.marks == ("stolen",)
    assert timing.steal_ms == pytest.approx(100 * 6 * 0.03)


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the frequency, in kHz, that the system says of the core that this process runs on."""
    monkeypatch.setattr(disturbance, "CPUS", tmp_path)
    monkeypatch.setattr(disturbance.psutil.Process, "cpu_num", lambda process: 3)
    folder = tmp_path / "cpu3" / "cpufreq"
    folder.mkdir(parents=True)

    def runs_at(khz: int) -> None:
        (folder / "scaling_cur_freq").write_text(f"{khz}\n")

    return runs_at


def test_a_slower_clock_than_the_runs_own_is_throttled(time: Time, core: Callable[[int], None]) -> None:
    seen = Frequencies()
    for khz, marks in ((3_000_000, ()), (2_800_000, ()), (2_000_000, ("throttled",))):
        core(khz)
        timing = clock(lambda x: time.spend(0.03), image, 5.0, frequencies=seen)
        assert timing.marks == marks
        assert timing.clock_mhz == khz / 1e3


def test_where_the_system_says_no_frequency_nothing_is_throttled(
    time: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disturbance, "CPUS", tmp_path)
    timing = clock(lambda x: time.spend(0.03), image, 5.0)
    assert (timing.clock_mhz, timing.marks) == (None, ())


def coverage(n: int, k: int) -> float:
    """The chance that the k-th smallest and k-th largest of n samples enclose the median."""
    return 1 - 2 * sum(comb(n, i) for i in range(k)) / 2**n


@pytest.mark.parametrize("n", [6, 7, 8, 9, 20, 50, 99, 100, 101, 1000])
def test_the_interval_is_the_narrowest_that_covers_95_percent(n: int) -> None:
    assert coverage(n, rank(n)) >= 0.95 > coverage(n, rank(n) + 1)


def test_the_interval_holds_the_median() -> None:
    samples = [float(i) for i in (5, 1, 9, 3, 7, 2, 8)]
    low, high = interval_of_median(samples)
    assert low is not None and high is not None
    assert low < median(samples) < high
    assert interval_of_median(samples[:5]) == (None, None)


def test_the_real_clock_ends_in_time() -> None:
    run: Callable[[Tensor], object] = lambda x: x @ x  # noqa: E731
    timing = clock(run, lambda: torch.randn(64, 64), 0.2)
    assert timing.median_ms > 0
    assert len(timing.cpu_samples_ms) == len(timing.samples_ms) >= 1


def test_timing_costs_under_a_thousandth_of_a_block() -> None:
    """Calls of a function that does nothing, beside as many calls that fill a block; the least of each."""
    a = torch.randn(256, 256)
    work: Callable[[Tensor], object] = lambda x: a @ a  # noqa: E731
    calls = max(1, round(BLOCK_S / min(block(work, a, 1)[0] for _ in range(5))))
    empty, full = zip(*((block(lambda x: None, a, calls)[0], block(work, a, calls)[0]) for _ in range(7)), strict=True)
    assert min(empty) < 1e-3 * min(full)
