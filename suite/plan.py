"""plan: recipes x workloads -> cases, each with its predicted cost; and what is not tried, with the reason.

Pure: it builds no weights and times nothing. A network is simulated once for each mode, on tensors without memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product
from typing import NamedTuple

from suite import flex
from suite.alone import Alone
from suite.axes import OF_A_MIXER, Axes, Limits
from suite.case import Case
from suite.fold import Fold
from suite.forked import mapped
from suite.forms import tells_layers, with_decoders
from suite.machine import Calibration
from suite.predict import Prediction, case_seconds, predict
from suite.simulate import Simulated, simulate
from suite.training.cases import trainings
from suite.units import bytes_text, duration
from variants.contract import Buildable, Design, Grid

SPARE = 0.9  # the share of the free memory that a case may be predicted to need
FIELD_IMAGES = 3  # of noise, over which an effective field is averaged

Calibrations = Mapping[tuple[str, str, int], Calibration]
"""By device, dtype and threads."""
Simulate = Callable[..., Simulated]
"""`suite.simulate.simulate`, or a test's own."""


@dataclass(frozen=True)
class Planned:
    """A case, what it is predicted to cost, and whether it is to be tried (`ok`) or why not."""

    case: Case
    status: str = "ok"  # ok, not_applicable, too_large or too_slow
    reason: str = ""
    macs: int | None = None  # of one image, forward
    peak_bytes: int | None = None
    pass_seconds: float | None = None  # one forward pass, or one training step, of the batch
    seconds: float = 0.0  # to measure the case


@dataclass(frozen=True)
class Plan:
    """Every case of a run, in the order of designs, resolutions, tasks and quantities."""

    cases: tuple[Planned, ...]

    @property
    def tried(self) -> tuple[Planned, ...]:
        return tuple(p for p in self.cases if p.status == "ok")

    @property
    def seconds(self) -> float:
        """What measuring everything that is tried is predicted to take."""
        return sum(p.seconds for p in self.tried)


def plan(
    designs: Sequence[Design],
    axes: Axes,
    calibrations: Calibrations,
    limits: Limits,
    simulate: Simulate = simulate,
    processes: int = 1,
) -> Plan:
    """The plan of a run, worked out by several processes where the platform can fork.

    ValueError if not one case applies: its message is the first case's reason.
    """
    one = partial(plan_one, axes=axes, calibrations=calibrations, limits=limits, simulate=simulate)
    shapes = list(product(designs, axes.layouts, axes.positions))
    planned = list(chain.from_iterable(mapped(one, shapes, min(processes, len(shapes)))))
    if planned and all(p.status == "not_applicable" for p in planned):
        raise ValueError(planned[0].reason)
    return Plan(tuple({p.case.id: p for p in planned}.values()))


def plan_one(
    shape: tuple[Design, str, str], axes: Axes, calibrations: Calibrations, limits: Limits, simulate: Simulate
) -> list[Planned]:
    """Every case of a design in one layout with one position; rows with the reason if it does not go there."""
    design, layout, position = shape
    try:
        fitted = _shaped(design, layout, position, axes.patch).fitted(axes.params)
    except ValueError as error:
        return list(_refused(design, layout, position, axes, str(error)))
    return list(Planner(fitted, axes, calibrations, limits, simulate).cases())


def _shaped(design: Design, layout: str, position: str, patch: int) -> Design:
    shaped = design.in_layout(layout) if layout else design
    shaped = shaped.with_position(position) if position else shaped
    return shaped.with_patch(patch) if patch else shaped


def _refused(design: Design, layout: str, position: str, axes: Axes, reason: str) -> Iterator[Planned]:
    """One row for each quantity of a design that does not take the layout, the position or the budget."""
    for resolution, task, quantity in product(axes.resolutions, axes.tasks, axes.quantities):
        size = axes.size_of(quantity, resolution)
        yield Planned(
            Case(
                quantity=quantity,
                design=design.name,
                layout=layout or design.layout_name,
                position=position or design.position_name,
                task=task,
                classes=axes.classes_of(task),
                height=size.y,
                width=size.x,
                params_budget=axes.params,
                patch=axes.patch,
                threads=axes.threads[0],
            ),
            "not_applicable",
            reason,
        )


