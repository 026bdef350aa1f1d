"""Pace: how long cases take here, as predicted and then as seen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from suite.case import Case
from suite.plan import Planned

Kind = tuple[str, bool]
PRIOR = 5.0  # seconds of a quantity that are believed as predicted, until as many were measured


class Pace:
    """Corrects predictions by what other cases of the same quantity took, and by the same case's other rounds.

    Those that compile are a kind of their own.
    """

    def __init__(self) -> None:
        self.predicted: dict[Kind, float] = defaultdict(float)
        self.spent: dict[Kind, float] = defaultdict(float)
        self.took: dict[str, float] = {}

    def learn(self, planned: Planned, seconds: float) -> None:
        """The case took so long."""
        self.predicted[kind(planned.case)] += planned.seconds
        self.spent[kind(planned.case)] += seconds
        self.took[first(planned.case).id] = seconds

    def seconds(self, planned: Planned) -> float:
        """What measuring the case should take."""
        known = self.took.get(first(planned.case).id)
        return planned.seconds * self._ratio(kind(planned.case)) if known is None else known

    def _ratio(self, of: Kind) -> float:
        return (self.spent[of] + PRIOR) / (self.predicted[of] + PRIOR)


def kind(case: Case) -> Kind:
    """The quantity, and whether something is compiled first."""
    return case.quantity, case.compiles


def first(case: Case) -> Case:
    """The same case in the first round."""
    return replace(case, round=0)
