"""The simulation says what a pass would take, without taking it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import pytest
import torch
from fakes import Fake, find
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from suite.account import Account, watch
from suite.simulate import simulate
from suite.step import infer, optimiser_of, random_images, state_tensors, train
from variants.contract import Grid

SIZE = Grid(48, 64)
FUSED = "_scaled_dot_product_flash_attention_for_cpu"


@pytest.mark.parametrize("name", ["tiny", "convnet"])
def test_inference_is_that_of_fake_cpu_tensors(name: str) -> None:
    with FakeTensorMode():
        network = find(name).build("classification", 10, SIZE).eval()
        images = random_images(SIZE, 2, "float32")
        account = watch(Account(), network, [images], [], lambda: infer(network, images))
    simulated = simulate(find(name), "classification", 10, SIZE, batch=2)
    saved = 2 * 4 * 32 if name == "convnet" else 0  # batch norm saves nothing on the CPU
    assert simulated.peak_bytes == account.peak_bytes + saved
    assert (simulated.macs, simulated.operators) == (account.macs_by.total(), account.operators)


def test_a_training_step_is_that_of_fake_cpu_tensors() -> None:
    with FakeTensorMode():
        network = find("tiny").build("classification", 10, SIZE).train()
        images, targets = random_images(SIZE, 2, "float32"), torch.zeros(2, dtype=torch.int64)
        optimiser = optimiser_of(network)
        train(network, optimiser, images, targets)
        account = Account()
        step = lambda: train(network, optimiser, images, targets, account.enter_phase)  # noqa: E731
        watch(account, network, [images, targets], state_tensors(optimiser), step)
    simulated = simulate(find("tiny"), "classification", 10, SIZE, batch=2, mode="train")
    assert simulated.peak_bytes == account.peak_bytes
    copied = {"new_empty_strided", "copy_"}  # torch 2.11 lays a convolution's gradient out anew on the meta device
    assert {n: k for n, k in simulated.operators.items() if n not in copied} == account.operators


def test_a_training_step_holds_what_it_must() -> None:
    simulated = simulate(find("tiny"), "classification", 10, SIZE, mode="train")
    weights = [p.numel() for p in find("tiny").build("classification", 10, SIZE).parameters()]
    assert simulated.by_category["optimiser"] == 2 * 4 * sum(weights) + 4 * len(weights)
    assert sum(simulated.by_category.values()) == simulated.peak_bytes
    assert simulated.resting_bytes == 4 * sum(weights) + 4 * 3 * SIZE.n + 8


def test_a_segmentation_step_has_labels_for_every_pixel() -> None:
    inference, step = (simulate(find("tiny"), "segmentation", 10, SIZE, mode=mode) for mode in ("inference", "train"))
    assert step.resting_bytes - inference.resting_bytes == 8 * SIZE.n


def test_the_matrix_of_attention_exists_in_the_plain_form_only() -> None:
    heads, matrix, size = 2, 4 * (32 * 32) ** 2, Grid(128, 128)
    plain, fused = (simulate(find("tiny"), "classification", 10, size, backend=name) for name in ("math", "sdpa"))
    assert plain.peak_bytes > 2 * heads * matrix
    assert fused.peak_bytes < matrix
    assert fused.operators[FUSED] == 1
    assert FUSED not in plain.operators
    assert plain.macs == fused.macs


@pytest.mark.parametrize("backend", ["sdpa", "math"])
@pytest.mark.parametrize("mode", ["inference", "train"])
def test_a_second_simulation_says_the_same(backend: str, mode: str) -> None:
    first, second = (simulate(find("tiny"), "classification", 10, SIZE, 1, mode, "float32", backend) for _ in range(2))
    assert first == second


def test_a_million_tokens_cost_no_memory() -> None:
    simulated = simulate(find("tiny"), "classification", 10, Grid(4096, 4096), backend="math")
    assert simulated.peak_bytes > 4 * 2 * (1024 * 1024) ** 2


def test_half_the_bytes_in_half_precision() -> None:
    full, half = (simulate(find("convnet"), "classification", 10, SIZE, dtype=name) for name in ("float32", "bfloat16"))
    assert half.peak_bytes == pytest.approx(full.peak_bytes / 2, rel=0.01)


class Attends(nn.Module):
    """One attention, of the kind that is asked for."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.bias = nn.Parameter(torch.zeros(16, 16))

    def forward(self, images: Tensor) -> Tensor:
        t = images.flatten(2)[:, :, None, :128].view(-1, 3, 16, 8)  # b h n e
        if self.kind == "shared":
            return F.scaled_dot_product_attention(t, t[:, :1], t[:, :1], enable_gqa=True)
        masks = {"boolean": lambda: self.bias > 0, "learned": lambda: self.bias, "fixed": self.bias.detach}
        mask = masks.get(self.kind, lambda: None)()
        return F.scaled_dot_product_attention(t, t, t[..., :4] if self.kind == "narrow" else t, attn_mask=mask)


