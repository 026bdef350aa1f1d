"""The machine: its devices, its free memory, and how fast it is (calibrate)."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

import psutil
import torch
from torch import nn
from torch.nn import functional as F

from suite.process import keep_freed

CGROUP = Path("/sys/fs/cgroup")
CALIBRATION_S = 1.0
BLOCK_S = 1e-3  # of calls on CUDA, lest waiting for the device be what is timed
LAYERS = 24  # how many weights take turns in a calibration
SPARE = 0.9  # the share of the free memory that a case may be predicted to need, and may allocate
FILLING = 32  # images at once in a calibration on CUDA: those of one would time the launches


@dataclass(frozen=True)
class Calibration:
    """How fast this machine is, at one thread count, on one device, in one dtype."""

    device: str
    dtype: str
    threads: int
    matmul: float  # multiply-adds per second: matrices of the sizes that projections have
    conv: float  # convolutions of 3x3 and 1x1
    grouped: float  # depthwise 3x3 convolutions
    attention: float  # fused scaled_dot_product_attention
    plain: float  # bytes per second, read and written by a sum of two tensors that allocates what it returns
    heavy: float  # by operators that compute more: norms, softmax, GELU
    strided: float  # by copies into another order
    operator_seconds: float  # what a module costs that calls one operator, however small its tensors
    available_bytes: int


def require(device: str) -> None:
    """ValueError unless this machine has the device: cpu, cuda or cuda:N."""
    kind, _, index = device.partition(":")
    if device == "cpu":
        return
    if kind != "cuda" or (index and not index.isdecimal()):
        raise ValueError(f"there is no device {device}: choose cpu, cuda or cuda:1")
    count = torch.cuda.device_count()
    if count == 0:
        raise ValueError("this machine has no CUDA device that torch can use: choose --device cpu")
    if int(index or 0) >= count:
        raise ValueError(f"there is no {device}: this machine has cuda:0 to cuda:{count - 1}")


def devices() -> list[str]:
    """What `--device` may be here."""
    return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


def default_device() -> str:
    """cuda where torch can use it, else cpu."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def available_bytes(device: str = "cpu") -> int:
    """The memory that is free now: of the device, or of this process's control group if that is less.

    What the group keeps of files is free: the system drops it when memory is asked for.
    """
    if device != "cpu":
        return int(torch.cuda.mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    limit, used = (_number(_text(CGROUP / name)) for name in ("memory.max", "memory.current"))
    if limit is None or used is None:
        return free
    stat = dict(line.split(maxsplit=1) for line in _text(CGROUP / "memory.stat").splitlines())
    return min(free, limit - used + (_number(stat.get("inactive_file", "")) or 0))


def default_threads() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def calibrate(device: str = "cpu", dtype: str = "float32", threads: int = 1) -> Calibration:
    """Times eight operators for about a second, at this thread count. ValueError if the device is missing."""
    require(device)
    keep_freed()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            return _calibrated(device, dtype, threads)
    finally:
        torch.set_num_threads(before)


def _calibrated(device: str, dtype: str, threads: int) -> Calibration:
    """The operators take turns, so that each finds threads and caches as others leave them, like those of a network."""
    operators = _operators(device, getattr(torch, dtype))
    calls = {name: 1 if device == "cpu" else _calls(call, device) for name, (_, call) in operators.items()}
    times = {name: list[float]() for name in operators}
    end = time.perf_counter() + CALIBRATION_S
    while not times["operator"] or time.perf_counter() < end:
        for name, (_, call) in operators.items():
            times[name].append(seconds(call, device, calls[name]) / calls[name])
    taken = {name: median(times[name]) for name in operators}
    overhead = taken.pop("operator") / LAYERS
    rates = {name: operators[name][0] / time_of_one for name, time_of_one in taken.items()}
    return Calibration(
        device, dtype, threads, operator_seconds=overhead, available_bytes=available_bytes(device), **rates
    )


def _operators(device: str, dtype: torch.dtype) -> dict[str, tuple[int, Callable[[], object]]]:
    """What is timed: multiply-adds, or bytes, of one call, and the call."""
    random = functools.partial(torch.randn, device=device, dtype=dtype)
    n = 1 if device == "cpu" else FILLING

    def several(*shape: int) -> Iterator[torch.Tensor]:
        """As many weights as a network has, in turn: those of one layer alone would stay in the nearest cache."""
        return cycle([random(*shape) for _ in range(LAYERS)])

    x, image, few = random(n * 196, 192), random(n, 64, 28, 28), random(1, 16)
    wide, q, tokens = several(768, 192), several(n, 3, 784, 64), several(n, 784, 6, 64)
    kernel, point, thin = several(64, 64, 3, 3), several(256, 64, 1, 1), several(64, 1, 3, 3)
    small, moved = nn.Linear(16, 16, device=device, dtype=dtype), next(tokens).nbytes
    return {
        "matmul": (n * 196 * 192 * 768, lambda: F.linear(x, next(wide))),
        "conv": (n * 784 * 64 * (576 + 256), lambda: F.conv2d(F.conv2d(image, next(kernel), padding=1), next(point))),
        "grouped": (n * 784 * 64 * 9, lambda: F.conv2d(image, next(thin), padding=1, groups=64)),
        "attention": (n * 6 * 784**2 * 64, lambda: F.scaled_dot_product_attention(next(q), next(q), next(q))),
        "plain": (3 * moved, lambda: next(tokens) + next(tokens)),
        "heavy": (2 * moved, lambda: F.gelu(next(tokens))),
        "strided": (2 * moved, lambda: next(tokens).transpose(1, 2).contiguous()),
        "operator": (0, lambda: [small(few) for _ in range(LAYERS)]),
    }


def _calls(call: Callable[[], object], device: str) -> int:
    """How many calls take at least BLOCK_S together, once all is loaded that the first needs."""
    call()
    calls = 1
    while seconds(call, device, calls) < BLOCK_S:
        calls *= 2
    return calls


def seconds(call: Callable[[], object], device: str, calls: int = 1) -> float:
    """Of so many calls, until the device has done them."""
    wait(device)
    start = time.perf_counter()
    for _ in range(calls):
        call()
    wait(device)
    return time.perf_counter() - start


def wait(device: str) -> None:
    """Until the device has nothing left to do."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
