"""Simulations: what the networks of one design would take, each looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from suite.alone import Alone
from suite.case import Case
from suite.fold import Fold
from suite.forms import with_decoders
from suite.simulate import Simulated, simulate
from variants.contract import Buildable, Design, Grid

Simulate = Callable[..., Simulated]
"""`suite.simulate.simulate`, or a test's own."""


class Workload(NamedTuple):
    """All that decides a simulation."""

    task: str
    classes: int
    size: Grid
    batch: int
    mode: str
    dtype: str
    backend: str
    memory_format: str


class Simulations:
    """A fitted design with its decoders; called with a case, the simulation of a pass of its batch."""

    def __init__(self, design: Design, decoders: Sequence[str] = ("",), simulate: Simulate = simulate) -> None:
        self.design, self.simulate = design, simulate
        self.decoders = with_decoders(design, decoders)
        self.seen: dict[tuple[str, Workload], Simulated | Exception] = {}
        self.folds: dict[tuple[Grid, str, str, str], Fold] = {}

    def decoded(self, case: Case) -> Iterator[Case]:
        """The case as it is; for segmentation, one for each decoder."""
        if case.task != "segmentation":
            yield case
            return
        for decoder, form in self.decoders.items():
            yield replace(case, decoder=decoder, recipe="" if isinstance(form, ValueError) else str(form))

    def form(self, case: Case) -> Buildable | ValueError:
        """The design with the case's decoder, or why it does not take it; or its mixer."""
        if case.scope == "mixer":
            return Alone(self.design)
        return self.decoders[case.decoder] if case.task == "segmentation" else self.design

    def __call__(self, case: Case) -> Simulated:
        """One pass of the case's network, simulated once. Raises whatever it raised."""
        size = Grid(case.height, case.width)
        form = case.dtype, case.backend, case.memory_format
        work = Workload(case.task, case.classes, size, case.batch, case.mode, *form)
        key = f"{case.scope} {case.decoder}", work
        if key not in self.seen:
            try:
                fold = self.folds.setdefault((size, *form), Fold(case.backend))
                self.seen[key] = self.simulate(self.form(case), **work._asdict(), fold=fold)
            except Exception as error:
                self.seen[key] = error
        found = self.seen[key]
        if isinstance(found, Exception):
            raise found
        return found
