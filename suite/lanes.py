"""Which cases may be measured at the same time: one on each CUDA device, and nothing beside one on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import groupby
from threading import Lock
from typing import Protocol

from suite.case import Case
from suite.plan import Planned
from suite.record import Record

CPU = "cpu"
TICK_S = 0.5


class Measurer(Protocol):
    """What a run asks of a worker, which is `suite.worker.Worker`."""

    def __enter__(self) -> Measurer: ...
    def __exit__(self, *error: object) -> None: ...
    def measure(
        self, case: Case, limit_s: float, memory_bytes: int, progress: Callable[[float], None] | None = None
    ) -> Record: ...
    def stop(self) -> None:
        """Ends a measurement that another thread waits for."""


def lane(case: Case) -> str:
    """What the case has to itself: its CUDA device; or the whole machine, if it runs or is counted on the CPU."""
    if case.device == CPU or case.quantity == "static":
        return CPU
    return "cuda:0" if case.device == "cuda" else case.device


def turns(cases: Iterable[Planned]) -> Iterator[dict[str, list[Planned]]]:
    """Cases by lane, turn after turn: of each size, in the order given, first those on CUDA, then those on the CPU."""
    for _, alike in groupby(cases, key=lambda p: (p.case.height, p.case.width)):
        lanes: dict[str, list[Planned]] = {}
        for planned in alike:
            lanes.setdefault(lane(planned.case), []).append(planned)
        alone = lanes.pop(CPU, [])
        yield from (turn for turn in (lanes, {CPU: alone} if alone else {}) if turn)


class Lanes:
    """The workers of a stage, one for each lane, each started when it is needed and ended with the stage."""

    def __init__(self, start: Callable[[], Measurer]) -> None:
        self.start, self.stack, self.lock = start, ExitStack(), Lock()
        self.workers: dict[str, Measurer] = {}
        self.stopped = False  # whether what still comes from a worker is to be dropped

    def worker(self, case: Case) -> Measurer:
        """That of the case's lane."""
        name = lane(case)
        with self.lock:
            if name not in self.workers:
                self.workers[name] = self.stack.enter_context(self.start())
            return self.workers[name]

    def run(self, turn: Mapping[str, Iterable[Planned]], measure: Callable[[Planned], None]) -> None:
        """Measures the cases of each lane in their order, the lanes at the same time.

        What `measure` raises, and Ctrl-C, ends all of them and is raised.
        """
        if len(turn) == 1:
            for cases in turn.values():
                self._in_order(cases, measure)
            return
        with ThreadPoolExecutor(len(turn)) as pool:
            try:
                busy = {pool.submit(self._in_order, cases, measure) for cases in turn.values()}
                while busy:  # in ticks, since a signal that comes just before a wait does not end it
                    ended, busy = wait(busy, TICK_S, FIRST_COMPLETED)
                    for lane in ended:
                        lane.result()
            except BaseException:
                self._stop()
                raise

    def _in_order(self, cases: Iterable[Planned], measure: Callable[[Planned], None]) -> None:
        for planned in cases:
            if self.stopped:
                return
            measure(planned)

    def _stop(self) -> None:
        with self.lock:
            self.stopped = True
            for worker in self.workers.values():
                worker.stop()

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()
