"""Latency of one call, with its interval, its raw samples, and what disturbed it.

A sample is the mean of a block of calls, 20 to 40 ms of them, or one call where a call is longer. Each block gets a new
input at a new address, since where a tensor lies shifts its time for as long as it lies there. The interval of the
median is that of order statistics, 95 %: it assumes nothing of the shape of the noise, but speaks for this process
only.
"""

from __future__ import annotations

import gc
import os
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from math import ceil
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time

import torch
from torch import Tensor

BLOCK_S = 0.03
NARROW = 0.01  # an interval of the median this wide, relative to it, is enough
STARVED = 1.2  # a block whose wall time is this much longer than its CPU time explains was disturbed
WARM_SHARE = 0.25  # of the seconds given
FEW, MANY = 6, 32  # samples: six is the least that has a 95 % interval, from 32 on the noise can be judged
SPACER_FLOATS = 2**16

Call = Callable[[Tensor], object]


@dataclass(frozen=True)
class Timing:
    """Times of one call, in milliseconds. The interval is None below six samples."""

    samples_ms: list[float]  # wall time; on CUDA end to end, synchronised at both ends
    cpu_samples_ms: list[float]  # CPU time of this process, all threads
    median_ms: float
    low_ms: float | None
    high_ms: float | None
    cpu_ms: float
    calls_per_sample: int
    stopped_by: str  # interval: under 1 %; noise: it is stable; time: the seconds were over
    marks: tuple[str, ...] = ()  # contended, stolen; on CUDA launch_bound
    contended_samples: int = 0
    steal_ms: float = 0.0  # taken by other guests of the host, all cores
    involuntary_switches: int = 0
    device_samples_ms: list[float] = field(default_factory=list)  # CUDA: between events
    device_ms: float | None = None


def clock(
    call: Call, make_input: Callable[[], Tensor], seconds: float, device: str = "cpu", patience: float | None = None
) -> Timing:
    """Times `call(input)` for about this long, warm-up included; longer, up to `patience`, for the six samples that an
    interval takes; at least one call after one to warm up.

    Threads, seed and kernels are the caller's to fix. `patience` is four times `seconds` unless stated.
    """
    span = Span(seconds, patience)
    if device.startswith("cuda"):
        from suite.clock_cuda import clock_cuda

        return clock_cuda(call, make_input, span)
    with no_garbage_collection():
        return clock_cpu(call, make_input, span)


class Span:
    """The time that is given to one clock, from now on."""

    def __init__(self, seconds: float, patience: float | None = None) -> None:
        self.seconds = seconds
        self.start = perf_counter()
        self.patience = 4 * seconds if patience is None else max(patience, seconds)

    def over(self, samples: int) -> bool:
        """Whether the time is out, given how many samples there are."""
        return perf_counter() - self.start >= (self.patience if samples < FEW else self.seconds)

    def warm(self) -> bool:
        """Whether the share for warming up is used."""
        return perf_counter() - self.start >= self.seconds * WARM_SHARE


def clock_cpu(call: Call, make_input: Callable[[], Tensor], span: Span) -> Timing:
    """Blocks until one of the three reasons to stop."""
    calls = warm_up(call, make_input, span)
    steal, switches = steal_ms(), involuntary_switches()
    wall: list[float] = []
    cpu: list[float] = []
    while not (reason := reason_to_stop(wall, span)):
        block_wall, block_cpu = block(call, fresh(make_input), calls)
        wall.append(block_wall / calls * 1e3)
        cpu.append(block_cpu / calls * 1e3)
    steal, switches = steal_ms() - steal, involuntary_switches() - switches
    starved = starved_blocks(wall, cpu)
    low, high = interval_of_median(wall)
    return Timing(
        samples_ms=wall,
        cpu_samples_ms=cpu,
        median_ms=median(wall),
        low_ms=low,
        high_ms=high,
        cpu_ms=median(cpu),
        calls_per_sample=calls,
        stopped_by=reason,
        marks=marks_of(starved, steal, sum(wall) * calls),
        contended_samples=sum(starved),
        steal_ms=steal,
        involuntary_switches=switches,
    )


