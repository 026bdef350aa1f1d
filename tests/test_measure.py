"""A case becomes a record: its metrics, its notes, and a status for what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from fakes import Fake, find
from torch import nn

from suite.case import Case
from suite.measure import Bench
from suite.outcome import Outcome
from suite.record import Record
from variants.contract import Grid

CASE = Case("static", "tiny", "isotropic", "none", "classification", 10, 32, 48)
STATIC = {"params", "params_body", "params_head", "params_grid", "macs", "flops", "other_flops"}


def measured(**changes: Any) -> Record:
    return Bench(find).measure(replace(CASE, **changes), limit_s=2.0)


def test_static_quantities() -> None:
    record = measured()
    assert record.status == "ok"
    assert set(record.metrics) == STATIC
    assert record.metrics["params"].value == record.metrics["params_body"].value + record.metrics["params_head"].value
    assert record.metrics["macs"].unit == "MAC"
    assert (record.metrics["flops"].value, record.metrics["flops"].unit) == (2 * record.metrics["macs"].value, "FLOP")
    assert record.notes == {"policy": "patch 4"}
    assert record.seconds > 0
    assert record.started.endswith("+00:00")
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize("mode", ["inference", "train"])
def test_memory_beside_its_prediction(mode: str) -> None:
    metrics = measured(quantity="memory", mode=mode, batch=2).metrics
    assert metrics["predicted_bytes"].value == pytest.approx(metrics["live_bytes"].value, rel=0.01)
    assert metrics["peak_bytes"].value == metrics["live_bytes"].value + metrics["workspace_bytes"].value
    assert metrics["resting_bytes"].value > 0
    parts = "gradients optimiser activations temporary".split()
    assert metrics["live_bytes"].value == sum(metrics[f"{part}_bytes"].value for part in parts)
    error = metrics["predicted_bytes"].value / metrics["peak_bytes"].value - 1
    assert (metrics["prediction_error"].value, metrics["prediction_error"].unit) == (error, "")


def test_simulating_and_fitting_are_no_measuring() -> None:
    memory, static = (measured(quantity=quantity, params_budget=10_000) for quantity in ("memory", "static"))
    outcome = Outcome()
    outcome.charge(memory, memory.seconds)
    beside = sum(memory.notes[note] for note in ("build_s", "residual_s", "simulate_s"))
    assert outcome.spent["measuring"] == pytest.approx(memory.seconds - beside)
    assert min(memory.notes["residual_s"], memory.notes["simulate_s"], static.notes["residual_s"]) > 0


@pytest.mark.parametrize("task", ["classification", "segmentation"])
@pytest.mark.parametrize("mode", ["inference", "train"])
def test_latency_with_samples_and_circumstances(mode: str, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.latency.LATENCY_SECONDS", 0.1)
    record = measured(quantity="latency", mode=mode, task=task, batch=2)
    time, rate = record.metrics["latency_ms"], record.metrics["throughput_img_s"]
    assert rate.value == pytest.approx(2000 / time.value)
    assert len(record.samples["latency_ms"]) == len(record.samples["cpu_ms"]) == time.n
    if time.low is not None and rate.high is not None:
        assert time.low <= time.value <= (time.high or 0)
        assert rate.high == pytest.approx(2000 / time.low)
    assert {"marks", "stopped_by", "steal_ms", "involuntary_switches"} < set(record.notes)
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize("quantity", ["memory", "latency"])
def test_a_network_of_nans_has_no_number(quantity: str) -> None:
    record = measured(quantity=quantity, design="nan")
    assert (record.status, record.metrics) == ("nan", {})
    assert record.reason == "the answer of the network is not finite"


def test_an_exception_is_one_line_and_its_traceback_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    record = measured(quantity="memory", design="raiser")
    assert (record.status, record.reason) == ("error", "RuntimeError: the mixer broke")
    assert "in forward" in capsys.readouterr().err


def test_counts_that_disagree_are_an_error() -> None:
    record = measured(design="miscounted")
    assert record.status == "error"
    assert "disagree: the formula" in record.reason


def test_an_unknown_design_is_an_error() -> None:
    record = measured(design="nothing")
    assert record.status == "error"
    assert "no fake design is called nothing" in record.reason


def test_memory_that_is_not_there_is_a_status() -> None:
    record = measured(quantity="memory", batch=2**40)
    assert record.status == "oom"


def test_layout_position_decoder_and_widths_of_the_case_are_taken() -> None:
    wide = measured(widths=(64,), extra=(2,), layout="pyramid")
    assert wide.metrics["params"].value > 4 * measured().metrics["params"].value
    assert "takes no position rotary" in measured(position="rotary").reason
    assert "does not go into the layout bottleneck" in measured(layout="bottleneck").reason
    assert measured(task="segmentation", decoder="naive").status == "ok"
    assert "takes no decoder pup" in measured(task="segmentation", decoder="pup").reason


def test_the_residual_of_a_budget_is_noted() -> None:
    body = measured().metrics["params_body"].value
    assert measured(params_budget=10_000).notes["residual"] == pytest.approx(body / 10_000 - 1)


class Pooled(nn.Module):
    """Next to nothing: each network that a test compiles takes seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images.mean((2, 3)))


