"""run: measures a plan within its minutes, cheap before dear, whole comparisons before dearer ones.

The memory and the latency of a network follow each other, so that it is built, or compiled, once for what only infers.
The order: every static quantity; memory and the first round of latency, resolution by resolution; fields and probes;
accuracy, within its share of what is left; what the first round had no time for; the later rounds of latency, each in
a fresh process; then more accuracy while time remains. CUDA devices work at the same time, the CPU alone
(suite/lanes.py).
A case is started only if it should end in time. What was not reached is a record too, and the same command goes on
with it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

from suite.afford import FIRST_SHARE
from suite.axes import Limits
from suite.case import Case
from suite.lanes import Lanes, Measurer, turns
from suite.machine import SPARE, available_bytes
from suite.outcome import Event, Outcome
from suite.pace import Pace, first
from suite.plan import Plan, Planned
from suite.record import STARTS, TRY_AGAIN, Journal, Record, latest, read
from suite.training.keep import Keep

ACCURACY_SHARE = 0.5  # the least part of what is left after the first round that accuracy gets before later rounds
GRACE = 30.0  # seconds that the last case may go on when the run's minutes are over
UNTRIED = TRY_AGAIN | {"too_large", "too_slow", "not_applicable"}  # a case that was never measured
FAILED = frozenset({"oom", "crash", "timeout", "nan", "diverged", "error"})


def run(
    plan: Plan,
    folder: Path,
    limits: Limits,
    worker: Callable[[], Measurer],
    tell: Callable[[Event], None] = lambda event: None,
    machines: Mapping[str, Any] | None = None,
    request: dict[str, Any] | None = None,
    planning_seconds: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Measures what the folder does not hold yet, each round in a new `worker()` for each device.

    Records carry the fingerprint that `machines` holds of their device. starts.jsonl keeps the request (whatever it
    is) and, at the end, the outcome.

    Ctrl-C ends it cleanly: the case in flight is dropped and the outcome is `interrupted`. ValueError if the folder
    cannot be written, or belongs to a sweep that is still running.
    """
    with _opened(folder) as journal:
        sweep = Sweep(plan, journal, limits, worker, tell, machines or {}, clock)
        sweep.outcome.spend("planning", planning_seconds)
        sweep.note({"request": request or {}, "limits": asdict(limits), "machines": machines or {}})
        try:
            sweep.measure()
        except KeyboardInterrupt:
            sweep.outcome.interrupted = True
        return sweep.finish()


def _opened(folder: Path) -> Journal:
    try:
        return Journal(folder)
    except OSError as error:
        raise ValueError(f"cannot write to {folder} ({error.strerror or error}): choose another --run") from None