def warm_up(call: Call, make_input: Callable[[], Tensor], span: Span) -> int:
    """Calls until five blocks in a row differ by under 1 %, or the time for it is over; returns calls for a block."""
    block(call, fresh(make_input), 1)
    if span.warm():
        return 1
    once, _ = block(call, fresh(make_input), 1)
    calls = max(1, round(BLOCK_S / once))
    times: list[float] = []
    while not (span.warm() or settled(times)):
        wall, _ = block(call, fresh(make_input), calls)
        times.append(wall / calls)
    return max(1, round(BLOCK_S / median(times[-5:]))) if times else calls


def settled(times: list[float]) -> bool:
    """Whether the last five differ by under 1 %."""
    return len(times) >= 5 and max(times[-5:]) < min(times[-5:]) * (1 + NARROW)


def block(call: Call, images: Tensor, calls: int) -> tuple[float, float]:
    """Wall and CPU seconds of some calls in a row."""
    cpu, wall = process_time(), perf_counter()
    for _ in range(calls):
        call(images)
    return perf_counter() - wall, process_time() - cpu


def fresh(make_input: Callable[[], Tensor]) -> Tensor:
    """An input behind a spacer of random size, so that it seldom lies where the last one lay."""
    spacer = torch.empty(random.randrange(1, SPACER_FLOATS))
    made = make_input()
    del spacer
    return made


def reason_to_stop(samples: list[float], span: Span) -> str:
    """`interval`, `noise`, `time`, or nothing while sampling should go on."""
    if not samples:
        return ""
    low, high = interval_of_median(samples) if len(samples) >= FEW else (None, None)
    if low is not None and high is not None and high - low < NARROW * median(samples):
        return "interval"
    if len(samples) >= MANY and len(samples) % 8 == 0 and noise_is_stable(samples):
        return "noise"
    return "time" if span.over(len(samples)) else ""


def noise_is_stable(samples: list[float]) -> bool:
    """Whether the relative spread of the first half, the second half and the whole agree within a tenth."""
    half = len(samples) // 2
    spreads = [relative_spread(part) for part in (samples[:half], samples[half:], samples)]
    return max(spreads) <= 1.1 * min(spreads)


def relative_spread(samples: list[float]) -> float:
    """The distance between the quartiles over the median."""
    low, middle, high = quantiles(samples, n=4)
    return (high - low) / middle


def interval_of_median(samples: list[float]) -> tuple[float, float] | tuple[None, None]:
    """The narrowest symmetric pair of order statistics that holds the median with 95 %; none below six samples."""
    ordered, n = sorted(samples), len(samples)
    if n < FEW:
        return None, None
    k = rank(n)
    return ordered[k - 1], ordered[n - k]


@cache
def rank(n: int) -> int:
    """The largest k for which the k-th smallest and k-th largest of n samples enclose the median with 95 %."""
    k, below, ways = 0, 1, 1  # ways to have k samples below the median, and k or fewer
    while 40 * below <= 2**n:  # of 2ⁿ equal chances, one in 40 on either side
        k += 1
        ways = ways * (n - k + 1) // k
        below += ways
    return k


def starved_blocks(wall: list[float], cpu: list[float]) -> list[bool]:
    """Which blocks got too little of the CPU: less by a sixth than the best block, and than one full core."""
    used = [c / w for w, c in zip(wall, cpu, strict=True)]
    full = max(1.0, *used)
    return [full > STARVED * u for u in used]


def marks_of(starved: list[bool], steal: float, wall: float) -> tuple[str, ...]:
    """`contended` if a tenth of the blocks starved, `stolen` if other guests took over 2 % of a core's time."""
    contended = ["contended"] if sum(starved) >= max(1, ceil(len(starved) / 10)) else []
    return tuple(contended + (["stolen"] if steal > 0.02 * wall else []))


def steal_ms() -> float:
    """What the hypervisor has given to others so far, all cores; 0 where the system does not say."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(fields[8]) * 1e3 / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def involuntary_switches() -> int:
    """How often the kernel has taken the CPU from this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


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
