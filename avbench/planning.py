"""From a request to a plan, and how a plan is printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from rich.console import Console

from avbench.find import find, names
from avbench.request import Request
from avbench.table import plain, show
from suite.afford import afford
from suite.axes import Limits
from suite.case import Case
from suite.fill import chosen
from suite.machine import calibrate, default_threads
from suite.plan import Plan, Planned, plan
from suite.record import Record, latest
from suite.run import UNTRIED
from suite.units import bytes_text, count_text, duration


def planned(request: Request, limits: Limits | None = None, before: Sequence[Record] = ()) -> Plan:
    """Finds the designs, calibrates the machine and plans what goes on from the records that were there `before`.

    ValueError says what cannot be.
    """
    from avbench.claims import requests

    limits = limits or request.limits()
    plans = [planned_alone(one, limits, before) for one in (requests(request) if request.claims else [request])]
    cases = {p.case.id: p for made in plans for p in made.cases}
    held = {r.id for r in latest(before) if r.status not in UNTRIED}
    return afford(Plan(tuple(cases.values())), limits, held)


def planned_alone(request: Request, limits: Limits, before: Sequence[Record] = ()) -> Plan:
    """The plan of one request, whatever the run's minutes."""
    axes = request.axes()
    designs = [find(name) for name in request.designs or names()]
    calibrations = {
        (device, dtype, threads): calibrate(device, dtype, threads)
        for device, dtype in product(axes.devices, axes.dtypes)
        for threads in axes.threads_of(device)
    }
    return plan(designs, axes, calibrations, limits, processes=default_threads(), filled=chosen(before))


def show_plan(made: Plan, as_json: bool, as_csv: bool) -> None:
    """Prints every case; a table shows rounds and seeds of one network in one row, and ends with the total.

    Then how far predictions were off in the newest run of this machine, if there is one.
    """
    from avbench.precedent import precedent

    if as_json or as_csv:
        show([row(p) for p in made.cases], as_json, as_csv, {})
        return
    shown: dict[str, Any] = dict.fromkeys(("design", "task", "px", "case", "x"), plain)
    shown |= {"MACs": _or_blank(count_text), "peak": _or_blank(bytes_text)}
    shown |= {"one pass": _or_blank(duration), "measuring": _or_blank(duration), "not tried": plain}
    show([brief(p, times) for p, times in merged(made).items()], False, False, shown)
    console = Console(highlight=False, markup=False)
    console.print(total(made))
    if said := precedent({p.case.device for p in made.cases}):
        console.print(said)


def brief(planned: Planned, times: int) -> dict[str, Any]:
    """A case as one row for people; `times` is how often it is measured."""
    case = planned.case
    return network(case) | {
        "px": case.resolution,
        "case": f"{told(case)} (by {planned.bound})" if planned.bound else told(case),
        "x": times,
        "MACs": planned.macs,
        "peak": planned.peak_bytes,
        "one pass": planned.pass_seconds if case.quantity != "static" else None,
        "measuring": planned.seconds,
        "not tried": f"{planned.status.replace('_', ' ')}: {planned.reason}" if planned.reason else None,
    }


def network(case: Case) -> dict[str, Any]:
    """The design and the task, with its decoder: `seg linear`."""
    task = case.task.removesuffix("ification").removesuffix("entation")
    return {"design": case.design, "task": f"{task} {case.decoder}".rstrip()}


def told(case: Case) -> str:
    """The quantity, and what is not as usual: `latency train compiled batch 8`."""
    unusual = {
        "of the mixer": case.scope == "mixer",
        "train": case.mode == "train" and case.quantity != "accuracy",
        case.device: case.device != "cpu",
        case.dtype: case.dtype != "float32",
        case.backend: case.backend != "sdpa",
        "compiled": case.compiled,
        case.memory_format: case.memory_format != "contiguous",
        "warm": case.cache == "warm" and case.device != "cpu",
        f"batch {case.batch}": case.batch > 1 and case.quantity != "accuracy" and not case.fills_memory,
        f"largest batch, {case.batch}": case.fills_memory,
        f"{case.threads} threads": case.threads > 1 and case.quantity in ("memory", "latency"),
        f"augment {case.augment}": case.augment != "shift" and case.quantity == "accuracy",
        f"tested at {', '.join(case.tests)} too": bool(case.tests),
    }
    return " ".join([case.quantity, *(word for word, shown in unusual.items() if shown)])


def row(planned: Planned) -> dict[str, Any]:
    """A case and its prediction, fit for JSON."""
    case = planned.case
    return {
        "design": case.design,
        "layout": case.layout,
        "position": case.position,
        "decoder": case.decoder,
        "task": case.task,
        "resolution": case.resolution,
        "quantity": case.quantity,
        "scope": case.scope,
        "mode": case.mode,
        "batch": case.batch,
        "fills_memory": case.fills_memory,
        "bound": planned.bound,
        "device": case.device,
        "dtype": case.dtype,
        "backend": case.backend,
        "compiled": case.compiled,
        "memory_format": case.memory_format,
        "cache": case.cache,
        "threads": case.threads,
        "seed": case.seed,
        "round": case.round,
        "macs": planned.macs,
        "peak_bytes": planned.peak_bytes,
        "pass_seconds": planned.pass_seconds,
        "seconds": planned.seconds,
        "status": planned.status,
        "reason": planned.reason,
        "id": case.id,
    }


def merged(made: Plan) -> dict[Planned, int]:
    """The plan with the rounds and seeds of one workload as one, and how many they are."""
    alike = Counter(replace(p, case=replace(p.case, round=0, seed=0)) for p in made.cases)
    return {replace(p, seconds=p.seconds * times): times for p, times in alike.items()}


def total(made: Plan) -> str:
    """One sentence: how many cases, how long, what is not tried."""
    left_out = Counter(p.status for p in made.cases if p.status != "ok")
    told = "".join(f", {count} {status.replace('_', ' ')}" for status, count in left_out.items())
    return f"{len(made.tried)} cases, about {duration(made.seconds)}{told}"


def _or_blank(write: Any) -> Any:
    return lambda value: "" if value is None else write(value)
