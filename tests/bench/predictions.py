"""What was predicted against what was measured, for every design: prints the tables and writes docs/predictions.md.

It reads the records of a sweep in which each design has one layout and one position:

    avbench sweep --metric memory,latency --res 224 --mode inference,train --rounds 2 --run runs/predicted
    python tests/bench/predictions.py runs/predicted

Each device has its own marks in the page; what another device wrote stays.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from suite.case import MODES, Case
from suite.record import Record, latest, read
from suite.units import bytes_text, duration

PAGE = Path(__file__).parents[2] / "docs" / "predictions.md"
CLOSE, FACTOR = 0.05, 1.5  # what is aimed at: memory within 5 % without workspace, nine times in ten within 1.5
MEMORY = ("predicted", "measured", "error", "workspace", "inside", "error without it")
TIME = ("predicted", "measured", "measured / predicted")


@dataclass(frozen=True)
class Pair:
    """A prediction and what came of it; `workspace` is the part of a memory that kernels allocated `inside`."""

    predicted: float
    measured: float
    workspace: float = 0.0
    inside: str = ""

    @property
    def ratio(self) -> float:
        return self.measured / self.predicted

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1

    @property
    def explicit_error(self) -> float:
        """Against what is no workspace."""
        return self.predicted / (self.measured - self.workspace) - 1


Pairs = dict[str, Pair]
"""By design."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a folder that `avbench sweep` wrote")
    parser.add_argument("--res", default="224")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    for device, text in texts(latest(read(options.run)), options.res).items():
        print(text)
        write(options.out, device, text)


def texts(records: Iterable[Record], resolution: str) -> dict[str, str]:
    """By kind of device, what its marks hold."""
    workloads: dict[Case, list[Record]] = defaultdict(list)
    for record in records:
        case = record.case
        plain = case.scope == "network" and case.quantity in ("memory", "latency") and not case.fills_memory
        if plain and case.resolution == resolution:
            workloads[workload(case)].append(record)
    found: dict[str, list[str]] = defaultdict(list)
    for case, of in workloads.items():
        if measured := [r for r in of if r.status == "ok"]:
            told = [title(case, measured), *parts(measured), *missing(of)]
            found[case.device.partition(":")[0]].append("\n\n".join(told))
    return {device: "\n\n".join(told) for device, told in found.items()}


def workload(case: Case) -> Case:
    """What the rows of one table have in common."""
    network = {"design": "", "layout": "", "position": "", "recipe": "", "widths": (), "extra": ()}
    return replace(case, quantity="memory", mode="inference", cache="cold", round=0, **network)


def title(case: Case, records: Sequence[Record]) -> str:
    """What, on which machine, and when."""
    identity, days = records[0].machine.get("identity", {}), sorted(r.started[:10] for r in records)
    machine = ", ".join(str(identity[key]) for key in ("gpu", "cpu", "torch") if key in identity)
    unusual = f"{', compiled' if case.compiled else ''}{f', batch {case.batch}' if case.batch > 1 else ''}"
    task = f"{case.task} {case.decoder}".rstrip()
    what = f"{task}, {case.resolution} pixels, {case.device}, {case.dtype}, {case.backend}{unusual}"
    return f"### {what}\n\n{days[-1]}: {machine or 'unknown machine'}, {case.threads} thread(s)."


def parts(records: Sequence[Record]) -> Iterator[str]:
    """Each quantity in each mode that was measured: a sentence, and a table."""
    for mode in MODES:
        step = "a training step" if mode == "train" else "inference"
        of = [r for r in records if r.case.mode == mode]
        if pairs := memories(of):
            yield f"**Peak memory of {step}.** {said_of_memory(pairs)}\n\n{table(MEMORY, pairs, memory_cells)}"
        if pairs := times(of):
            yield f"**Time of {step}.** {said_of_time(pairs)}\n\n{table(TIME, pairs, time_cells)}"


