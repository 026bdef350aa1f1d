"""Latency of one call: its raw samples, and what disturbed them. The CPU's clock is here, CUDA's in clock_cuda.py.

On the CPU a sample is the mean of a block of calls, 20 to 40 ms of them, or one call where a call is longer. Each block
gets a new input at a new address, since where a tensor lies shifts its time for as long as it lies there.
"""

from __future__ import annotations

import random
from statistics import median
from time import perf_counter, process_time

import torch
from torch import Tensor

from suite.clock_cuda import clock_cuda
from suite.disturbance import STOLEN, Disturbance, Frequencies, a_tenth, cpu_mhz, waits
from suite.samples import settled
from suite.timing import Call, MakeInput, Span, Timing, no_garbage_collection

BLOCK_S = 0.03
STARVED = 1.2  # a block whose wall time is this much longer than its CPU time explains was disturbed
SPACER_FLOATS = 2**16


def clock(
    call: Call, make_input: MakeInput, seconds: float, device: str = "cpu", patience: float | None = None,
    cache: str = "cold", frequencies: Frequencies | None = None,
) -> Timing:  # fmt: skip
    """Times `call(input)` for about this long, warm-up included; longer, up to `patience`, for the six samples that an
    interval takes; at least one call after one to warm up.

    Threads, seed and kernels are the caller's to fix, and `frequencies` to keep, if this is one timing of several.
    `cache` is of CUDA.
    """
    span, frequencies = Span(seconds, patience), frequencies or Frequencies()
    with no_garbage_collection():
        if device == "cpu":
            return clock_cpu(call, make_input, span, frequencies)
        return clock_cuda(call, make_input, span, frequencies, device, cache)


def clock_cpu(call: Call, make_input: MakeInput, span: Span, frequencies: Frequencies) -> Timing:
    """Blocks until there is a reason to stop."""
    calls = warm_up(call, make_input, span)
    wall: list[float] = []
    cpu: list[float] = []
    waited: list[float] = []
    mhz: list[float] = []
    disturbance = Disturbance()
    while not (reason := span.reason_to_stop(wall)):
        block_wall, block_cpu, block_waited = block(call, fresh(make_input), calls)
        wall.append(block_wall / calls * 1e3)
        cpu.append(block_cpu / calls * 1e3)
        waited.append(block_waited / calls * 1e3)
        mhz += cpu_mhz()
    starved, steal = starved_blocks(wall, cpu, waited), disturbance.steal_ms
    marks = {
        "contended": a_tenth(starved),
        "stolen": steal > STOLEN * sum(wall) * calls,
        "throttled": frequencies.throttled("cpu", mhz),
    }
    return Timing(
        samples_ms=wall,
        cpu_samples_ms=cpu,
        calls_per_sample=calls,
        stopped_by=reason,
        marks=tuple(mark for mark, holds in marks.items() if holds),
        contended_samples=sum(starved),
        steal_ms=steal,
        involuntary_switches=disturbance.involuntary_switches,
        clock_mhz=median(mhz) if mhz else None,
    )


def warm_up(call: Call, make_input: MakeInput, span: Span) -> int:
    """Calls until five blocks in a row differ by under 1 %, or the time for it is over; returns calls for a block."""
    block(call, fresh(make_input), 1)
    if span.warm():
        return 1
    once, *_ = block(call, fresh(make_input), 1)
    calls = max(1, round(BLOCK_S / once))
    times: list[float] = []
    while not (span.warm() or settled(times)):
        wall, *_ = block(call, fresh(make_input), calls)
        times.append(wall / calls)
    return max(1, round(BLOCK_S / median(times[-5:]))) if times else calls


def block(call: Call, images: Tensor, calls: int) -> tuple[float, float, float]:
    """Wall and CPU seconds of some calls in a row, and those for which the thread that waited longest had no core."""
    before = waits()
    cpu, wall = process_time(), perf_counter()
    for _ in range(calls):
        call(images)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    return wall, cpu, max((waited - before.get(thread, 0.0) for thread, waited in waits().items()), default=0.0)


def fresh(make_input: MakeInput) -> Tensor:
    """An input behind a spacer of random size, so that it seldom lies where the last one lay."""
    spacer = torch.empty(random.randrange(1, SPACER_FLOATS))
    made = make_input()
    del spacer
    return made


def starved_blocks(wall: list[float], cpu: list[float], waited: list[float]) -> list[bool]:
    """Which blocks got too little of the CPU: less by a sixth than the best block, or than one full core; or one of
    their threads waited for a core for a sixth of the time, which tells of blocks that all got too little.
    """
    used = [c / w for w, c in zip(wall, cpu, strict=True)]
    full = max(1.0, *used)
    return [full > STARVED * u or w > STARVED * (w - off) for u, w, off in zip(used, wall, waited, strict=True)]
