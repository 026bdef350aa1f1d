"""fill: as many images at once as should fit, as many again where a run goes on: of `--batch max`, and of trainings.

More or less memory than when a run began makes no other cases of it, so that nothing is measured or learnt twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from suite.case import Case
from suite.latency import PATIENCE
from suite.predict import LATENCY_PASSES, Prediction
from suite.record import Record

ANEW = ("not_applicable", "too_large", "too_slow", "oom")  # trainings for which another start chooses anew


class Chosen(NamedTuple):
    """How many images at once, and what more of them would exceed."""

    images: int
    bound: str = ""  # memory, or time; empty where nothing says so


def largest_batch(cost: Callable[[int], Prediction], free: int, limit: float) -> Chosen:
    """The largest power of two of images that needs no more than `free` bytes, and whose latency takes no longer than
    a case of `limit` seconds has patience for; and which of them is the bound. At least 1.

    A power of two, because a little more memory or speed should not make another case.
    """
    passes = PATIENCE * limit / (LATENCY_PASSES * cost(1).pass_seconds)
    most = batch = 1 << max(0, int(passes).bit_length() - 1)
    while (large := cost(batch).needed_bytes > free) and batch > 1:
        batch //= 2
    return Chosen(batch, "memory" if large or batch < most else "time")


def workload(case: Case) -> Case:
    """What a number of images is chosen for: memory and latency, in every round, are of the same pass; a training
    step is the same from every seed.
    """
    if case.quantity == "accuracy":
        return replace(case, at_once=0, seed=0)
    return replace(case, quantity="latency", cache="cold", round=0, batch=1)


def chosen(records: Iterable[Record]) -> dict[Case, Chosen]:
    """The batches that a run began with, and the parts of those that are learnt from (`at_once`), by workload."""
    found: dict[Case, Chosen] = {}
    for record in records:
        case = record.case
        if case.fills_memory:
            found.setdefault(workload(case), Chosen(case.batch, str(record.notes.get("bound", ""))))
        if case.quantity == "accuracy" and record.status not in ANEW:
            found.setdefault(workload(case), Chosen(case.at_once))
    return found
