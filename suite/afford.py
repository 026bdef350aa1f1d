"""afford: how long one measurement may take, so that everything shorter is measured once within the run's minutes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from suite.axes import Limits
from suite.plan import Plan, Planned
from suite.units import duration

FIRST_SHARE = 0.7  # of the run's minutes, for static quantities and the first round of memory and latency


def afford(plan: Plan, limits: Limits, held: Collection[str] = ()) -> Plan:
    """The plan, in which the longest measurements are too slow where the first round would outgrow its share.

    Cases that are `held` cost nothing: a later start affords longer ones. A limit that the user gave stands.
    """
    if limits.minutes is None or not limits.shared:
        return plan
    missing = [p for p in plan.tried if p.case.id not in held and p.case.round == 0]
    room = FIRST_SHARE * 60 * limits.minutes - sum(p.seconds for p in missing if p.case.quantity == "static")
    longest = _longest(sorted(p.seconds for p in missing if _timed(p)), room)
    if longest is None:
        return plan

    def judged(planned: Planned) -> Planned:
        if planned.status != "ok" or planned.case.id in held or not _timed(planned) or planned.seconds < longest:
            return planned
        reason = (
            f"needs about {duration(planned.seconds)}; in {limits.minutes:g} min there is time for what takes under "
            f"{duration(longest)}: give more --minutes, with the same --run to go on, or set --case-seconds"
        )
        return replace(planned, status="too_slow", reason=reason)

    return Plan(tuple(judged(p) for p in plan.cases))


def _timed(planned: Planned) -> bool:
    return planned.case.quantity in ("memory", "latency")


def _longest(seconds: list[float], room: float) -> float | None:
    """The first of the ascending numbers whose running sum is beyond `room`; None if all of them fit."""
    for one in seconds:
        room -= one
        if room < 0:
            return one
    return None
