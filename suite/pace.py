"""Pace: how long cases take here, as predicted and then as seen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from suite.case import Case
from suite.plan import Planned

PRIOR = 5.0  # seconds of a quantity that are believed as predicted, until as many were measured


class Pace:
    """Corrects predictions by what other cases of the same quantity took, and by the same case's other rounds."""

    def __init__(self) -> None:
        self.predicted: dict[str, float] = defaultdict(float)
        self.spent: dict[str, float] = defaultdict(float)
        self.took: dict[str, float] = {}

    def learn(self, planned: Planned, seconds: float) -> None:
        """The case took so long."""
        self.predicted[planned.case.quantity] += planned.seconds
        self.spent[planned.case.quantity] += seconds
        self.took[first(planned.case).id] = seconds

    def seconds(self, planned: Planned) -> float:
        """What measuring the case should take."""
        known = self.took.get(first(planned.case).id)
        return planned.seconds * self._ratio(planned.case.quantity) if known is None else known

    def _ratio(self, quantity: str) -> float:
        return (self.spent[quantity] + PRIOR) / (self.predicted[quantity] + PRIOR)


def first(case: Case) -> Case:
    """The same case in the first round."""
    return replace(case, round=0)
