"""The latency tier: process triples of two checkouts, in turns on the same cores, and what they say.

A triple is A, A' (the base, twice) and B (the head): three new processes, started in an order of chance, which live
together, pinned to the same cores, and time one block of each case in each turn, in an order of chance, never two at a
time. So whatever slows the machine slows all three. What is flagged is measured again by new triples.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from suite.gate import verdict
from suite.gate.target import Target
from suite.gate.timer import Lost, Timer
from suite.gate.trees import Tree
from suite.gate.verdict import FASTER, SLOWER, Key, Triple, Verdict

SIDES = ("a", "a2", "b")
TURNS = 16  # blocks of each case in each process

Tell = Callable[[str], None]
"""Hears what is being done."""
Raw = dict[str, dict[str, dict[str, list[list[float]]]]]
"""Milliseconds: case -> quantity -> side -> one list for each process, with one sample for each turn."""


@dataclass
class Samples:
    """Every sample of a series of triples, and the cases that stopped running, with the reason."""

    triples: dict[Key, list[Triple]] = field(default_factory=dict)
    raw: Raw = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, taken: dict[Key, Triple]) -> None:
        """One more triple of each case and quantity."""
        for (case, quantity), triple in taken.items():
            self.triples.setdefault((case, quantity), []).append(triple)
            sides = self.raw.setdefault(case, {}).setdefault(quantity, {})
            for side in SIDES:
                sides.setdefault(side, []).append(list(getattr(triple, side)))


@dataclass(frozen=True)
class Compared:
    """What the latency tier found: the first triples, the rerun of what they flagged, and the verdicts on both."""

    verdicts: list[Verdict]
    samples: Samples
    again: Samples
    lost: dict[str, str]  # cases that fail at the head and not at the base, with the reason
    new: dict[str, str]  # cases that fail at the base and not at the head, with the reason
    failed: dict[str, str]  # cases that fail at both


def compare(
    base: Tree, head: Tree, targets: Sequence[Target], triples: int, seed: int, threads: int, tell: Tell
) -> Compared:
    """Compares the revisions on the targets, with as many triples as significance needs, and at least `triples`."""
    chance = random.Random(seed)
    tell("trying both revisions")
    failures = _failures(base, head, targets, threads)
    lost = {name: why for name, why in failures["head"].items() if name not in failures["base"]}
    new = {name: why for name, why in failures["base"].items() if name not in failures["head"]}
    both = {name: why for name, why in failures["head"].items() if name in failures["base"]}
    sound = [t for t in targets if t.name not in {*lost, *new, *both}]
    if not sound:
        return Compared([], Samples(), Samples(), lost, new, both)
    count = max(triples, verdict.triples_for(sum(len(quantities(t)) for t in sound)))
    series = Series({"a": base, "a2": base, "b": head}, count, threads, chance, tell)
    samples = series.measured(sound, "")
    first = verdict.judged(samples.triples, samples.failed)
    suspects = {v.case for v in first if v.outcome in (SLOWER, FASTER)}
    if not suspects:
        return Compared(first, samples, Samples(), lost, new, both)
    again = series.measured([t for t in sound if t.name in suspects], " again")
    verdicts = verdict.confirmed(first, verdict.judged(again.triples, again.failed))
    return Compared(verdicts, samples, again, lost, new, both)


@dataclass(frozen=True)
class Series:
    """How triples are measured."""

    trees: dict[str, Tree]  # by side
    count: int  # of triples, at least
    threads: int
    chance: random.Random
    tell: Tell

    def measured(self, targets: Sequence[Target], how: str) -> Samples:
        """At least `count` triples; and more, up to verdict.ENOUGH_TRIPLES while the base is too unlike itself."""
        samples, left, done = Samples(), list(targets), 0
        while left and (done < self.count or (done < verdict.ENOUGH_TRIPLES and verdict.is_wide(samples.triples))):
            self.tell(f"triple {done + 1} of {max(self.count, done + 1)}{how}")
            taken, failed = self.triple(left)
            if failed:
                samples.failed |= failed
                left = [t for t in left if t.name not in failed]
            else:
                samples.add(taken)
                done += 1
        samples.triples |= {(t.name, q): [] for t in targets if t.name in samples.failed for q in quantities(t)}
        return samples

    def triple(self, targets: Sequence[Target]) -> tuple[dict[Key, Triple], dict[str, str]]:
        """One triple of each case and quantity; or nothing, and the cases that failed, with the reason."""
        chance, cores = self.chance, _cores(self.threads, self.chance)
        with ExitStack() as stack:
            timers: dict[str, Timer] = {}
            for side in chance.sample(SIDES, 3):
                timer = Timer(self.trees[side], targets, chance.getrandbits(32), self.threads, cores)
                timers[side] = stack.enter_context(timer)
            failed: dict[str, str] = {}
            for timer in timers.values():
                failed |= _ready(timer, targets)
            return ({}, failed) if failed else self.turns(timers, targets)

    def turns(self, timers: dict[str, Timer], targets: Sequence[Target]) -> tuple[dict[Key, Triple], dict[str, str]]:
        """The same, of processes that are ready. Only one of them works at a time."""
        blocks: dict[str, dict[str, list[dict[str, float]]]] = {t.name: {side: [] for side in SIDES} for t in targets}
        for _ in range(TURNS):
            for case in self.chance.sample(sorted(blocks), len(blocks)):
                for side in self.chance.sample(SIDES, 3):
                    try:
                        blocks[case][side].append(timers[side].block(case))
                    except Lost as lost:
                        return {}, {case: str(lost)}
        return {
            (t.name, q): Triple(*(tuple(block[q] for block in blocks[t.name][side]) for side in SIDES))
            for t in targets
            for q in quantities(t)
        }, {}


def quantities(target: Target) -> tuple[str, ...]:
    """What is timed of a case."""
    return ("wall_ms", "cpu_ms") if target.device == "cpu" else ("device_ms",)


def _cores(threads: int, chance: random.Random) -> list[int]:
    """So many of the cores that this process may use, by chance; none where the system does not let one choose."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    return chance.sample(allowed, min(threads, len(allowed)))


def _ready(timer: Timer, targets: Sequence[Target]) -> dict[str, str]:
    """Waits for a process. The cases that do not run in it; each of them, if it dies or hangs."""
    try:
        return timer.failed()
    except Lost as lost:
        return {target.name: str(lost) for target in targets}


def _failures(base: Tree, head: Tree, targets: Sequence[Target], threads: int) -> dict[str, dict[str, str]]:
    """The cases that do not run in a checkout. The processes also leave the compiled modules that later ones load."""
    with Timer(base, targets, 0, threads, ()) as at_base, Timer(head, targets, 0, threads, ()) as at_head:
        return {"base": _ready(at_base, targets), "head": _ready(at_head, targets)}