class Workload(NamedTuple):
    """All that decides a simulation of one image."""

    task: str
    classes: int
    size: Grid
    mode: str
    dtype: str
    backend: str


class Planner:
    """Plans one fitted design, each of whose networks is simulated once."""

    def __init__(
        self, design: Design, axes: Axes, calibrations: Calibrations, limits: Limits, simulate: Simulate
    ) -> None:
        self.design, self.axes, self.calibrations = design, axes, calibrations
        self.limits, self.simulate = limits, simulate
        self.decoders = with_decoders(design, axes.decoders)
        self.seen: dict[tuple[str, Workload], Simulated | Exception] = {}
        self.folds: dict[tuple[Grid, str, str], Fold] = {}

    def cases(self) -> Iterator[Planned]:
        """All of them: resolution by resolution, task by task."""
        quantities = {"static": self._static, "memory": self._memory, "latency": self._latency}
        quantities |= {"field": self._field, "probe": self._probe, "accuracy": self._accuracy}
        axes = self.axes
        for size, scope, task, quantity in product(axes.resolutions, axes.scopes, axes.tasks, axes.quantities):
            if scope == "network" and quantity != "probe":
                for case in quantities[quantity](size, task):
                    yield from map(self.planned, self._decoded(case))
            elif scope == "mixer" and task == axes.tasks[0] and quantity in OF_A_MIXER:
                for case in quantities[quantity](size, "classification"):
                    if case.mode == "inference":
                        yield self.planned(replace(case, scope="mixer", classes=1))

    def _decoded(self, case: Case) -> Iterator[Case]:
        """The case as it is; for segmentation, one for each decoder."""
        if case.task != "segmentation":
            yield case
            return
        for decoder, form in self.decoders.items():
            yield replace(case, decoder=decoder, recipe="" if isinstance(form, ValueError) else str(form))

    def _form(self, case: Case) -> Buildable | ValueError:
        """The design with the case's decoder, or why it does not take it; or its mixer."""
        if case.scope == "mixer":
            return Alone(self.design)
        return self.decoders[case.decoder] if case.task == "segmentation" else self.design

    def planned(self, case: Case) -> Planned:
        """The case with its prediction; refused if it does not apply, or if that exceeds a limit."""
        if case.quantity == "accuracy" and (refusal := self.axes.learning.refusal(case.data, case.task)):
            return Planned(case, "not_applicable", refusal)
        if refusal := flex.refusal(case):
            return Planned(case, "not_applicable", refusal)
        if isinstance(form := self._form(case), ValueError):
            return Planned(case, "not_applicable", str(form))
        if case.quantity == "field" and not tells_layers(form, case):
            return Planned(case, "not_applicable", f"{case.design} does not tell its layers: leave out --metric field")
        calibration = self.calibrations[case.device, case.dtype, case.threads]
        free = self.limits.memory_bytes or int(SPARE * calibration.available_bytes)
        try:
            cost = predict(case, self._simulated, calibration)
            while case.quantity == "accuracy" and cost.needed_bytes > free and case.at_once != 1 < case.batch:
                case = replace(case, at_once=(case.at_once or case.batch) // 2)
                cost = predict(case, self._simulated, calibration)
        except ValueError as error:
            return Planned(case, "not_applicable", str(error))
        except Exception as error:  # a design that breaks here breaks in its worker too, and there it becomes a row
            reason = f"not predicted ({type(error).__name__}: {error})"
            return Planned(case, reason=reason, seconds=self.limits.case_seconds)
        seconds = case_seconds(case, cost, self.limits.case_seconds)
        status, reason = self._verdict(case, cost, seconds, free)
        return Planned(case, status, reason, cost.macs, cost.peak_bytes, cost.pass_seconds, seconds)

    def _verdict(self, case: Case, cost: Prediction, seconds: float, free: int) -> tuple[str, str]:
        """Status and reason. Counting needs neither memory nor time, so it is tried whatever the size."""
        if case.quantity == "static":
            return "ok", ""
        training = case.quantity == "accuracy"
        limit = self.limits.training_seconds if training else self.limits.case_seconds
        flag = "--minutes" if training else "--case-seconds"
        reasons = []
        if large := cost.needed_bytes > free:
            needed = bytes_text(cost.needed_bytes)
            reasons.append(f"needs about {needed} of memory, {bytes_text(free)} are available")
        if seconds > limit:
            reasons.append(f"needs about {duration(seconds)}, the limit is {duration(limit)} ({flag})")
        status = "too_large" if large else "too_slow" if reasons else "ok"
        return status, "; ".join(reasons)

    def _simulated(self, case: Case) -> Simulated:
        """The simulation of the case's network, taken once. Raises whatever it raised."""
        size, form = Grid(case.height, case.width), self._form(case)
        work = Workload(case.task, case.classes, size, case.mode, case.dtype, case.backend)
        key = f"{case.scope} {case.decoder}", work
        if key not in self.seen:
            try:
                fold = self.folds.setdefault((size, case.dtype, case.backend), Fold(case.backend))
                self.seen[key] = self.simulate(form, **work._asdict(), fold=fold)
            except Exception as error:
                self.seen[key] = error
        found = self.seen[key]
        if isinstance(found, Exception):
            raise found
        return found

    def _static(self, size: Grid, task: str) -> Iterator[Case]:
        yield replace(self._case("static", size, task), device=self.axes.devices[0], dtype=self.axes.dtypes[0])

    def _memory(self, size: Grid, task: str) -> Iterator[Case]:
        for case, mode in product(self._workloads("memory", size, task), ("inference", "train")):
            yield replace(case, mode=mode, cache=self.axes.caches_of(case.device)[0])

    def _latency(self, size: Grid, task: str) -> Iterator[Case]:
        axes = self.axes
        for case, mode, round in product(self._workloads("latency", size, task), axes.modes, range(axes.rounds)):
            for cache in axes.caches_of(case.device):
                yield replace(case, mode=mode, cache=cache, round=round)

    def _workloads(self, quantity: str, size: Grid, task: str) -> list[Case]:
        axes, case = self.axes, self._case(quantity, size, task)
        return [
            replace(case, device=device, dtype=dtype, backend=backend, compiled=compiled, batch=batch, threads=threads)
            for device, dtype, backend, compiled, batch in product(
                axes.devices, axes.dtypes, axes.backends, axes.compiles, axes.batches
            )
            for threads in axes.threads_of(device)
        ]

    def _field(self, size: Grid, task: str) -> Iterator[Case]:
        if task == self.axes.tasks[0]:  # layers are alike for every task
            device, dtype = self.axes.devices[0], self.axes.dtypes[0]
            yield replace(self._case("field", size, task), device=device, dtype=dtype, batch=FIELD_IMAGES)

    def _probe(self, size: Grid, task: str) -> Iterator[Case]:
        if size.n > 1:  # one place alone has nobody to look at
            device, dtype = self.axes.devices[0], self.axes.dtypes[0]
            yield replace(self._case("probe", size, task), device=device, dtype=dtype)

    def _accuracy(self, size: Grid, task: str) -> Iterator[Case]:
        return trainings(self._case("accuracy", self.axes.size_of("accuracy", size), task), self.axes)

    def _case(self, quantity: str, size: Grid, task: str) -> Case:
        design, axes = self.design, self.axes
        return Case(
            quantity=quantity,
            design=design.name,
            layout=design.layout_name,
            position=design.position_name,
            task=task,
            classes=axes.classes_of(task),
            height=size.y,
            width=size.x,
            recipe=str(design),
            widths=design.widths,
            extra=design.extra,
            params_budget=axes.params,
            patch=axes.patch,
            cache=axes.caches_of(axes.devices[0])[0],
            threads=axes.threads[0],
        )