def missing(records: Iterable[Record]) -> Iterator[str]:
    """Which designs lack a row somewhere, and what became of them instead."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.status != "ok":
            found[record.case.design].add(record.status.replace("_", " "))
    if found:
        names = (f"{design} ({', '.join(sorted(why))})" for design, why in sorted(found.items()))
        yield f"Not measured, or not everywhere: {', '.join(names)}."


def memories(records: Iterable[Record]) -> Pairs:
    """Of each design, the simulated and the measured peak."""
    found = {}
    for record in records:
        values = {name: metric.value for name, metric in record.metrics.items()}
        if {"predicted_bytes", "peak_bytes"} <= values.keys() and record.case.quantity == "memory":
            workspace = values.get("workspace_bytes", 0.0)
            inside = " > ".join(record.notes.get("peak_inside", [])[-2:])
            found[record.case.design] = Pair(values["predicted_bytes"], values["peak_bytes"], workspace, inside)
    return dict(sorted(found.items()))


def times(records: Iterable[Record]) -> Pairs:
    """Of each design, the time that the plan gave a pass and the median over processes, in seconds."""
    measured: dict[str, list[float]] = defaultdict(list)
    predicted = {}
    for record in records:
        guess = record.notes.get("predicted_seconds")
        if record.case.quantity == "latency" and guess:
            measured[record.case.design].append(record.metrics["latency_ms"].value / 1000)
            predicted[record.case.design] = guess
    return {design: Pair(predicted[design], median(of)) for design, of in sorted(measured.items())}


def said_of_memory(pairs: Pairs) -> str:
    """How many are as close as was aimed at, and which is furthest off."""
    close = sum(abs(p.error) <= CLOSE for p in pairs.values())
    explicit = sum(abs(p.explicit_error) <= CLOSE for p in pairs.values())
    worst = max(pairs, key=lambda design: abs(pairs[design].error))
    return (
        f"Within {CLOSE:.0%} without workspace: {explicit} of {len(pairs)} designs; with it: {close}. "
        f"Furthest off: {worst}, {pairs[worst].error:+.1%}, without workspace {pairs[worst].explicit_error:+.1%}."
    )


def said_of_time(pairs: Pairs) -> str:
    """How many are within the factor; and once all are corrected by their median, as a sweep corrects itself."""
    ratios = [p.ratio for p in pairs.values()]
    usual = median(ratios)
    plain, paced = (sum(1 / FACTOR <= r / by <= FACTOR for r in ratios) for by in (1, usual))
    return (
        f"Within a factor of {FACTOR:g}: {plain} of {len(pairs)} designs; {paced} once all are multiplied "
        f"by the median ratio, {usual:.2f}, as a sweep corrects itself. "
        f"Ratios from {min(ratios):.2f} to {max(ratios):.2f}."
    )


def memory_cells(pair: Pair) -> Iterator[str]:
    yield from map(bytes_text, (pair.predicted, pair.measured))
    yield f"{pair.error:+.1%}"
    yield bytes_text(pair.workspace)
    yield pair.inside if pair.workspace else ""
    yield f"{pair.explicit_error:+.1%}"


def time_cells(pair: Pair) -> Iterator[str]:
    yield from map(duration, (pair.predicted, pair.measured))
    yield f"{pair.ratio:.2f}"


def table(heads: Sequence[str], pairs: Pairs, cells: Callable[[Pair], Iterable[str]]) -> str:
    """Markdown, a row for each design."""
    rows = [("design", *heads), ("---", *("--:" for _ in heads))]
    rows += [(design, *cells(pair)) for design, pair in pairs.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write(page: Path, device: str, text: str) -> None:
    """Puts the text between the marks of the device. ValueError where the page has none."""
    start, end = f"<!-- predictions on {device} -->", f"<!-- end of predictions on {device} -->"
    whole = page.read_text(encoding="utf-8")
    if start not in whole or end not in whole:
        raise ValueError(f"{page} has no marks for {device}: add {start} and {end}")
    before, after = whole.split(start)[0], whole.split(end)[1]
    page.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
