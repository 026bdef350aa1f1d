"""predict: how long a case takes, from one simulated pass and a second of calibration.

    pass_seconds = 1.25 (Σ MACs / rate + Σ bytes / bandwidth + kernels x overhead)     on the CPU
                   2 max(Σ MACs / rate + Σ bytes / bandwidth, kernels x overhead)      on CUDA

with a rate for each kind of multiply-adds and a bandwidth for each kind of operators that have none (suite/work.py).
On the CPU 34 designs at 224 pixels took 1.2 times the sum in inference and 1.4 times in training, by the median. On
CUDA the host launches ahead of the device, so that the slower of the two decides: in 36 latencies of 14 designs at 224
to 2048 pixels on an H200 it was the host in all, and the measured time over what the kernels cost it lay between 1.1
and 3.2, by the median 2.0. docs/predictions.md holds what became of predictions; a run corrects them by what it
sees (suite/pace.py). A training step is simulated as one, so its backward pass needs no factor of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf

from suite.case import Case
from suite.latency import LATENCY_SECONDS, PATIENCE
from suite.machine import Calibration
from suite.simulate import Simulated
from suite.training.augment import by_kornia
from suite.training.recipe import Schedule
from suite.units import parse_size

ON_CPU, ON_CUDA = 1.25, 2.0  # see above
BUILD_SECONDS = 0.5  # to draw the weights and send the record home
COMPILE_SECONDS = 0.2  # an operator, of a core's time: three networks took 0.08 to 0.19, swin, compiled twice, 0.56
FLEX_SECONDS = 15.0  # of flex_attention: at 224 pixels vit took 9 of a core's time, axial 11, swin, of more shapes, 45
COUNT_SECONDS = 0.6  # three counts on the meta device
MEMORY_PASSES = {"inference": 3, "train": 4}  # to warm up, under the profiler, under the account
LATENCY_PASSES = 8  # for a pass that is longer: two to warm up, and six, which have an interval
LEAST_PASSES = 3  # where the case's limit allows no more
EFFECTIVE_PASSES = 8 * Schedule.field_images  # after a training: forward and back, of the network as it was and is
FIELD_PASSES = 100  # of every image, in float32 and in float64, back to it from each layer; and under shifts
PROBE_PASSES = 400  # maps of 16 places, of each head
PROBE_COPIES = 50  # of what a pass allocates: 16 at once, with their graph
AUGMENT_SECONDS = {"flip": 1e-8, "crop": 5e-8, "color": 1.8e-7}  # a pixel, by kornia on one thread; a shift takes none
RENDER_SECONDS = 5e-8  # a pixel of a scene: one thread took 7e-9 to 7e-8, see docs/data.md


@dataclass(frozen=True)
class Prediction:
    """What one network is predicted to take."""

    macs: int  # of one image, forward
    peak_bytes: int  # of the pass, beyond what rests; see suite/simulate.py
    needed_bytes: int  # all that the process holds at that moment
    pass_seconds: float  # of the batch: forward, or one training step
    forward_seconds: float  # of one image
    tests_seconds: float = 0.0  # of the tests at every size
    compile_seconds: float = 0.0  # before the first pass


def predict(
    case: Case, simulated: Callable[[Case], Simulated], calibration: Calibration, examined: int = 0
) -> Prediction:
    """The cost of one pass of the case, and of tests with so many images. Raises whatever the simulation raises."""
    forward = simulated(replace(case, mode="inference", batch=1))
    at_once = case.at_once or case.batch
    alone = case.quantity in ("static", "probe")
    part = forward if alone else simulated(replace(kept(case), batch=at_once))
    peak = part.peak_bytes * (PROBE_COPIES if case.quantity == "probe" else 1)
    return Prediction(
        macs=forward.macs,
        peak_bytes=peak,
        needed_bytes=peak + part.resting_bytes,
        pass_seconds=case.batch / at_once * pass_seconds(part, calibration),
        forward_seconds=pass_seconds(forward, calibration),
        compile_seconds=compile_seconds(case, part.kernels),
        tests_seconds=examined * sum(tested_seconds(case, simulated, calibration)) if examined else 0.0,
    )


def kept(case: Case) -> Case:
    """The case whose pass holds what this one does: a field keeps the graph of float64, which on CUDA is not fused."""
    if case.quantity != "field":
        return case
    return replace(case, mode="train", dtype="float64", backend=case.backend if case.device == "cpu" else "math")


def compile_seconds(case: Case, kernels: int) -> float:
    """Of torch.compile for a network whose pass calls so many operators, or of flex_attention alone."""
    if case.compiled:
        return COMPILE_SECONDS * kernels
    return FLEX_SECONDS if case.compiles else 0.0


def tested_seconds(case: Case, simulated: Callable[[Case], Simulated], calibration: Calibration) -> Iterator[float]:
    """Of one image in the test at each size, with drawing it; a size that does not apply takes no time."""
    for size in map(parse_size, (case.resolution, *case.tests)):
        try:
            work = simulated(replace(case, mode="inference", batch=1, height=size.y, width=size.x))
        except ValueError:
            continue
        yield pass_seconds(work, calibration) + RENDER_SECONDS * size.n


def pass_seconds(work: Simulated, calibration: Calibration) -> float:
    """The time of one pass."""
    by_rate = [*work.macs_by.items(), *((kind, moved) for kind, moved in work.moved_by.items() if kind)]
    working = sum(amount / getattr(calibration, kind) for kind, amount in by_rate)
    launching = work.kernels * calibration.operator_seconds
    on_cpu = calibration.device == "cpu"
    return ON_CPU * (working + launching) if on_cpu else ON_CUDA * max(working, launching)


def case_seconds(case: Case, cost: Prediction, limit: float) -> float:
    """The time of measuring the case, which may take `limit` seconds, in a worker that runs already."""
    if case.quantity == "static":
        return COUNT_SECONDS
    if case.quantity == "memory":
        return BUILD_SECONDS + cost.compile_seconds + MEMORY_PASSES[case.mode] * cost.pass_seconds
    if case.quantity == "latency":
        long = min(LATENCY_PASSES * cost.pass_seconds, max(LEAST_PASSES * cost.pass_seconds, PATIENCE * limit))
        return BUILD_SECONDS + cost.compile_seconds + max(LATENCY_SECONDS, long)
    if case.quantity == "field":
        return BUILD_SECONDS + FIELD_PASSES * cost.forward_seconds
    if case.quantity == "probe":
        return BUILD_SECONDS + PROBE_PASSES * cost.forward_seconds
    return BUILD_SECONDS + accuracy_seconds(case, cost)


def accuracy_seconds(case: Case, cost: Prediction) -> float:
    """The time of a training, of its tests and fields, and of the search before it, whose trainings are validated.

    A step on masked patches takes no more than one with labels: its head is one linear layer.
    """
    render = RENDER_SECONDS * case.height * case.width
    augmenting = sum(AUGMENT_SECONDS[name] for name in by_kornia(case.augment)) * case.height * case.width
    each, most = cost.pass_seconds / case.batch + render + augmenting, 60 * case.train_minutes or inf
    learning = sum(min(images * each, most) for images in (case.train_images or inf, case.pretrain_images))
    tried = 0 if case.seed else len(case.lrs)  # the first seed searches for all
    validating = Schedule.test_images * (cost.forward_seconds + render)
    ending = BUILD_SECONDS + EFFECTIVE_PASSES * cost.forward_seconds + cost.tests_seconds
    return learning + ending + tried * (learning + validating)
