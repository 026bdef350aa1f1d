"""What a run tells while it goes on (Event) and when it is over (Outcome), and where its time went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from suite.plan import Planned
from suite.record import Record

BESIDE = {"building": "build_s", "fitting": "residual_s", "simulating": "simulate_s"}  # by the notes that hold them


@dataclass(frozen=True)
class Event:
    """What a display shows: a case that begins or goes on (no record), or that has ended with its record."""

    planned: Planned
    fraction: float
    record: Record | None
    done: int
    total: int
    seconds_left: float


@dataclass
class Outcome:
    """What became of a run."""

    measured: int = 0
    kept: int = 0  # what an earlier start had measured
    not_tried: int = 0  # does not apply, too large, too slow
    not_reached: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds of planning, starting (workers), building (networks), fitting (how far they miss the budget), simulating
    (what is held against what was measured), measuring, writing, showing, and the rest; with several devices at once,
    those of each added up."""

    def spend(self, what: str, seconds: float) -> None:
        """So much more of the time went there."""
        self.spent[what] = self.spent.get(what, 0.0) + max(0.0, seconds)

    @contextmanager
    def spending(self, what: str, clock: Callable[[], float]) -> Iterator[None]:
        """What happens inside is charged there."""
        began = clock()
        try:
            yield
        finally:
            self.spend(what, clock() - began)

    def charge(self, record: Record, seconds: float) -> None:
        """The time that a worker took to come back with a record: it started, built, simulated and measured."""
        self.spend("starting", seconds - record.seconds)
        measuring = record.seconds
        for what, note in BESIDE.items():
            beside = float(record.notes.get(note, 0.0))
            self.spend(what, beside)
            measuring -= beside
        self.spend("measuring", measuring)

    def shares(self) -> dict[str, float]:
        """The share of each in all that was spent, the largest first; none if nothing was measured."""
        total = sum(self.spent.values())
        if not self.measured or not total:
            return {}
        return dict(sorted(((name, s / total) for name, s in self.spent.items()), key=lambda share: -share[1]))

    @property
    def overhead(self) -> float:
        """The share of the run that was not spent measuring."""
        return sum(share for name, share in self.shares().items() if name != "measuring")
