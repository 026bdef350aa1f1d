"""Latency on CUDA: the device's own time between events, and the time end to end as the host sees it.

    end to end   device idle | call, synchronise                                        on the host's clock
    device       event | sleep | event | call | event                                   on the device's clock

With a cold cache a buffer of twice the L2 cache is overwritten before each sample, outside of what is timed; with a
warm one each call follows on another. The sleep holds the device back until the launches are queued, so that their
cost does not count; and since it lasts a known number of cycles, the first two events tell the clock frequency of
each sample. Where end to end is much longer than the device's time, the launches are what takes so long. Where the
sleep is over before the last launch is queued (a driver holds about a thousand), the device's time may hold waits
between kernels: such a case is marked.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter, process_time

import torch
from torch import Tensor

from suite.disturbance import STOLEN, Disturbance, Frequencies, a_tenth
from suite.samples import settled
from suite.timing import Call, MakeInput, Span, Timing

LEAST_CYCLES, MOST_CYCLES = 1_000_000, 1_000_000_000  # of the sleep: about 0.6 and 600 ms
HEAD_START = 1.5  # the sleep over the time that launching takes
LAUNCH_BOUND = 1.2  # end to end over device time


def clock_cuda(
    call: Call, make_input: MakeInput, span: Span, frequencies: Frequencies, device: str, cache: str
) -> Timing:
    """Times single calls, each on a new input, until there is a reason to stop."""
    wall: list[float] = []
    cpu: list[float] = []
    on_device: list[float] = []
    mhz: list[float] = []
    with torch.cuda.device(device):
        watch = Stopwatch(call, cache)
        watch.warm_up(make_input, span)
        disturbance = Disturbance()
        watch.overtaken.clear()
        while not (reason := span.reason_to_stop(wall)):
            wall_ms, cpu_ms = watch.end_to_end(make_input())
            device_ms, clock_mhz = watch.on_device(make_input())
            wall.append(wall_ms)
            cpu.append(cpu_ms)
            on_device.append(device_ms)
            mhz.append(clock_mhz)
    steal = disturbance.steal_ms
    marks = {
        "launch_bound": median(wall) > LAUNCH_BOUND * median(on_device),
        "launches_counted": a_tenth(watch.overtaken),
        "stolen": steal > STOLEN * sum(wall),
        "throttled": frequencies.throttled(device, mhz),
    }
    return Timing(
        samples_ms=wall,
        cpu_samples_ms=cpu,
        calls_per_sample=1,
        stopped_by=reason,
        marks=tuple(mark for mark, holds in marks.items() if holds),
        steal_ms=steal,
        involuntary_switches=disturbance.involuntary_switches,
        clock_mhz=median(mhz),
        device_samples_ms=tuple(on_device),
    )


class Stopwatch:
    """Times single calls on the current device."""

    def __init__(self, call: Call, cache: str) -> None:
        self.call = call
        self.flush = flush_buffer() if cache == "cold" else None
        self.launch_s = 0.0  # what the host needs to launch the call
        self.cycles = LEAST_CYCLES
        self.overtaken: list[bool] = []  # whether the device began before everything was launched, sample by sample

    def warm_up(self, make_input: MakeInput, span: Span) -> None:
        """Calls until five in a row differ by under 1 % on the device, or the time is over; sets the sleep."""
        times: list[float] = []
        while not times or not (span.warm() or settled(times)):
            self.end_to_end(make_input())
            device_ms, mhz = self.on_device(make_input())
            times.append(device_ms)
            self.cycles = min(MOST_CYCLES, max(LEAST_CYCLES, round(HEAD_START * self.launch_s * mhz * 1e6)))

    def end_to_end(self, images: Tensor) -> tuple[float, float]:
        """Wall and CPU milliseconds of one call, the device being idle before and after."""
        self._empty_cache()
        torch.cuda.synchronize()
        cpu, wall = process_time(), perf_counter()
        self.call(images)
        self.launch_s = perf_counter() - wall
        torch.cuda.synchronize()
        return (perf_counter() - wall) * 1e3, (process_time() - cpu) * 1e3

    def on_device(self, images: Tensor) -> tuple[float, float]:
        """Milliseconds between the events around one call, and the device's frequency in MHz just before it."""
        before, start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(3))
        self._empty_cache()
        before.record()
        torch.cuda._sleep(self.cycles)
        start.record()
        self.call(images)
        stop.record()
        self.overtaken.append(start.query())
        stop.synchronize()
        return start.elapsed_time(stop), self.cycles / before.elapsed_time(start) / 1e3

    def _empty_cache(self) -> None:
        if self.flush is not None:
            self.flush.zero_()


def flush_buffer() -> Tensor:
    """Twice as large as the L2 cache of the current device."""
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return torch.empty(2 * properties.L2_cache_size, dtype=torch.uint8, device="cuda")
