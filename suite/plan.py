"""plan: recipes x workloads -> cases, each with its predicted cost; and what is not tried, with the reason.

Pure: it builds no weights and times nothing. A network is simulated on tensors without memory, once for each mode and
batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product

from suite import flex
from suite.axes import MAX, OF_A_MIXER, Axes, Limits
from suite.case import Case
from suite.fill import Chosen, largest_batch, workload
from suite.forked import mapped
from suite.forms import shaped, tells
from suite.machine import SPARE, Calibration
from suite.predict import Prediction, case_seconds, predict
from suite.simulate import simulate
from suite.simulations import Simulate, Simulations
from suite.training import masked
from suite.training.cases import trainings
from suite.units import bytes_text, duration
from variants.contract import Design, Grid

FIELD_IMAGES = 3  # of noise, over which an effective field is averaged

Calibrations = Mapping[tuple[str, str, int], Calibration]
"""By device, dtype and threads."""


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
    bound: str = ""  # of a largest batch: memory, or time


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
    filled: Mapping[Case, Chosen] | None = None,
) -> Plan:
    """The plan of a run, worked out by several processes where the platform can fork.

    `filled` holds the largest batches that the run began with, see suite/fill.py.

    ValueError if not one case applies: its message is the first case's reason.
    """
    one = partial(plan_one, axes=axes, calibrations=calibrations, limits=limits, simulate=simulate, filled=filled or {})
    shapes = list(product(designs, axes.layouts, axes.positions))
    planned = list(chain.from_iterable(mapped(one, shapes, min(processes, len(shapes)))))
    if planned and all(p.status == "not_applicable" for p in planned):
        raise ValueError(planned[0].reason)
    return Plan(tuple({p.case.id: p for p in planned}.values()))


def plan_one(
    shape: tuple[Design, str, str],
    axes: Axes,
    calibrations: Calibrations,
    limits: Limits,
    simulate: Simulate,
    filled: Mapping[Case, Chosen],
) -> list[Planned]:
    """Every case of a design in one layout with one position; rows with the reason if it does not go there."""
    design, layout, position = shape
    try:
        fitted = shaped(design, layout, position, axes.patch).fitted(axes.params)
    except ValueError as error:
        return list(_refused(design, layout, position, axes, str(error)))
    return list(Planner(fitted, axes, calibrations, limits, simulate, filled).cases())


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


class Planner:
    """Plans one fitted design, each of whose networks is simulated once."""

    def __init__(
        self,
        design: Design,
        axes: Axes,
        calibrations: Calibrations,
        limits: Limits,
        simulate: Simulate,
        filled: Mapping[Case, Chosen],
    ) -> None:
        self.design, self.axes, self.calibrations, self.limits = design, axes, calibrations, limits
        self.filled = filled
        self.simulated = Simulations(design, axes.decoders, simulate)

    def cases(self) -> Iterator[Planned]:
        """All of them: resolution by resolution, task by task."""
        quantities = {"static": self._static, "memory": self._memory, "latency": self._latency}
        quantities |= {"field": self._field, "probe": self._probe, "accuracy": self._accuracy}
        axes = self.axes
        for size, scope, task, quantity in product(axes.resolutions, axes.scopes, axes.tasks, axes.quantities):
            if scope == "network" and quantity != "probe":
                for case in quantities[quantity](size, task):
                    yield from map(self.planned, self.simulated.decoded(case))
            elif scope == "mixer" and task == axes.tasks[0] and quantity in OF_A_MIXER:
                found = (case for case in quantities[quantity](size, "classification") if case.mode == "inference")
                alone = (replace(case, scope="mixer", classes=1, memory_format="contiguous") for case in found)
                yield from map(self.planned, dict.fromkeys(alone))  # tokens have one format

    def planned(self, case: Case) -> Planned:
        """The case with its prediction; refused if it does not apply, or if that exceeds a limit."""
        if case.quantity == "accuracy" and (refusal := self.axes.learning.refusal(case.data, case.task)):
            return Planned(case, "not_applicable", refusal)
        if refusal := flex.refusal(case):
            return Planned(case, "not_applicable", refusal)
        if isinstance(form := self.simulated.form(case), ValueError):
            return Planned(case, "not_applicable", str(form))
        if case.quantity == "field" and not tells(form, case, "layers"):
            return Planned(case, "not_applicable", f"{case.design} does not tell its layers: leave out --metric field")
        if refusal := masked.refusal(case, form):
            return Planned(case, "not_applicable", refusal)
        calibration = self.calibrations[case.device, case.dtype, case.threads]
        free = self.limits.memory_bytes or int(SPARE * calibration.available_bytes)
        try:
            case, bound = self._filled(case, calibration, free)
            case, cost = self._in_parts(case, calibration, free)
        except ValueError as error:
            return Planned(case, "not_applicable", str(error))
        except Exception as error:  # a design that breaks here breaks in its worker too, and there it becomes a row
            reason = f"not predicted ({type(error).__name__}: {error})"
            return Planned(case, reason=reason, seconds=self.limits.case_seconds)
        seconds = case_seconds(case, cost, self.limits.case_seconds)
        status, reason = self._verdict(case, cost, seconds, free)
        return Planned(case, status, reason, cost.macs, cost.peak_bytes, cost.pass_seconds, seconds, bound)

    def _filled(self, case: Case, calibration: Calibration, free: int) -> tuple[Case, str]:
        """The case; if it fills the memory, with the batch that the run began with, or the largest that should fit, and
        what bounds it.
        """
        if not case.fills_memory:
            return case, ""

        def cost(batch: int) -> Prediction:
            return predict(replace(workload(case), batch=batch), self.simulated, calibration)

        found = self.filled.get(workload(case)) or largest_batch(cost, free, self.limits.case_seconds)
        return replace(case, batch=found.images), found.bound

    def _in_parts(self, case: Case, calibration: Calibration, free: int) -> tuple[Case, Prediction]:
        """The case and its cost; a training step in the parts that the run began with, or in as few as should fit."""
        if case.quantity != "accuracy":
            return case, predict(case, self.simulated, calibration)
        known = self.filled.get(workload(case))
        case = replace(case, at_once=known.images if known else 0)
        examined = self.axes.learning.examined(case.data, case.task)
        while True:
            cost = predict(case, self.simulated, calibration, examined)
            if cost.needed_bytes <= free or known is not None or case.at_once == 1 or case.batch == 1:
                return case, cost
            case = replace(case, at_once=(case.at_once or case.batch) // 2)

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
        if (measuring := seconds - cost.compile_seconds) > limit:  # which is of what is measured
            told = f"{duration(measuring)}{' beside compiling' if cost.compile_seconds else ''}"
            reasons.append(f"needs about {told}, the limit is {duration(limit)} ({flag})")
        status = "too_large" if large else "too_slow" if reasons else "ok"
        return status, "; ".join(reasons)

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
        workloads = product(axes.devices, axes.dtypes, axes.backends, axes.compiles, axes.memory_formats)
        cases = [
            replace(case, device=device, dtype=dtype, backend=backend, compiled=compiled, memory_format=form, threads=n)
            for device, dtype, backend, compiled, form in workloads
            for n in axes.threads_of(device)
        ]
        return [
            replace(case, fills_memory=True) if batch == MAX else replace(case, batch=int(batch))
            for case, batch in product(cases, axes.batches)
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
