"""One process of tests/bench/noise.py: times networks with inputs at new addresses, at an old one, and as avbench does.

Reads {"cases": [...], "seconds": s, "both": true} from standard input and writes {design: {condition: [ms, ...]}}.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch

from avbench.find import find
from suite import clock as subject
from suite.case import Case
from suite.clock import clock, clock_cpu
from suite.disturbance import Frequencies
from suite.latency import LATENCY_SECONDS, inputs_of, timed_pass
from suite.measure import build, designed
from suite.timing import Span, no_garbage_collection


class Whole(Span):
    """Goes on until the time is out, however narrow the interval is."""

    def reason_to_stop(self, samples: list[float]) -> str:
        return "time" if samples and self.over(len(samples)) else ""


@contextmanager
def old_addresses() -> Any:
    """As it was before inputs were made anew: nothing is allocated between blocks."""
    fresh = subject.fresh
    subject.fresh = lambda make_input: make_input()
    yield
    subject.fresh = fresh


def samples_of(case: Case, seconds: float, both: bool) -> dict[str, list[float]]:
    """Samples of a network by condition, the conditions in an order of chance."""
    network = build(case, designed(case, find)).network
    run, make = timed_pass(case, network), inputs_of(case, network)
    kept = make()
    run(kept)

    def new() -> list[float]:
        return clock_cpu(run, make, Whole(seconds), Frequencies()).samples_ms

    def old() -> list[float]:
        with old_addresses():
            return clock_cpu(run, lambda: kept, Whole(seconds), Frequencies()).samples_ms

    def product() -> list[float]:
        return clock(run, make, LATENCY_SECONDS).samples_ms

    conditions: dict[str, Callable[[], list[float]]] = {"avbench": product}
    conditions |= {"new addresses": new, "one address": old} if both else {}
    with no_garbage_collection():
        return {name: conditions[name]() for name in random.sample(list(conditions), len(conditions))}


def main() -> None:
    asked = json.load(sys.stdin)
    cases = [Case.from_dict(values) for values in asked["cases"]]
    torch.set_num_threads(cases[0].threads)
    random.shuffle(cases)
    json.dump({case.design: samples_of(case, asked["seconds"], asked["both"]) for case in cases}, sys.stdout)


if __name__ == "__main__":
    main()
