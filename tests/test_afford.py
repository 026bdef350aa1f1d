"""What a run has time for: the longest measurements give way until the first round fits its minutes."""

from __future__ import annotations

from dataclasses import replace

from suite.afford import FIRST_SHARE, afford
from suite.axes import Limits
from suite.case import Case
from suite.plan import Plan, Planned

SHORT = Limits(minutes=1, shared=True)  # 42 s for the first round


def planned(seconds: float, quantity: str = "latency", round: int = 0) -> Planned:
    size = int(seconds * 10) + 16
    case = Case(quantity, "tiny", "isotropic", "none", "classification", 2, size, size, round=round)
    return Planned(case, seconds=seconds)


PLAN = Plan(
    (planned(2, "static"), *(planned(s) for s in (5, 10, 15, 20)), planned(20, round=1), planned(90, "accuracy"))
)


def left_out(plan: Plan) -> list[tuple[str, float, int]]:
    assert all((p.status == "too_slow") == bool(p.reason) for p in plan.cases)
    return [(p.case.quantity, p.seconds, p.case.round) for p in plan.cases if p.status != "ok"]


def test_the_longest_give_way_in_every_round_and_say_by_how_much() -> None:
    assert FIRST_SHARE == 0.7
    found = afford(PLAN, SHORT)
    assert left_out(found) == [("latency", 20, 0), ("latency", 20, 1)]
    assert "20.0 s for this network; in 1 min there is time for the 3 cheapest of 4" in found.cases[4].reason


def test_of_networks_that_cost_the_same_as_many_are_measured_as_there_is_time_for() -> None:
    alike = tuple(replace(p, seconds=20) for p in (planned(s) for s in (1, 2, 3)))
    assert left_out(afford(Plan(alike), SHORT)) == [("latency", 20, 0)]


def test_a_network_keeps_all_of_its_cases_or_none() -> None:
    """However cheap its memory is: a row of a comparison is whole."""
    dear = planned(30)
    cheap = Planned(replace(dear.case, quantity="memory"), seconds=1)
    assert left_out(afford(Plan((*PLAN.cases, dear, cheap)), SHORT)) == [
        ("latency", 20, 0), ("latency", 20, 1), ("latency", 30, 0), ("memory", 1, 0),
    ]  # fmt: skip


def test_what_is_held_leaves_room_for_longer_ones() -> None:
    held = {p.case.id for p in PLAN.cases[1:3]}
    assert left_out(afford(PLAN, SHORT, held)) == []


def test_a_limit_of_the_user_and_a_run_without_end_stand() -> None:
    assert afford(PLAN, Limits(minutes=1, case_seconds=60)) is PLAN
    assert afford(PLAN, Limits(shared=True)) is PLAN
    assert left_out(afford(PLAN, replace(SHORT, minutes=2))) == []
