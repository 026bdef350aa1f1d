"""What a clock returns (Timing) and the time it has (Span), on every device."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from torch import Tensor

from suite.samples import FEW, enough

WARM_SHARE = 0.25  # of the seconds given

Call = Callable[[Tensor], object]
MakeInput = Callable[[], Tensor]


@dataclass(frozen=True)
class Timing:
    """Times of one call, in milliseconds, sample by sample."""

    samples_ms: list[float]  # wall time; on CUDA end to end, synchronised at both ends
    cpu_samples_ms: list[float]  # CPU time of this process, all threads
    calls_per_sample: int
    stopped_by: str  # interval: under 1 %; noise: it is stable; time: the seconds were over
    marks: tuple[str, ...] = ()  # contended, stolen, throttled; on CUDA launch_bound, launches_counted
    contended_samples: int = 0
    steal_ms: float = 0.0  # taken by other guests of the host, all cores
    involuntary_switches: int = 0
    clock_mhz: float | None = None  # the median frequency of the device, where the system says
    device_samples_ms: tuple[float, ...] = ()  # CUDA: between events

    @property
    def median_ms(self) -> float:
        return median(self.samples_ms)


class Span:
    """The time that is given to one clock, from now on."""

    def __init__(self, seconds: float, patience: float | None = None) -> None:
        """`patience` bounds the time for the six samples that an interval takes: four times `seconds` unless stated."""
        self.seconds = seconds
        self.start = perf_counter()
        self.patience = 4 * seconds if patience is None else max(patience, seconds)

    def over(self, samples: int) -> bool:
        """Whether the time is out, given how many samples there are."""
        return perf_counter() - self.start >= (self.patience if samples < FEW else self.seconds)

    def warm(self) -> bool:
        """Whether the share for warming up is used."""
        return perf_counter() - self.start >= self.seconds * WARM_SHARE

    def reason_to_stop(self, samples: list[float]) -> str:
        """`interval`, `noise`, `time`, or nothing while sampling should go on."""
        if not samples:
            return ""
        return enough(samples) or ("time" if self.over(len(samples)) else "")


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collects now, then not again until the end."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
