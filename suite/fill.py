"""fill: the batch of `--batch max`: as many images as should fit, and as many again where a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from suite.case import Case
from suite.predict import LATENCY_PASSES, PATIENCE, Prediction
from suite.record import Record


def largest_batch(cost: Callable[[int], Prediction], free: int, limit: float) -> int:
    """The largest power of two of images that needs no more than `free` bytes, and whose latency takes no longer than
    a case of `limit` seconds has patience for. At least 1.

    A power of two, because a little more memory or speed should not make another case.
    """
    passes = PATIENCE * limit / (LATENCY_PASSES * cost(1).pass_seconds)
    batch = 1 << max(0, int(passes).bit_length() - 1)
    while batch > 1 and cost(batch).needed_bytes > free:
        batch //= 2
    return batch


def workload(case: Case) -> Case:
    """What a batch is chosen for: memory and latency, in every round, are of the same pass."""
    return replace(case, quantity="latency", cache="cold", round=0, batch=1)


def chosen(records: Iterable[Record]) -> dict[Case, int]:
    """The batches that a run began with, by workload."""
    found: dict[Case, int] = {}
    for case in (r.case for r in records if r.case.fills_memory):
        found.setdefault(workload(case), case.batch)
    return found