class Sweep:
    """One start of a run."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        limits: Limits,
        worker: Callable[[], Measurer],
        tell: Callable[[Event], None],
        machines: Mapping[str, Any],
        clock: Callable[[], float],
    ) -> None:
        self.plan, self.journal, self.limits, self.worker = plan, journal, limits, worker
        self.tell, self.machines, self.clock = tell, machines, clock
        self.trainings = Keep(str(journal.path.parent))
        self.lock = RLock()  # held by one lane at a time, while it changes what follows or writes
        self.began, self.pace, self.outcome = clock(), Pace(), Outcome()
        self.deadline = self.began + limits.minutes * 60 if limits.minutes else math.inf
        self.held = {r.id: r for r in latest(journal.records) if r.status not in UNTRIED}
        for planned in plan.tried:
            if record := self.held.get(planned.case.id):
                self.pace.learn(planned, record.seconds)
                self.outcome.kept += 1

    def measure(self) -> None:
        """Everything, in the order that this module states."""
        self._write_untried()
        rounds = self._rounds()
        static = _cheap_first(p for p in self.plan.tried if p.case.quantity == "static")
        accuracy = sorted(
            (p for p in self.plan.tried if p.case.quantity == "accuracy"),
            key=lambda p: (p.case.height * p.case.width, p.case.seed, p.seconds),
        )
        once = static + rounds[0] + _cheap_first(p for p in self.plan.tried if p.case.quantity in ("field", "probe"))
        self._stage(once, self.began + FIRST_SHARE * (self.deadline - self.began))
        self._stage(accuracy, self._accuracy_until(p for later in rounds[1:] for p in later))
        for later in [once, *rounds[1:], accuracy]:
            self._stage(later, self.deadline)

    def finish(self) -> Outcome:
        """Writes a record for each case that was not reached, and a note of the outcome, which it returns."""
        held = {r.id: r for r in latest(read(self.journal.path.parent))}
        for planned in self.plan.tried:
            record = held.get(planned.case.id)
            if record is None or record.status in UNTRIED:
                self.outcome.not_reached += 1
            if record is None or record.status in UNTRIED - TRY_AGAIN:
                minutes = self.pace.seconds(planned) / 60
                reason = f"not reached, needs about {max(minutes, 0.1):.1f} min: start the same command again"
                self._append(self._unmeasured(planned, "not_reached", reason))
        self.outcome.seconds = self.clock() - self.began
        known = sum(seconds for name, seconds in self.outcome.spent.items() if name != "planning")
        self.outcome.spend("rest", self.outcome.seconds - known)
        self.note(asdict(self.outcome) | {"overhead": round(self.outcome.overhead, 4)})
        return self.outcome

    def _rounds(self) -> list[list[Planned]]:
        """Memory with the first round of latency, then each later round; cheap before dear networks in each."""
        timed = [p for p in self.plan.tried if p.case.quantity in ("memory", "latency")]
        last = max((p.case.round for p in timed), default=0)
        return [_network_by_network(p for p in timed if p.case.round == r) for r in range(last + 1)]

    def _accuracy_until(self, later: Iterable[Planned]) -> float:
        """When accuracy must make way for the later rounds of latency."""
        now = self.clock()
        reserved = sum(self.pace.seconds(p) for p in later if p.case.id not in self.held)
        return max(self.deadline - reserved, now + ACCURACY_SHARE * (self.deadline - now))

    def _stage(self, cases: Iterable[Planned], until: float) -> None:
        """Measures those that are missing and should end before `until`."""
        with Lanes(self.worker) as lanes:
            for turn in turns(cases):
                lanes.run(turn, partial(self._turn, lanes, until))

    def _turn(self, lanes: Lanes, until: float, planned: Planned) -> None:
        with self.lock:
            if planned.case.id in self.held or self._failed_in_first_round(planned):
                return
            if self.clock() + self.pace.seconds(planned) > until:
                return
        self._measure(lanes, planned)

    def _failed_in_first_round(self, planned: Planned) -> bool:
        """A case that failed once is not tried in every round: its later rounds take over the reason."""
        before = self.held.get(first(planned.case).id)
        if planned.case.round == 0 or before is None or before.status not in FAILED:
            return False
        self._keep(planned, self._unmeasured(planned, before.status, f"as in the first round: {before.reason}"))
        return True

    def _measure(self, lanes: Lanes, planned: Planned) -> None:
        case, limit, worker = planned.case, self._limit(planned), lanes.worker(planned.case)
        allowed = min(limit, self.deadline - self.clock() + GRACE)
        self._tell(planned, 0.0)
        began = self.clock()
        record = worker.measure(
            case, allowed, self.limits.memory_bytes or 0, lambda fraction: self._tell(planned, fraction)
        )
        if lanes.stopped or (record.status == "timeout" and allowed < limit):
            return  # the run was over, not the case: not reached
        with self.lock:
            self.outcome.charge(record, self.clock() - began)
            if not record.notes.get("resumed_at"):  # else an earlier start has done a part of it
                self.pace.learn(planned, self.clock() - began)
            self.outcome.measured += 1
            self._keep(planned, record)

    def _limit(self, planned: Planned) -> float:
        """The seconds after which a case counts as hung."""
        long = planned.case.quantity == "accuracy" or planned.case.compiles
        return self.limits.case_seconds + (3 * planned.seconds if long else 0.0)

    def _keep(self, planned: Planned, record: Record) -> None:
        notes: dict[str, Any] = {"predicted_bytes": planned.peak_bytes, "predicted_seconds": planned.pass_seconds}
        if planned.bound:
            notes["bound"] = planned.bound
        if record.status == "oom":  # its process is gone, so that what was its own is free again
            free = int(SPARE * available_bytes(planned.case.device))
            notes["available_bytes"] = self.limits.memory_bytes or free
        machine = record.machine or self._machine(planned)
        self._append(replace(record, notes=notes | record.notes, machine=machine))
        self.held[planned.case.id] = record
        self.trainings.discard(planned.case.id)
        self._tell(planned, 1.0, record)

    def _append(self, record: Record) -> None:
        try:
            with self.outcome.spending("writing", self.clock):
                self.journal.append(record)
        except OSError as error:
            place, why = self.journal.path, error.strerror or error
            raise ValueError(f"cannot write to {place} ({why}): make room and start the same command again") from None

    def _write_untried(self) -> None:
        """A record for each case that does not apply, or that is too large or too slow; once."""
        known = {(r.id, r.status, r.reason) for r in latest(self.journal.records)}
        for planned in self.plan.cases:
            if planned.status == "ok" or planned.case.id in self.held:
                continue
            self.outcome.not_tried += 1
            if (planned.case.id, planned.status, planned.reason) not in known:
                self._append(self._unmeasured(planned, planned.status, planned.reason))

    def _unmeasured(self, planned: Planned, status: str, reason: str) -> Record:
        notes = {"predicted_bytes": planned.peak_bytes, "predicted_seconds": planned.pass_seconds}
        return Record(planned.case, status, reason, notes=notes, machine=self._machine(planned), started=_now())

    def _machine(self, planned: Planned) -> dict[str, Any]:
        """The fingerprint of this machine with the case's device."""
        return dict(self.machines.get(planned.case.device, {}))

    def _tell(self, planned: Planned, fraction: float, record: Record | None = None) -> None:
        with self.lock, self.outcome.spending("showing", self.clock):
            done = self.outcome.kept + self.outcome.measured
            missing = sum(self.pace.seconds(p) for p in self.plan.tried if p.case.id not in self.held)
            missing -= fraction * self.pace.seconds(planned) if record is None else 0.0
            left = max(0.0, min(missing, self.deadline - self.clock()))
            self.tell(Event(planned, fraction, record, done, len(self.plan.tried), left))

    def note(self, values: dict[str, Any]) -> None:
        """Adds a line to starts.jsonl."""
        with (self.journal.path.parent / STARTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": _now()} | values) + "\n")


def _cheap_first(cases: Iterable[Planned]) -> list[Planned]:
    """Resolution by resolution; in each, one thread count after the other, since each takes a process; then by time."""
    return sorted(cases, key=lambda p: (p.case.height * p.case.width, p.case.threads, p.seconds))


def _network_by_network(cases: Iterable[Planned]) -> list[Planned]:
    """As `_cheap_first`, but in each the cases of a network together, by the time of all; first those that infer."""
    networks: dict[Case, list[Planned]] = {}
    for planned in _cheap_first(cases):
        networks.setdefault(_network(planned.case), []).append(planned)
    seconds = {network: sum(p.seconds for p in of) for network, of in networks.items()}
    ordered = sorted(networks, key=lambda n: (n.height * n.width, n.threads, seconds[n]))
    return [p for n in ordered for p in sorted(networks[n], key=lambda p: p.case.mode != "inference")]


def _network(case: Case) -> Case:
    """What the cases have in common that one network serves, see suite/measure.py."""
    return replace(case, quantity="static", mode="inference", round=0, cache="cold", fills_memory=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