@dataclass(frozen=True)
class Attending(Fake):
    def build(self, task: str, classes: int, size: Grid) -> nn.Module:
        return Attends(self.name)


@pytest.mark.parametrize("kind", ["plain", "boolean", "learned", "fixed", "narrow", "shared"])
def test_attention_takes_the_kernel_that_it_takes_on_the_cpu(kind: str) -> None:
    if kind == "shared" and torch.__version__ < "2.12":
        pytest.skip("torch 2.11 cannot count attention whose heads share keys")
    network, images, account = Attends(kind), torch.randn(1, 3, 16, 16), Account()
    watch(account, network, [images], [], lambda: infer(network, images))
    simulated = simulate(Attending(kind), "classification", 10, Grid(16, 16))
    assert simulated.operators.get(FUSED, 0) == account.operators[FUSED]
    assert (simulated.macs, simulated.other_flops) == (account.macs_by.total(), account.other_flops)
    assert simulated.peak_bytes == account.peak_bytes


def test_a_mask_costs_one_more_for_each_logit() -> None:
    plain, masked = (simulate(Attending(kind), "classification", 10, Grid(16, 16)) for kind in ("plain", "fixed"))
    logits = 3 * 16 * 16
    assert (plain.other_flops, masked.other_flops) == (4 * logits, 5 * logits)
    assert masked.moved_by[""] == plain.moved_by[""] + 4 * 16 * 16


def test_traffic_is_what_operators_read_and_write() -> None:
    class Sum(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return (images + images).view(-1).sum()

    @dataclass(frozen=True)
    class Summing(Fake):
        def build(self, task: str, classes: int, size: Grid) -> nn.Module:
            return Sum()

    simulated = simulate(Summing("sum"), "classification", 10, Grid(8, 8))
    image = 4 * prod((3, 8, 8))
    assert simulated.moved_by == {"plain": 3 * image, "heavy": image + 4}
    assert simulated.operators == {"add": 1, "sum": 1}
    assert (simulated.kernels, simulated.other_flops) == (2, 2 * 3 * 8 * 8)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="choose sdpa, math or flex"):
        simulate(find("tiny"), "classification", 10, SIZE, backend="flash")


def test_the_account_agrees_with_torchs_own_tracker() -> None:
    tracker_module: Any = pytest.importorskip("torch.distributed._tools.mem_tracker")
    with FakeTensorMode():
        network = find("tiny").build("classification", 10, SIZE).eval()
        images = random_images(SIZE, 1, "float32")
        tracker = tracker_module.MemTracker()
        tracker.track_external(network, images)
        with tracker, torch.no_grad():
            network(images)
    peak = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    simulated = simulate(find("tiny"), "classification", 10, SIZE)
    assert simulated.peak_bytes + simulated.resting_bytes == pytest.approx(peak, rel=0.01)


@pytest.mark.parametrize(("groups", "inner"), [(1, 8), (8, 1)])
def test_the_gradients_of_a_convolution_cost_what_its_groups_reach(groups: int, inner: int) -> None:
    layer, images, account = nn.Conv2d(8, 8, 3, padding=1, groups=groups), torch.randn(2, 8, 5, 7), Account()
    answer = layer(images.requires_grad_())
    with account:
        answer.sum().backward()
    kind = "grouped" if groups > 1 else "conv"
    assert account.macs_by[kind] == 2 * answer.numel() * inner * 9, "for the image, and for the weight"