@dataclass(frozen=True)
class Small(Fake):
    def build(self, task: str, classes: int, size: Grid) -> nn.Module:
        return Pooled()


def test_a_compiled_network_has_its_time_to_compile_and_a_peak_without_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.latency.LATENCY_SECONDS", 0.1)
    bench, case = Bench(lambda name: Small(name)), replace(CASE, compiled=True, quantity="memory")
    memory, latency = (bench.measure(replace(case, quantity=q), limit_s=30.0) for q in ("memory", "latency"))
    assert (memory.status, latency.status) == ("ok", "ok"), memory.reason + latency.reason
    assert set(memory.metrics) == {f"{n}_bytes" for n in "peak resting parameters input optimiser".split()}
    assert latency.metrics["compile_s"].unit == "s"
    assert latency.metrics["compile_s"].value > 10 * latency.metrics["latency_ms"].value / 1e3
    assert latency.notes["graphs"] == 1
    assert latency.notes["build_s"] == 0 < memory.notes["build_s"], "it is compiled once for both"


def test_what_torch_leaves_as_it_is_is_not_called_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Module, "compile", lambda network: None)
    record = measured(quantity="latency", compiled=True)
    assert (record.status, record.metrics) == ("error", {})
    assert "compiled nothing of the network: choose --compile no" in record.reason


@dataclass(frozen=True)
class Counted(Fake):
    """Notes each build of a network with memory."""

    def build(self, task: str, classes: int, size: Grid) -> nn.Module:
        network = super().build(task, classes, size)
        if next(network.parameters()).device.type == "cpu":
            BUILT.append(next(network.parameters()).sum().item())
        return network


BUILT: list[float] = []


def test_a_network_is_built_once_for_its_quantities_and_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.latency.LATENCY_SECONDS", 0.05)
    BUILT.clear()
    bench = Bench(lambda name: Counted(name))
    memory, latency = replace(CASE, quantity="memory"), replace(CASE, quantity="latency")
    for case in (memory, latency, replace(latency, round=1)):
        assert bench.measure(case).status == "ok"
    assert len(BUILT) == 1
    for case in (replace(memory, mode="train"), memory, replace(memory, height=40)):
        assert bench.measure(case).status == "ok"
    assert len(BUILT) == 3  # none for the training step, which may change the weights it finds
    assert len(set(BUILT)) == 1  # one seed, one set of weights
    bench.measure(replace(memory, seed=1))
    assert len(set(BUILT)) == 2


def test_the_plain_form_of_attention_takes_more_memory() -> None:
    large = {"quantity": "memory", "height": 128, "width": 128}
    fused, plain = measured(**large), measured(**large, backend="math")
    assert plain.metrics["peak_bytes"].value > 2 * fused.metrics["peak_bytes"].value


def test_inputs_are_not_zeros() -> None:
    seen: list[torch.Tensor] = []

    @dataclass(frozen=True)
    class Watched(Fake):
        def build(self, task: str, classes: int, size: Grid) -> nn.Module:
            network = super().build(task, classes, size)
            network.register_forward_pre_hook(lambda module, args: seen.append(args[0].std()))
            return network

    Bench(lambda name: Watched(name)).measure(replace(CASE, quantity="memory"))
    assert all(0.9 < spread < 1.1 for spread in seen if spread.device.type == "cpu")
