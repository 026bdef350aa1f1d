"""A CUDA device of arithmetic: a stream of kernels that takes time of its own, a cache, a frequency, an allocator.

`install` puts it in the place of torch.cuda and of the host's clock. Times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from suite import clock_cuda, timing


@dataclass
class Device:
    """Kernels run one after the other, each not before it is launched; a launch takes the host `launch_ms`."""

    launch_ms: float = 0.01
    mhz: float = 1500.0
    host: float = 0.0
    free: float = 0.0  # when the last kernel in the queue ends
    current: str = "cuda:0"
    cold: bool = False
    flushes: int = 0
    used: set[str] = field(default_factory=set)  # the devices that events were recorded on

    def kernel(self, ms: float, cold_ms: float | None = None) -> None:
        """Launches one; with a cold cache it takes `cold_ms`, and leaves the cache warm."""
        took, self.cold = (cold_ms if self.cold and cold_ms is not None else ms), False
        self.host += self.launch_ms
        self.free = max(self.host, self.free) + took

    def sleep(self, cycles: int) -> None:
        cold = self.cold
        self.kernel(cycles / self.mhz / 1e3)
        self.cold = cold

    def synchronize(self) -> None:
        self.host = max(self.host, self.free)

    def zero_(self) -> None:
        """In the place of the buffer that empties the cache."""
        self.kernel(0.2)
        self.cold, self.flushes = True, self.flushes + 1

    @contextmanager
    def entered(self, name: str) -> Iterator[None]:
        before, self.current = self.current, name
        yield
        self.current = before


def install(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    """Everything that suite/clock_cuda.py asks of torch and of the host."""

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.at = max(device.host, device.free)
            device.used.add(device.current)

        def query(self) -> bool:
            return device.host >= self.at

        def synchronize(self) -> None:
            device.host = max(device.host, self.at)

        def elapsed_time(self, end: Event) -> float:
            assert device.host >= end.at, "a time is asked for before the device got there"
            return end.at - self.at

    for name, double in {
        "device": device.entered, "synchronize": device.synchronize, "Event": Event, "_sleep": device.sleep
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, double)
    monkeypatch.setattr(clock_cuda, "flush_buffer", lambda: device)
    monkeypatch.setattr(clock_cuda, "process_time", lambda: device.host / 1e3)
    for module in (clock_cuda, timing):
        monkeypatch.setattr(module, "perf_counter", lambda: device.host / 1e3)


def image() -> Tensor:
    return torch.ones(1)
