"""Fakes for tests of plans and runs: a machine of round numbers, a simulation by arithmetic, a worker with a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from suite.axes import Axes, Data, Known, Learning
from suite.case import Case
from suite.fold import Fold
from suite.machine import Calibration
from suite.record import Metric, Record
from suite.simulate import Simulated
from variants.contract import Design, Grid

MACHINE = Calibration("cpu", "float32", 1, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e-6, available_bytes=10**9)
CALIBRATIONS: Mapping[tuple[str, str, int], Calibration] = {("cpu", "float32", n): MACHINE for n in (1, 2)}
EXAMINED = 400
DATA = Data("scenes", {"classification": Known("scenes", 4, EXAMINED), "segmentation": Known("scenes", 2, EXAMINED)})


def axes(*sides: int, tasks: tuple[str, ...] = ("classification",), metrics: str = "params,memory,latency") -> Axes:
    """Square sizes, one task, no accuracy unless asked for."""
    sizes = tuple(Grid(side, side) for side in sides)
    return Axes(resolutions=sizes, tasks=tasks, metrics=tuple(metrics.split(",")), learning=Learning((DATA,)))


def pretend(
    design: Design, task: str, classes: int, size: Grid, batch: int, mode: str, dtype: str, backend: str,
    memory_format: str, fold: Fold,
) -> Simulated:  # fmt: skip
    """100 MACs and 100 bytes a pixel; training is three times that."""
    work = 100 * batch * size.n * (3 if mode == "train" else 1)
    return Simulated(work, 1000, {"activations": work}, {"mm": 10}, {"matmul": work}, 0, {"plain": work}, 10)


@dataclass
class Clock:
    """A clock that stands still until somebody moves it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeWorker:
    """Measures nothing: each case takes `takes` seconds of the clock, and fails where `fails` names a status."""

    clock: Clock = field(default_factory=Clock)
    takes: Callable[[Case], float] = lambda case: 1.0
    fails: Callable[[Case], str] = lambda case: "ok"
    seen: list[Case] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    starts: int = 0

    def __call__(self) -> FakeWorker:
        return self

    def __enter__(self) -> FakeWorker:
        self.starts += 1
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def measure(
        self, case: Case, limit_s: float, memory_bytes: int, progress: Callable[[float], None] | None = None
    ) -> Record:
        self.seen.append(case)
        self.limits.append(limit_s)
        seconds = min(self.takes(case), limit_s)
        self.clock.now += seconds
        if progress:
            progress(0.5)
        status = "timeout" if self.takes(case) > limit_s else self.fails(case)
        metrics = {"latency_ms": Metric(1.0, "ms")} if status == "ok" else {}
        return Record(case, status, "" if status == "ok" else "because", metrics, seconds=seconds)
