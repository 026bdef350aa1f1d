"""The latency tier: process triples of two checkouts, in random order, and what they say.

Each process is new, imports one checkout and times all cases. A triple is A, A' (the base, twice) and B (the head),
started in an order of chance. What is flagged is measured again by as many new triples.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.gate import verdict
from suite.gate.target import Target
from suite.gate.trees import Tree
from suite.gate.verdict import FASTER, SLOWER, Key, Triple, Verdict
from suite.worker import environment

PROBE = Path(__file__).with_name("probe.py")
SIDES = ("a", "a2", "b")
BLOCKS = 12  # of each case in each process
PATIENCE_S = 300.0  # for one process

Tell = Callable[[str, int, int], None]
"""Hears what is being done, how many processes are over, and of how many."""
Answer = dict[str, Any]
"""What probe.py writes: samples, medians, failed."""


@dataclass
class Samples:
    """Every sample of a series of triples, by case, quantity and side."""

    triples: dict[Key, list[Triple]] = field(default_factory=dict)
    raw: dict[str, dict[str, dict[str, list[list[float]]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """What the latency tier found: the first triples, the rerun of what they flagged, and the verdicts on both."""

    verdicts: list[Verdict]
    samples: Samples
    again: Samples
    lost: dict[str, str]  # cases that fail at the head and not at the base, with the reason
    new: dict[str, str]  # cases that fail at the base and not at the head
    failed: dict[str, str]  # cases that fail at both


def compare(
    base: Tree, head: Tree, targets: Sequence[Target], triples: int, seed: int, threads: int, tell: Tell
) -> Compared:
    """Compares the revisions on the targets, with as many triples as significance needs, and at least `triples`."""
    chance = random.Random(seed)
    failures = {side: _failures(tree, targets, threads, tell) for side, tree in (("base", base), ("head", head))}
    lost = {name: why for name, why in failures["head"].items() if name not in failures["base"]}
    new = {name: why for name, why in failures["base"].items() if name not in failures["head"]}
    both = {name: why for name, why in failures["head"].items() if name in failures["base"]}
    sound = [t for t in targets if t.name not in {*lost, *new, *both}]
    if not sound:
        return Compared([], Samples(), Samples(), lost, new, both)
    quantities = sum(1 if t.device != "cpu" else 2 for t in sound)
    count = max(triples, verdict.least_triples(quantities))
    samples = measured(base, head, sound, count, chance, threads, tell)
    first = verdict.judged(samples.triples)
    suspects = {v.case for v in first if v.outcome in (SLOWER, FASTER)}
    again = Samples()
    if suspects:
        again = measured(base, head, [t for t in sound if t.name in suspects], count, chance, threads, tell)
    return Compared(verdict.confirmed(first, again.triples), samples, again, lost, new, both)


def measured(
    base: Tree, head: Tree, targets: Sequence[Target], count: int, chance: random.Random, threads: int, tell: Tell
) -> Samples:
    """So many triples of processes, each triple in an order of chance."""
    samples = Samples()
    by_key: defaultdict[Key, list[Triple]] = defaultdict(list)
    for i in range(count):
        answers: dict[str, Answer] = {}
        for place, side in enumerate(chance.sample(SIDES, 3)):
            tell(f"triple {i + 1} of {count}", 3 * i + place, 3 * count)
            tree = head if side == "b" else base
            answers[side] = asked(tree, targets, BLOCKS, chance.getrandbits(32), threads)
        for key, triple in _triples(targets, answers):
            by_key[key].append(triple)
        _keep(samples.raw, answers)
    samples.triples = dict(by_key)
    return samples


def asked(tree: Tree, targets: Sequence[Target], blocks: int, seed: int, threads: int) -> Answer:
    """What one new process says. A process that dies or hangs fails each of its cases, with the reason."""
    with tempfile.TemporaryDirectory(prefix="avbench-probe-") as folder:
        request, reply = Path(folder) / "request.json", Path(folder) / "answer.json"
        cases = [target.as_dict() for target in targets]
        request.write_text(json.dumps({"cases": cases, "blocks": blocks, "seed": seed, "threads": threads}))
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(PROBE), str(request), str(reply)],
                cwd=tree.folder,
                env=_environment(tree, threads),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
            why = f"the process ended with {done.returncode}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}"
        except subprocess.TimeoutExpired:
            why = f"not over after {PATIENCE_S:.0f} s"
        try:
            answer: Answer = json.loads(reply.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            answer = {"samples": {}, "medians": {}, "failed": {target.name: why for target in targets}}
        return answer


def _environment(tree: Tree, threads: int) -> dict[str, str]:
    """The checkout comes first among the places of modules; what is installed stays."""
    own = environment(threads)
    return os.environ | own | {"PYTHONPATH": os.pathsep.join([*tree.imports, own["PYTHONPATH"]])}


def _failures(tree: Tree, targets: Sequence[Target], threads: int, tell: Tell) -> dict[str, str]:
    """The cases that do not run in a checkout. The process also leaves the compiled modules that later ones load."""
    tell(f"trying {tree.revision[:12]}", 0, 1)
    failed: dict[str, str] = asked(tree, targets, 1, 0, threads)["failed"]
    return failed


def _triples(targets: Sequence[Target], answers: dict[str, Answer]) -> list[tuple[Key, Triple]]:
    """The medians of one triple of processes; a missing one is not a number, so that the verdict sees it."""
    found = []
    for target in targets:
        for quantity in ("wall_ms", "cpu_ms") if target.device == "cpu" else ("device_ms",):
            medians = (answers[side]["medians"].get(target.name, {}).get(quantity, float("nan")) for side in SIDES)
            found.append(((target.name, quantity), Triple(*medians)))
    return found


def _keep(raw: dict[str, dict[str, dict[str, list[list[float]]]]], answers: dict[str, Answer]) -> None:
    """Adds the samples of a triple: case -> quantity -> side -> one list for each process."""
    for side, answer in answers.items():
        for case, quantities in answer["samples"].items():
            for quantity, values in quantities.items():
                raw.setdefault(case, {}).setdefault(quantity, {}).setdefault(side, []).append(values)
