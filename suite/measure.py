"""A case -> its record: builds the network, runs the instrument of the case's quantity, names what went wrong.

This runs inside the worker. What a case does to its process (a signal, a hang, all memory gone) is seen from outside,
by suite/worker.py.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from suite import memory
from suite.case import Case
from suite.clock import Timing, clock, interval_of_median
from suite.count import count, parameters
from suite.field import fields
from suite.record import Metric, Record
from suite.simulate import simulate
from suite.step import (
    DTYPES,
    NotFiniteError,
    attention_backend,
    finite,
    infer,
    optimiser_of,
    random_images,
    random_targets,
    train,
)
from variants.contract import Design, Grid

REFERENCE = Grid(224, 224)  # the size at which a budget is solved
LATENCY_SECONDS = 1.5
PATIENCE = 0.6  # of the case's limit
REASON = 500  # letters of an exception's message

Find = Callable[[str], Design]
Progress = Callable[[float], None]


class Bench:
    """Measures one case after another; keeps the last network while only the quantity or the round changes."""

    def __init__(self, find: Find, progress: Progress = lambda fraction: None) -> None:
        self.find, self.progress = find, progress
        self.key: Case | None = None
        self.network: nn.Module | None = None

    def measure(self, case: Case, limit_s: float = math.inf) -> Record:
        """The record of the case, whatever happens short of the end of this process."""
        start, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        try:
            record = self._measured(case, limit_s)
        except Exception as error:
            self.key = self.network = None
            record = failed(case, error)
        return replace(record, started=started, seconds=time.perf_counter() - start)

    def _measured(self, case: Case, limit_s: float) -> Record:
        torch.manual_seed(case.seed)
        design = designed(case, self.find)
        notes: dict[str, Any] = {"policy": design.policy}
        if case.params_budget:
            notes["residual"] = residual(design, case)
        with attention_backend(case.backend):
            if case.quantity == "static":
                return static(case, design, notes)
            network = self._network(case, design)
            if case.quantity == "memory":
                return footprint(case, design, network, notes)
            if case.quantity == "latency":
                return latency(case, network, notes, limit_s)
            if case.quantity == "field":
                return reach(case, network, notes)
            return accuracy(case, network, notes, self.progress)

    def _network(self, case: Case, design: Design) -> nn.Module:
        key = replace(case, quantity="static", mode="inference", round=0)
        if self.network is None or self.key != key:
            self.key = self.network = None  # frees the last one first
            torch.manual_seed(case.seed)
            built: nn.Module = design.build(case.task, case.classes, Grid(case.height, case.width))
            built.to(device=case.device, dtype=DTYPES[case.dtype])
            if case.compiled:
                built.compile()
            self.key, self.network = key, built
        network = self.network
        if case.mode == "train" or case.quantity == "accuracy":
            self.key = self.network = None  # its weights will not be those of the seed
        return network


def designed(case: Case, find: Find) -> Design:
    """The design of the case, in its layout, with its position and decoder, in its size."""
    design = find(case.design)
    if case.layout != design.layout_name:
        design = design.in_layout(case.layout)
    if case.position != design.position_name:
        design = design.with_position(case.position)
    if case.decoder and case.decoder != design.decoder_name:
        design = design.with_decoder(case.decoder)
    return design.sized(case.widths, case.extra) if case.widths else design


def residual(design: Design, case: Case) -> float:
    """By what share the body misses the budget, at the size at which the budget was solved."""
    with torch.device("meta"):
        total, head, _ = parameters(design.build(case.task, case.classes, REFERENCE))
    return (total - head) / (case.params_budget or total) - 1


def static(case: Case, design: Design, notes: dict[str, Any]) -> Record:
    """Parameters, multiply-adds (MACs), the floating-point operations in them (two each), and those beside them."""
    counts = count(design, case.task, case.classes, Grid(case.height, case.width))
    metrics = {name: Metric(value, "parameters") for name, value in asdict(counts).items() if name.startswith("params")}
    metrics["params_body"] = Metric(counts.params - counts.params_head, "parameters")
    metrics |= {"macs": Metric(counts.macs, "MAC"), "flops": Metric(2 * counts.macs, "FLOP")}
    metrics["other_flops"] = Metric(counts.other_flops, "FLOP")
    return Record(case, "ok", metrics=metrics, notes=notes)


def footprint(case: Case, design: Design, network: nn.Module, notes: dict[str, Any]) -> Record:
    """Peak memory, beside what the simulation says of it."""
    size = Grid(case.height, case.width)
    images = random_images(size, case.batch, case.dtype, case.device)
    targets = labels(case) if case.mode == "train" else None
    taken = memory.measure(network, images, targets, case.mode, case.device)
    numbers = {name: value for name, value in asdict(taken).items() if isinstance(value, int)}
    metrics = {name: Metric(value, "bytes") for name, value in numbers.items()}
    if case.compiled:  # the account and the simulation see the operators as written, not what the compiler made of them
        del metrics["live_bytes"], metrics["workspace_bytes"]
        return Record(case, "ok", metrics=metrics, notes=notes)
    simulated = simulate(design, case.task, case.classes, size, case.batch, case.mode, case.dtype, case.backend)
    metrics |= {f"{name}_bytes": Metric(value, "bytes") for name, value in taken.by_category.items()}
    metrics["predicted_bytes"] = Metric(simulated.peak_bytes, "bytes")
    return Record(case, "ok", metrics=metrics, notes=notes)


def latency(case: Case, network: nn.Module, notes: dict[str, Any], limit_s: float) -> Record:
    """Time of one inference or one training step of the batch."""
    images = partial(random_images, Grid(case.height, case.width), case.batch, case.dtype, case.device)
    run = timed_pass(case, network)
    finite(run(images()), "the answer" if case.mode == "inference" else "the loss")
    timing = clock(run, images, LATENCY_SECONDS, case.device, PATIENCE * limit_s)
    samples = {"latency_ms": timing.samples_ms, "cpu_ms": timing.cpu_samples_ms}
    if timing.device_samples_ms:
        samples["device_ms"] = timing.device_samples_ms
    return Record(case, "ok", metrics=times(timing, case.batch), samples=samples, notes=notes | circumstances(timing))


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


def times(timing: Timing, batch: int) -> dict[str, Metric]:
    """The metrics of a timing."""
    low, high, n = timing.low_ms, timing.high_ms, len(timing.samples_ms)
    cpu_low, cpu_high = interval_of_median(timing.cpu_samples_ms)
    per_second = batch * 1e3
    metrics = {
        "latency_ms": Metric(timing.median_ms, "ms", low, high, n),
        "cpu_ms": Metric(timing.cpu_ms, "ms", cpu_low, cpu_high, n),
        "throughput_img_s": Metric(
            per_second / timing.median_ms, "img/s", high and per_second / high, low and per_second / low, n
        ),
    }
    if timing.device_ms is not None:
        device_low, device_high = interval_of_median(timing.device_samples_ms)
        metrics["device_ms"] = Metric(timing.device_ms, "ms", device_low, device_high, n)
    return metrics


def circumstances(timing: Timing) -> dict[str, Any]:
    """What a reader needs to judge a timing."""
    names = "stopped_by calls_per_sample contended_samples steal_ms involuntary_switches".split()
    return {"marks": list(timing.marks)} | {name: getattr(timing, name) for name in names}


def reach(case: Case, network: nn.Module, notes: dict[str, Any]) -> Record:
    """What the output at the centre depends on, layer by layer, before any training."""
    found = fields(network, random_images(Grid(case.height, case.width), case.batch, case.dtype, case.device))
    return Record(
        case, "ok", metrics=found.metrics(), samples=found.shares, notes=notes | {"tokens": str(found.tokens)}
    )


def accuracy(case: Case, network: nn.Module, notes: dict[str, Any], progress: Progress) -> Record:
    """Trains the network on the case's data, then tests it."""
    from suite.data.source import load
    from suite.training.loop import learn
    from suite.training.recipe import Schedule

    source, size = load(case.data, case.task, case.seed), Grid(case.height, case.width)
    schedule = Schedule(case.train_images, case.train_minutes, case.lr, case.batch, case.seed)
    outcome = learn(network, source, size, schedule, case.device, case.dtype, progress)
    notes |= {"losses": outcome.losses, "stopped_by": outcome.stopped_by}
    if outcome.status != "ok":
        return Record(case, outcome.status, "the loss or the answers are not finite: lower the rate", notes=notes)
    metrics = {
        outcome.metric: Metric(outcome.value, "", outcome.low, outcome.high, outcome.n),
        "chance": Metric(source.chance, ""),
        "images_seen": Metric(outcome.images_seen, ""),
        "lr": Metric(case.lr, ""),
        "train_seconds": Metric(outcome.seconds, "s"),
    }
    metrics |= {name: Metric(value, "") for name, value in outcome.more.items()}
    if (ceiling := source.ceiling(size)) is not None:
        metrics["ceiling"] = Metric(ceiling, "")
    return Record(case, "ok", metrics=metrics, notes=notes)


def failed(case: Case, error: Exception) -> Record:
    """The record of an exception; its traceback goes to standard error, which is the worker's log."""
    traceback.print_exception(error)
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:REASON]
    if isinstance(error, NotFiniteError):
        return Record(case, "nan", str(error))
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return Record(case, "oom", f"the memory ran out ({reason})")
    return Record(case, "error", reason)
