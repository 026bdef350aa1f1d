"""The backend `flex`: flex_attention says what the plain form says; what it does not take is a row with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from fakes import Fake, find
from mixers import built, image
from sweeps import CALIBRATIONS, axes
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional as F

from suite import flex
from suite.axes import Limits
from suite.case import Case
from suite.measure import Bench
from suite.plan import plan
from suite.simulate import simulate
from suite.step import attention_backend, infer, random_images
from variants.contract import Grid
from variants.swin import ShiftedWindow
from variants.vit import Attention
from variants.window import Window

SIZE = Grid(32, 48)
CASE = Case("latency", "tiny", "isotropic", "none", "classification", 10, SIZE.y, SIZE.x, backend="flex")


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled, as it is written: compiling takes seconds for each shape."""
    monkeypatch.setattr(flex, "kernel", lambda: flex.attend)


@dataclass(frozen=True)
class Convolutions(Fake):
    def build(self, task: str, classes: int, size: Grid) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, classes, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def by(backend: str, run: Any, *inputs: Tensor) -> Tensor:
    with torch.no_grad(), attention_backend(backend):
        answer: Tensor = run(*inputs)
    return answer


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("position", ["none", "bias", "query"])
@pytest.mark.parametrize("make", [Attention, Window, ShiftedWindow])
def test_mixers_say_the_same(make: Any, position: str) -> None:
    grid = Grid(9, 5)
    mixer, x = built(make, grid, position), image(grid)
    torch.testing.assert_close(by("flex", mixer, x), by("math", mixer, x), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("q", "k", "options"),
    [
        ((2, 5, 8), (2, 7, 8), {"scale": 1.0}),
        ((2, 5, 8), (2, 7, 8), {"attn_mask": torch.randn(2, 5, 7)}),
        ((2, 3, 5, 8), (2, 3, 7, 8), {"attn_mask": torch.randn(5, 7) > -1}),
        ((2, 3, 5, 8), (2, 3, 7, 8), {"attn_mask": torch.randn(2, 1, 5, 1)}),
        ((2, 4, 5, 8), (2, 2, 7, 8), {"enable_gqa": True}),
    ],
)
def test_every_form_of_the_call_says_the_same(q: tuple[int, ...], k: tuple[int, ...], options: dict[str, Any]) -> None:
    query, key, value = torch.randn(q), torch.randn(k), torch.randn(k)

    def run() -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, **options)

    torch.testing.assert_close(by("flex", run), by("math", run))


def test_a_compiled_network_says_the_same_and_its_kernel_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.latency.LATENCY_SECONDS", 0.1)
    bench = Bench(find)
    memory, latency = (bench.measure(replace(CASE, quantity=q), limit_s=60.0) for q in ("memory", "latency"))
    assert (memory.status, latency.status) == ("ok", "ok"), memory.reason + latency.reason
    assert memory.notes["attention_kernels"] == latency.notes["attention_kernels"] == ["flex_attention"]
    assert "live_bytes" not in memory.metrics, "nobody saw the operators that ran"
    assert memory.metrics["predicted_bytes"].value == pytest.approx(memory.metrics["peak_bytes"].value, rel=0.2)
    assert bench.built is not None
    network, images = bench.built.network, random_images(SIZE, 1, "float32")
    torch.testing.assert_close(by("flex", network, images), by("math", network, images))


def test_a_network_without_softmax_attention_is_a_row_that_says_so() -> None:
    record = Bench(lambda name: Convolutions(name)).measure(CASE, limit_s=2.0)
    assert (record.status, record.metrics) == ("not_applicable", {})
    assert record.reason == "there is no softmax attention that flex_attention could take: choose --backend sdpa"


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"mode": "train"}, "no gradients on the CPU"), ({"compiled": True}, "choose --compile no, or --backend sdpa")],
)
def test_what_cannot_be_is_not_tried(changes: dict[str, Any], said: str) -> None:
    assert said in flex.refusal(replace(CASE, **changes))
    assert not flex.refusal(replace(CASE, backend="sdpa", **changes))


def test_a_plan_refuses_training_on_the_cpu_alone() -> None:
    asked = replace(axes(32), backends=("flex",), modes=("inference", "train"), metrics=("latency",), rounds=1)
    found = {p.case.mode: p.status for p in plan([find("tiny")], asked, CALIBRATIONS, Limits()).cases}
    assert found == {"inference": "ok", "train": "not_applicable"}


def test_it_is_predicted_as_the_fused_kernel() -> None:
    as_flex, fused = (simulate(find("tiny"), "classification", 10, SIZE, backend=name) for name in ("flex", "sdpa"))
    assert as_flex == fused


def test_a_kernel_that_does_not_fit_the_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(*_: Any) -> None:
        raise RuntimeError("No valid triton configs. OutOfMemoryError: out of resource: Required: 344320")

    monkeypatch.setattr(flex, "kernel", lambda: compiled)
    t = torch.randn(1, 1, 4, 256)
    with pytest.raises(flex.NotTakenError, match="heads of 256 and 256 channels in torch"):
        by("flex", lambda: F.scaled_dot_product_attention(t, t, t))


@pytest.mark.parametrize("options", [{"dropout_p": 0.1}, {"is_causal": True}])
def test_what_the_kernel_is_not_given_is_refused(options: dict[str, Any]) -> None:
    t = torch.randn(1, 1, 4, 8)
    with pytest.raises(flex.NotTakenError, match="neither dropout nor a causal mask"):
        by("flex", lambda: F.scaled_dot_product_attention(t, t, t, **options))


def test_narrow_heads_are_refused_on_cuda() -> None:
    with FakeTensorMode():
        t = torch.empty(1, 1, 4, 8, device="cuda")
        with pytest.raises(flex.NotTakenError, match="takes heads from 16 channels, not 8"):
            flex.attention(t, t, t)


def test_the_function_is_put_back_whatever_happens() -> None:
    before = F.scaled_dot_product_attention
    with pytest.raises(RuntimeError, match="the mixer"), attention_backend("flex"):
        infer(find("raiser").build("classification", 10, SIZE), random_images(SIZE, 1, "float32"))
    assert F.scaled_dot_product_attention is before


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch 2.11 looks for one
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("position", ["none", "bias", "query"])
@pytest.mark.parametrize("make", [Attention, Window, ShiftedWindow])
def test_on_cuda_mixers_and_their_gradients_are_the_same(make: Any, position: str) -> None:
    mixer, x = built(make, Grid(9, 5), position, dim=64).to("cuda"), image(Grid(9, 5), 64).to("cuda").requires_grad_()
    inputs = [x, *mixer.parameters()]
    found, plain = (gradients(name, mixer, inputs) for name in ("flex", "math"))
    for name, (a, b) in zip(["x", *dict(mixer.named_parameters())], zip(found, plain, strict=True), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=lambda said, name=name: f"{name}: {said}")


def gradients(backend: str, mixer: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    with attention_backend(backend):
        return [*torch.autograd.grad(mixer(inputs[0]).square().sum(), inputs)]
