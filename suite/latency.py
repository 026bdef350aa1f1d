"""Latency of a case: time of one inference, or of one training step of the batch, as metrics, samples and notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

from torch import Tensor, nn

from suite.case import Case
from suite.clock import clock
from suite.disturbance import Frequencies
from suite.record import Metric, Record
from suite.samples import interval_of_median
from suite.step import finite, infer, optimiser_of, random_inputs, random_targets, train
from suite.timing import Timing
from variants.contract import Grid

LATENCY_SECONDS = 1.5  # of blocks, for a pass that is much shorter
PATIENCE = 0.6  # the part of the case's limit in which more passes are begun


def latency(case: Case, network: nn.Module, frequencies: Frequencies, limit_s: float) -> Record:
    """The record of the case. NotFiniteError if the first pass gives no finite numbers."""
    run, inputs = timed_pass(case, network), inputs_of(case, network)
    finite(run(inputs()), "the answer" if case.mode == "inference" else "the loss")
    timing = clock(run, inputs, LATENCY_SECONDS, case.device, PATIENCE * limit_s, case.cache, frequencies)
    samples = {"latency_ms": timing.samples_ms, "cpu_ms": timing.cpu_samples_ms}
    if timing.device_samples_ms:
        samples["device_ms"] = list(timing.device_samples_ms)
    metrics = metrics_of(samples, case.batch)
    if case.fills_memory:
        metrics["largest_batch"] = Metric(case.batch, "images")
    return Record(case, "ok", metrics=metrics, samples=samples, notes=circumstances(timing))


def inputs_of(case: Case, network: nn.Module) -> Callable[[], Tensor]:
    """Makes random images for the case, or tokens for a mixer alone, at a new address each time."""
    size = Grid(case.height, case.width)
    return partial(random_inputs, network, size, case.batch, case.dtype, case.device, case.memory_format)


def timed_pass(case: Case, network: nn.Module) -> Callable[[Tensor], Tensor]:
    """What is timed: images -> logits, or images -> the loss of a training step on fixed labels."""
    if case.mode == "inference":
        return partial(infer, network.eval())
    network.train()
    optimiser, targets = optimiser_of(network), labels(case)
    return lambda images: train(network, optimiser, images, targets)


def labels(case: Case) -> Tensor:
    """Labels for the images of the case."""
    return random_targets(case.task, case.classes, Grid(case.height, case.width), case.batch, case.device)


def metrics_of(samples: dict[str, list[float]], batch: int) -> dict[str, Metric]:
    """Each kind of time, and images per second by the wall."""
    metrics = {name: metric_of(times) for name, times in samples.items()}
    time, per_second = metrics["latency_ms"], batch * 1e3
    low, high = time.high and per_second / time.high, time.low and per_second / time.low
    return metrics | {"throughput_img_s": Metric(per_second / time.value, "img/s", low, high, time.n)}


def metric_of(times: Sequence[float]) -> Metric:
    """The median of milliseconds, with its interval within this process."""
    low, high = interval_of_median(list(times))
    return Metric(median(times), "ms", low, high, len(times))


def circumstances(timing: Timing) -> dict[str, Any]:
    """What a reader needs to judge a timing."""
    names = "stopped_by calls_per_sample contended_samples steal_ms involuntary_switches clock_mhz".split()
    return {"marks": list(timing.marks)} | {name: getattr(timing, name) for name in names}
