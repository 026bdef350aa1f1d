"""A case -> its record: builds the network, runs the instrument of the case's quantity, names what went wrong.

This runs inside the worker. What a case does to its process (a signal, a hang, all memory gone) is seen from outside,
by suite/worker.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from suite import memory
from suite.alone import Alone
from suite.case import Case
from suite.count import count, parameters
from suite.disturbance import Frequencies
from suite.failure import told
from suite.field import fields
from suite.flex import forget
from suite.latency import inputs_of, labels, latency, timed_pass
from suite.probe import probe
from suite.record import Metric, Record
from suite.shift import shifts
from suite.simulate import simulate
from suite.step import DTYPES, attention_backend, lay_out
from suite.training.keep import NOTHING, Keep
from variants.contract import Buildable, Design, Grid

if TYPE_CHECKING:
    from suite.compiled import Compilation

Find = Callable[[str], Design]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Built:
    """A network on its device, and what making it took."""

    network: nn.Module
    seconds: float
    compilation: Compilation | None = None


class Bench:
    """Measures one case after another; keeps the last network while only the quantity or the round changes."""

    def __init__(self, find: Find, progress: Progress = lambda fraction: None) -> None:
        self.find, self.progress = find, progress
        self.key: Case | None = None
        self.built: Built | None = None
        self.frequencies = Frequencies()

    def measure(self, case: Case, limit_s: float = math.inf, keep: Keep = NOTHING) -> Record:
        """The record of the case, whatever happens short of the end of this process."""
        start, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with current(case.device):
                record = self._measured(case, limit_s, keep)
        except Exception as error:
            self.key = self.built = None
            record = Record(case, *told(error))
        return replace(record, started=started, seconds=time.perf_counter() - start)

    def _measured(self, case: Case, limit_s: float, keep: Keep) -> Record:
        torch.manual_seed(case.seed)
        design = designed(case, self.find)
        notes: dict[str, Any] = {"policy": design.policy}
        if case.params_budget:
            began = time.perf_counter()
            notes |= {"residual": residual(design, case), "residual_s": time.perf_counter() - began}
        if card := getattr(design, "card", None):
            notes |= {"stated_time": card.time, "stated_memory": card.memory}
        source = Alone(design) if case.scope == "mixer" else design
        with attention_backend(case.backend):
            if case.quantity == "static":
                record = static(case, source)
            elif case.quantity == "accuracy":
                record = self._accuracy(case, design, keep)
            else:
                record = self._run(case, source, notes, limit_s)
        return replace(record, notes=notes | record.notes)

    def _run(self, case: Case, design: Buildable, notes: dict[str, Any], limit_s: float) -> Record:
        known = self.built
        built = self._build(case, design)
        notes["build_s"] = 0.0 if built is known else built.seconds
        if case.backend == "flex":
            notes["attention_kernels"] = ["flex_attention"]
        if case.quantity == "memory":
            return footprint(case, design, built.network)
        if case.quantity == "latency":
            return with_compilation(latency(case, built.network, self.frequencies, limit_s), built.compilation)
        if case.quantity == "probe":
            return Record(case, "ok", metrics=probe(built.network, Grid(case.height, case.width), case.device))
        return reach(case, built.network)

    def _accuracy(self, case: Case, design: Design, keep: Keep) -> Record:
        from suite.training.cell import Cell  # here because Fabric takes a second to import

        self.key = self.built = None  # frees the last network
        return Cell(case, partial(design.build, case.task, case.classes), self.progress, keep).record()

    def _build(self, case: Case, design: Buildable) -> Built:
        mode = case.mode if case.compiled else "inference"  # a network is compiled for one of them
        key = replace(case, quantity="static", mode=mode, round=0, cache="cold", fills_memory=False)
        if self.built is None or self.key != key:
            self.key = self.built = None  # frees the last one first
            self.key, self.built = key, build(case, design)
        built = self.built
        if case.mode == "train":
            self.key = self.built = None  # its weights will not be those of the seed
        return built


def current(device: str) -> AbstractContextManager[object]:
    """Makes a CUDA device the one that events, streams and statistics are of."""
    return nullcontext() if device == "cpu" else torch.cuda.device(device)


def build(case: Case, design: Buildable) -> Built:
    """The network of the case, compiled if it asks for that."""
    start = time.perf_counter()
    torch.manual_seed(case.seed)
    network: nn.Module = design.build(case.task, case.classes, Grid(case.height, case.width))
    network.to(device=case.device, dtype=DTYPES[case.dtype])
    lay_out(network, case.memory_format)
    seconds = time.perf_counter() - start
    if case.backend == "flex":
        forget()
    if not case.compiled:
        return Built(network, seconds)
    from suite.compiled import compile_by

    run = partial(timed_pass(case, network), inputs_of(case, network)())
    return Built(network, seconds, compile_by(network, run, case.device))


def with_compilation(record: Record, compilation: Compilation | None) -> Record:
    """The record, with what compiling its network took beside its latency."""
    if compilation is None:
        return record
    notes = {"graphs": compilation.graphs, "graph_breaks": compilation.breaks}
    metrics = record.metrics | {"compile_s": Metric(compilation.seconds, "s")}
    return replace(record, metrics=metrics, notes=record.notes | notes)


def designed(case: Case, find: Find) -> Design:
    """The design of the case, in its layout, with its position and decoder, in its size."""
    design = find(case.design)
    if case.layout != design.layout_name:
        design = design.in_layout(case.layout)
    if case.position != design.position_name:
        design = design.with_position(case.position)
    if case.patch:
        design = design.with_patch(case.patch)
    if case.decoder and case.decoder != design.decoder_name:
        design = design.with_decoder(case.decoder)
    return design.sized(case.widths, case.extra) if case.widths else design


def residual(design: Design, case: Case) -> float:
    """By what share the body misses the budget, at the size at which the budget was solved."""
    with torch.device("meta"):
        total, head, _ = parameters(design.build(case.task, case.classes, design.reference))
    return (total - head) / (case.params_budget or total) - 1


def static(case: Case, design: Buildable) -> Record:
    """Parameters, multiply-adds (MACs), the floating-point operations in them (two each), and those beside them."""
    counts = count(design, case.task, case.classes, Grid(case.height, case.width))
    metrics = {name: Metric(value, "parameters") for name, value in asdict(counts).items() if name.startswith("params")}
    metrics["params_body"] = Metric(counts.params - counts.params_head, "parameters")
    metrics |= {"macs": Metric(counts.macs, "MAC"), "flops": Metric(2 * counts.macs, "FLOP")}
    metrics["other_flops"] = Metric(counts.other_flops, "FLOP")
    return Record(case, "ok", metrics=metrics)


def footprint(case: Case, design: Buildable, network: nn.Module) -> Record:
    """Peak memory, beside what the simulation says of it; of a compiled network, which nothing simulates, alone."""
    targets, compiled = labels(case) if case.mode == "train" else None, case.compiled or case.backend == "flex"
    taken = memory.measure(network, inputs_of(case, network)(), targets, case.mode, case.device, compiled)
    metrics = {name: Metric(value, "bytes") for name, value in taken.in_bytes().items()}
    notes: dict[str, Any] = {"peak_inside": list(taken.peak_inside)} if taken.peak_inside else {}
    if taken.resident_bytes is not None:
        notes["resident_bytes"] = taken.resident_bytes
    if case.compiled:
        return Record(case, "ok", metrics=metrics, notes=notes)
    began, size = time.perf_counter(), Grid(case.height, case.width)
    passing = case.batch, case.mode, case.dtype, case.backend, case.memory_format
    simulated = simulate(design, case.task, case.classes, size, *passing)
    notes["simulate_s"] = time.perf_counter() - began
    metrics["predicted_bytes"] = Metric(simulated.peak_bytes, "bytes")
    metrics["prediction_error"] = Metric(simulated.peak_bytes / taken.peak_bytes - 1, "")
    if not compiled:
        notes["attention_kernels"] = list(taken.attention)
    return Record(case, "ok", metrics=metrics, notes=notes)


def reach(case: Case, network: nn.Module) -> Record:
    """What the output at the centre depends on, and whether it moves along with the image, before any training."""
    found = fields(network, inputs_of(case, network)())
    shifted = shifts(network, Grid(case.height, case.width), case.batch, case.device)
    metrics, samples = found.metrics() | shifted.metrics(), found.shares | shifted.samples()
    return Record(case, "ok", metrics=metrics, samples=samples, notes={"tokens": str(found.tokens)})
