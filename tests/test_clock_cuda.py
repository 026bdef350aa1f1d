"""The clock of CUDA on a simulated device, whose true times are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import torch
from cuda import Device, image, install
from torch import Tensor

from suite import clock_cuda, disturbance
from suite.clock import clock
from suite.disturbance import Frequencies
from suite.timing import Timing


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    install(monkeypatch, made)
    monkeypatch.setattr(disturbance, "steal_ms", lambda: 0.0)
    return made


def timed(device: Device, call: Callable[[Tensor], object], seconds: float = 1.0, **more: object) -> Timing:
    return clock(call, image, seconds, "cuda:1", **more)  # type: ignore[arg-type]  # passed on as it came


def test_the_devices_time_leaves_out_launches_sleep_and_flush(device: Device) -> None:
    timing = timed(device, lambda x: [device.kernel(0.5) for _ in range(4)])
    assert timing.device_samples_ms == pytest.approx([2.0] * len(timing.samples_ms))
    assert timing.samples_ms == pytest.approx([2.0 + 0.01] * len(timing.samples_ms))
    assert (timing.stopped_by, timing.calls_per_sample, timing.marks) == ("interval", 1, ())
    assert timing.clock_mhz == pytest.approx(1500)


def test_many_small_kernels_are_bound_by_their_launches(device: Device) -> None:
    """Launching takes 5 ms, the kernels themselves 1 ms: only a sleep of more than 4 ms lets the device show that."""
    timing = timed(device, lambda x: [device.kernel(0.002) for _ in range(500)])
    assert timing.marks == ("launch_bound",)
    assert timing.device_samples_ms == pytest.approx([1.0] * len(timing.samples_ms))
    assert timing.samples_ms[0] == pytest.approx(500 * 0.01 + 0.002)


def test_a_short_sleep_would_have_counted_the_launches(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_cuda, "MOST_CYCLES", clock_cuda.LEAST_CYCLES)
    timing = timed(device, lambda x: [device.kernel(0.002) for _ in range(500)])
    assert min(timing.device_samples_ms) > 4
    assert "launches_counted" in timing.marks


def test_launches_of_a_long_training_step_do_not_count(device: Device) -> None:
    """Launching takes 100 ms, of which the kernels need 60."""
    timing = timed(device, lambda x: [device.kernel(0.006) for _ in range(10_000)], seconds=0.5)
    assert timing.device_samples_ms == pytest.approx([60.0] * len(timing.samples_ms))
    assert timing.marks == ("launch_bound",)


@pytest.mark.parametrize(("cache", "expected"), [("cold", 3.0), ("warm", 2.0)])
def test_a_cold_cache_is_emptied_before_every_call_and_a_warm_one_never(
    device: Device, cache: str, expected: float
) -> None:
    timing = timed(device, lambda x: device.kernel(2.0, cold_ms=3.0), cache=cache)
    assert timing.device_samples_ms == pytest.approx([expected] * len(timing.samples_ms))
    assert timing.samples_ms == pytest.approx([expected + 0.01] * len(timing.samples_ms))
    assert (device.flushes > 0) == (cache == "cold")


def test_events_are_those_of_the_device_that_is_asked_for(device: Device) -> None:
    timed(device, lambda x: device.kernel(1.0))
    assert device.used == {"cuda:1"}
    assert device.current == "cuda:0"


def test_a_falling_frequency_is_throttled(device: Device) -> None:
    seen = Frequencies()
    timed(device, lambda x: device.kernel(1.0), frequencies=seen)
    device.mhz = 1200
    slower = timed(device, lambda x: device.kernel(1.25), frequencies=seen)
    assert slower.marks == ("throttled",)
    assert slower.clock_mhz == pytest.approx(1200)


def test_a_call_that_waits_for_the_device_is_timed_too(device: Device) -> None:
    def call(x: Tensor) -> None:
        device.kernel(1.0)
        device.synchronize()
        device.kernel(1.0)

    timing = timed(device, call)
    assert timing.samples_ms == pytest.approx([2.02] * len(timing.samples_ms))
    assert timing.device_samples_ms == pytest.approx([2.01] * len(timing.samples_ms))
    assert timing.marks == ("launches_counted",), "no sleep hides the second launch"


def test_it_warms_up_until_the_device_is_steady(device: Device) -> None:
    cooling = (max(1.0, 3.0 - 0.25 * i) for i in count())
    timing = timed(device, lambda x: device.kernel(next(cooling)))
    assert timing.device_samples_ms == pytest.approx([1.0] * len(timing.samples_ms))


def test_the_time_ends_what_never_settles(device: Device) -> None:
    growing = count(1)
    timing = timed(device, lambda x: device.kernel(float(next(growing))), seconds=3.0)
    assert timing.stopped_by == "time"
    assert 3 < device.host / 1e3 < 4


def test_each_sample_has_a_new_input(device: Device) -> None:
    used: list[int] = []

    def call(x: Tensor) -> None:
        used.append(id(x))
        kept.append(x)
        device.kernel(1.0)

    kept: list[Tensor] = []
    timed(device, call)
    assert len(set(used)) == len(used)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_device_takes_as_long_as_it_sleeps() -> None:
    run: Callable[[Tensor], object] = lambda x: torch.cuda._sleep(2_000_000)  # noqa: E731
    timing = clock(run, lambda: torch.randn(64, 64, device="cuda"), 0.5, "cuda")
    assert timing.clock_mhz is not None
    assert min(timing.device_samples_ms) == pytest.approx(2_000_000 / timing.clock_mhz / 1e3, rel=0.2)
