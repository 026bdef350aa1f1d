"""sweep: plan, run, report. It picks the run folder, and goes on with one that the same command left unfinished."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from avbench.display import Display
from avbench.noise import conditions_of
from avbench.planning import planned, total
from avbench.request import Request
from suite.fingerprint import fingerprint
from suite.outcome import Outcome
from suite.plan import Plan
from suite.record import STARTS, Record, read, starts
from suite.run import run
from suite.training.keep import Keep
from suite.units import duration
from suite.worker import Worker

RUNS = Path("runs")


def sweep(request: Request, folder: Path | None) -> int:
    """Measures what is asked for and writes the report. Returns the exit code: 0, or 130 after Ctrl-C."""
    console = Console(stderr=True, highlight=False, markup=False)
    limits = request.limits()
    chosen = folder or unfinished(request) or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    console.print("planning ...")
    began = time.monotonic()
    plan = planned(request, limits, records_of(chosen))
    console.print(f"{total(plan)}; writing to {chosen}{' (going on)' if (chosen / STARTS).exists() else ''}")

    def worker() -> Worker:
        return Worker(log=chosen / "worker.log", keep=Keep(str(chosen), weights=request.keep_weights))

    machines = machines_of(plan)
    seconds = time.monotonic() - began
    with Display() as display:
        outcome = run(plan, chosen, limits, worker, display, machines, request.as_dict(), seconds)
    console.print(summary(outcome))
    from avbench.reporting import write_report

    write_report(chosen)
    return 130 if outcome.interrupted else 0


def machines_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """The fingerprint of this machine with each device of the plan, and what is known of its noise."""
    latencies = {replace(p.case, round=0) for p in plan.tried if p.case.quantity == "latency"}
    found = {device: fingerprint(device) for device in dict.fromkeys(p.case.device for p in plan.cases)}
    for device, machine in found.items():
        by_threads = Counter(case.threads for case in latencies if case.device == device)
        machine["conditions"] |= conditions_of(machine["identity"], device, by_threads)
    return found


def records_of(folder: Path) -> list[Record]:
    """The records that a run folder holds, if any."""
    return read(folder) if (folder / "records.jsonl").exists() else []


def unfinished(request: Request) -> Path | None:
    """The newest folder of runs/ that this same request began and did not end."""
    for folder in sorted(RUNS.glob("*/"), reverse=True):
        notes = starts(folder)
        begun = [note["request"] for note in notes if "request" in note]
        if begun and begun[-1] == request.as_dict() and notes[-1].get("not_reached") != 0:
            return folder
    return None


def summary(outcome: Outcome) -> str:
    """What became of the run, in one line."""
    counts = {
        "measured": outcome.measured,
        "measured before": outcome.kept,
        "not tried": outcome.not_tried,
        "not reached": outcome.not_reached,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing to measure"
    end = " (interrupted)" if outcome.interrupted else ""
    return f"{told} in {duration(outcome.seconds)}{end}{beside(outcome)}"


def beside(outcome: Outcome) -> str:
    """Where the time went that was not spent measuring: `; beside measuring 6 %: starting 4 %, building 2 %`."""
    parts = [f"{name} {share:.0%}" for name, share in outcome.shares().items() if name != "measuring" and share > 0.005]
    listed = f": {', '.join(parts)}" if parts else ""
    return f"; beside measuring {outcome.overhead:.0%}{listed}" if outcome.measured else ""
