"""precedent: how far predictions were off in the newest run of this machine, beside the predictions of a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

from avbench.sweeping import RUNS, records_of
from suite.fingerprint import fingerprint
from suite.record import Record, latest, machine_name


def precedent(devices: Collection[str], runs: Path = RUNS) -> str:
    """One sentence of the newest run on these devices of this machine; empty where none holds a prediction."""
    machines = {machine_name(fingerprint(device)) for device in devices}
    for folder in sorted(runs.glob("*/"), reverse=True):
        with suppress(ValueError, OSError):  # a folder that is no run, or of another version
            found = [r for r in latest(records_of(folder)) if machine_name(r.machine) in machines]
            if known := list(spoken(found)):
                return f"On this machine, in {folder}, {'; '.join(known)}."
    return ""


def spoken(records: Collection[Record]) -> Iterator[str]:
    """Memories, then latencies, each in words; nothing of what is missing."""
    if errors := [abs(ratio - 1) for ratio in memories(records)]:
        half, most = (f"{100 * error:.1f} %" for error in (median(errors), max(errors)))
        yield f"half of {len(errors)} measured memories were within {half} of the prediction, all within {most}"
    if factors := [max(ratio, 1 / ratio) for ratio in latencies(records)]:
        half, most = (f"{factor:.2f}" for factor in (median(factors), max(factors)))
        yield f"half of {len(factors)} measured latencies were within a factor of {half}, all within {most}"


def memories(records: Iterable[Record]) -> Iterator[float]:
    """Predicted over measured peaks."""
    for record in records:
        if {"predicted_bytes", "peak_bytes"} <= record.metrics.keys() and record.metrics["peak_bytes"].value > 0:
            yield record.metrics["predicted_bytes"].value / record.metrics["peak_bytes"].value


def latencies(records: Iterable[Record]) -> Iterator[float]:
    """Predicted over measured times of one pass; what is compiled is predicted as if it were not, and left out."""
    for record in records:
        predicted, measured = record.notes.get("predicted_seconds"), record.metrics.get("latency_ms")
        if measured and isinstance(predicted, float) and predicted > 0 and not record.case.compiles:
            yield 1e3 * predicted / measured.value
