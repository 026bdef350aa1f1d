"""channels_last: what the worker makes, that it changes no answer, and that it is predicted as exactly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from fakes import Fake
from narrow import shrunk
from test_fold import shallow
from torch import Tensor, nn

from avbench.find import find, names
from suite.case import MEMORY_FORMATS, Case
from suite.measure import Bench, build
from suite.simulate import simulate
from suite.simulations import Simulations
from suite.step import FORMATS, infer, lay_out, random_images
from variants.contract import Grid

CASE = Case("memory", "convnet", "isotropic", "none", "classification", 10, 24, 32, batch=2)
SEEN: list[tuple[str, str]] = []  # the formats of the weights and the images of each pass


@dataclass(frozen=True)
class Watched(Fake):
    """Notes what a network with memory is called with."""

    def build(self, task: str, classes: int, size: Grid) -> nn.Module:
        network = super().build(task, classes, size)
        network.register_forward_pre_hook(see)
        return network


def see(network: nn.Module, args: tuple[Tensor, ...]) -> None:
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    if not args[0].is_meta:
        SEEN.append((formats(*weights), formats(args[0])))


def formats(*tensors: Tensor) -> str:
    """The one format that all of them have."""
    (name,) = [n for n in MEMORY_FORMATS if all(t.is_contiguous(memory_format=FORMATS[n]) for t in tensors)]
    return name


@pytest.mark.parametrize("mode", ["inference", "train"])
@pytest.mark.parametrize("quantity", ["memory", "latency"])
def test_the_worker_runs_weights_and_images_of_the_format(
    quantity: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.latency.LATENCY_SECONDS", 0.02)
    bench = Bench(lambda name: Watched(name))
    for memory_format in MEMORY_FORMATS:
        SEEN.clear()
        record = bench.measure(replace(CASE, quantity=quantity, mode=mode, memory_format=memory_format))
        assert record.status == "ok", record.reason
        assert set(SEEN) == {(memory_format, memory_format)}
        if quantity == "memory":
            live, predicted = (record.metrics[name].value for name in ("live_bytes", "predicted_bytes"))
            assert predicted == pytest.approx(live, rel=0.01)


def test_a_network_is_compiled_for_images_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_by(network: nn.Module, run: Callable[[], object], device: str) -> None:
        """Runs what the compiler would, which takes ten seconds to load."""
        run()

    monkeypatch.setitem(sys.modules, "suite.compiled", SimpleNamespace(compile_by=compile_by))
    SEEN.clear()
    build(replace(CASE, compiled=True, memory_format="channels_last"), Watched("convnet"))
    assert SEEN == [("channels_last", "channels_last")]


def test_images_of_either_format_lie_at_new_addresses() -> None:
    for memory_format in MEMORY_FORMATS:
        images = [random_images(Grid(8, 8), 2, "float32", memory_format=memory_format) for _ in range(2)]
        assert images[0].data_ptr() != images[1].data_ptr()
        assert {formats(i) for i in images} == {memory_format}


def test_a_table_of_places_is_no_weight_of_a_convolution() -> None:
    network = shrunk(find("vit")).build("classification", 3, Grid(32, 48))
    (table,) = [p for p in network.parameters() if p.dim() == 4]  # 1 y x d; patches are a linear layer's
    before = table.stride()
    lay_out(network, "channels_last")
    assert table.stride() == before


@pytest.mark.parametrize("name", names())
def test_every_design_answers_alike_in_both_formats(name: str) -> None:
    size = Grid(44, 60)
    network, images = shrunk(find(name)).build("classification", 3, size).eval(), random_images(size, 2, "float32")
    plain = infer(network, images)
    lay_out(network, "channels_last")
    last = infer(network, images.contiguous(memory_format=torch.channels_last))
    assert (last - plain).norm() <= 1e-4 * plain.norm()


@pytest.mark.parametrize("name", ["conv_stem", "convnext", "sasa_resnet"])
def test_folded_blocks_are_what_they_are_in_full(name: str) -> None:
    design, found = shallow(name), {}
    simulations = Simulations(design)
    for mode in ("inference", "train"):
        for form in MEMORY_FORMATS:
            case = replace(CASE, design=name, mode=mode, height=44, width=60, memory_format=form)
            full = simulate(design, "classification", 10, Grid(44, 60), 2, mode, memory_format=form)
            assert simulations(case) == full
            found[mode, form] = full
    if name == "conv_stem":  # which turns contiguous images over
        assert found["inference", "contiguous"].peak_bytes > found["inference", "channels_last"].peak_bytes
    if name == "convnext":  # gradients of weights are channels-last, and turned over where the weights are not
        assert found["train", "contiguous"].kernels > found["train", "channels_last"].kernels
