"""afford: which networks a run has time to measure once, so that what is compared is compared whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from suite.axes import Limits
from suite.plan import Plan, Planned
from suite.units import duration

FIRST_SHARE = 0.7  # of the run's minutes, for static quantities and the first round of memory and latency


def afford(plan: Plan, limits: Limits, held: Collection[str] = ()) -> Plan:
    """The plan, in which the dearest networks are too slow where the first round would outgrow its share.

    A network at one size keeps all of its memory and latency cases or none. Cases that are `held` cost nothing: a
    later start affords dearer networks. A limit that the user gave stands.
    """
    if limits.minutes is None or not limits.shared:
        return plan
    missing = [p for p in plan.tried if p.case.id not in held and p.case.round == 0]
    room = FIRST_SHARE * 60 * limits.minutes - sum(p.seconds for p in missing if p.case.quantity == "static")
    seconds: defaultdict[str, float] = defaultdict(float)
    for planned in filter(_timed, missing):
        seconds[_network(planned)] += planned.seconds
    dearest = _dearest(sorted(seconds.values()), room)
    if dearest is None:
        return plan

    def judged(planned: Planned) -> Planned:
        whole = seconds[_network(planned)]
        if planned.status != "ok" or planned.case.id in held or not _timed(planned) or whole < dearest:
            return planned
        reason = (
            f"needs about {duration(planned.seconds)}, of {duration(whole)} for this network; "
            f"in {limits.minutes:g} min there is time for those that need under {duration(dearest)}: "
            "give more --minutes, with the same --run to go on, or set --case-seconds"
        )
        return replace(planned, status="too_slow", reason=reason)

    return Plan(tuple(judged(p) for p in plan.cases))


def _timed(planned: Planned) -> bool:
    return planned.case.quantity in ("memory", "latency")


def _network(planned: Planned) -> str:
    """What the cases of one network on one device at one size have in common."""
    case = planned.case
    return f"{case.design} {case.scope} {case.recipe} {case.task} {case.resolution} {case.device}"


def _dearest(seconds: list[float], room: float) -> float | None:
    """The first of the ascending numbers whose running sum is beyond `room`; None if all of them fit."""
    for one in seconds:
        room -= one
        if room < 0:
            return one
    return None
