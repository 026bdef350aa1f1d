"""afford: which networks a run has time to measure once, so that what is compared is compared whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import accumulate

from suite.axes import Limits
from suite.plan import Plan, Planned
from suite.units import duration

FIRST_SHARE = 0.7  # of the run's minutes, for static quantities and the first round of memory and latency


def afford(plan: Plan, limits: Limits, held: Collection[str] = ()) -> Plan:
    """The plan, in which the dearest networks are too slow where the first round would outgrow its share.

    A network at one size keeps all of its memory and latency cases or none, and those of its largest batch by
    themselves. Cases that are `held` cost nothing: a later start affords dearer networks. A limit that the user gave
    stands.
    """
    if limits.minutes is None or not limits.shared:
        return plan
    missing = [p for p in plan.tried if p.case.id not in held and p.case.round == 0]
    room = FIRST_SHARE * 60 * limits.minutes - sum(p.seconds for p in missing if p.case.quantity == "static")
    seconds: defaultdict[str, float] = defaultdict(float)
    for planned in filter(_timed, missing):
        seconds[_network(planned)] += planned.seconds
    dear = seconds.keys() - _cheapest(seconds, room)

    def judged(planned: Planned) -> Planned:
        network = _network(planned)
        if planned.status != "ok" or planned.case.id in held or not _timed(planned) or network not in dear:
            return planned
        reason = (
            f"needs about {duration(planned.seconds)}, of {duration(seconds[network])} for this network; "
            f"in {limits.minutes:g} min there is time for the {len(seconds) - len(dear)} cheapest of {len(seconds)}: "
            "give more --minutes, with the same --run to go on, or set --case-seconds"
        )
        return replace(planned, status="too_slow", reason=reason)

    return Plan(tuple(judged(p) for p in plan.cases))


def _timed(planned: Planned) -> bool:
    return planned.case.quantity in ("memory", "latency")


def _network(planned: Planned) -> str:
    """What the cases of one network on one device at one size have in common."""
    case = planned.case
    return f"{case.design} {case.scope} {case.recipe} {case.task} {case.resolution} {case.device} {case.fills_memory}"


def _cheapest(seconds: Mapping[str, float], room: float) -> frozenset[str]:
    """As many as there is room for, the cheapest first."""
    ascending = sorted(seconds, key=lambda name: seconds[name])
    spent = accumulate(seconds[name] for name in ascending)
    return frozenset(name for name, total in zip(ascending, spent, strict=True) if total <= room)
