"""Latency on CUDA: the device's own time between events, and the time end to end as the host sees it.

Before each call an L2-sized buffer is overwritten outside the events, so that the cache is cold. For the device's time
a short sleep is queued first: the launches are then already waiting, and their cost does not count.

This file has not run on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

import torch
from torch import Tensor

from suite.clock import Call, Span, Timing, interval_of_median, no_garbage_collection, reason_to_stop, settled

SLEEP_CYCLES = 1_000_000  # about half a millisecond
LAUNCH_BOUND = 1.2  # end to end over device time


def clock_cuda(call: Call, make_input: Callable[[], Tensor], span: Span) -> Timing:
    """Times single calls, each on a new input and with a cold cache."""
    flush = torch.empty(2 * torch.cuda.get_device_properties().L2_cache_size, dtype=torch.uint8, device="cuda")
    with no_garbage_collection():
        warm_up(call, make_input, flush, span)
        wall: list[float] = []
        cpu: list[float] = []
        device: list[float] = []
        while not (reason := reason_to_stop(wall, span)):
            wall_ms, cpu_ms = end_to_end(call, make_input(), flush)
            wall.append(wall_ms)
            cpu.append(cpu_ms)
            device.append(on_device(call, make_input(), flush))
    low, high = interval_of_median(wall)
    return Timing(
        samples_ms=wall,
        cpu_samples_ms=cpu,
        median_ms=median(wall),
        low_ms=low,
        high_ms=high,
        cpu_ms=median(cpu),
        calls_per_sample=1,
        stopped_by=reason,
        marks=("launch_bound",) if median(wall) > LAUNCH_BOUND * median(device) else (),
        device_samples_ms=device,
        device_ms=median(device),
    )


def warm_up(call: Call, make_input: Callable[[], Tensor], flush: Tensor, span: Span) -> None:
    """Calls until five in a row differ by under 1 % on the device, or the time is over."""
    times = [on_device(call, make_input(), flush)]
    while not (span.warm() or settled(times)):
        times.append(on_device(call, make_input(), flush))


def end_to_end(call: Call, images: Tensor, flush: Tensor) -> tuple[float, float]:
    """Wall and CPU milliseconds of one call, the device being idle before and after."""
    flush.zero_()
    torch.cuda.synchronize()
    cpu, wall = process_time(), perf_counter()
    call(images)
    torch.cuda.synchronize()
    return (perf_counter() - wall) * 1e3, (process_time() - cpu) * 1e3


def on_device(call: Call, images: Tensor, flush: Tensor) -> float:
    """Milliseconds between two events around one call."""
    start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    flush.zero_()
    torch.cuda._sleep(SLEEP_CYCLES)
    start.record()
    call(images)
    stop.record()
    stop.synchronize()
    return start.elapsed_time(stop)
