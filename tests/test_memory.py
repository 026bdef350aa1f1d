"""Measured peaks: exact, closed, split into parts, and equal to the simulation but for the workspace."""

from __future__ import annotations

import sys

import pytest
import torch
from fakes import ConvNet, NotANumber, Transformer, find
from torch import Tensor, nn

from suite.account import CATEGORIES
from suite.memory import LARGE, AccountError, Footprint, allocated, measure
from suite.simulate import Simulated, simulate
from suite.step import DTYPES, NotFiniteError, attention_backend, random_images, random_targets
from variants.contract import Grid

SIZE = Grid(64, 48)


def both(name: str, mode: str, dtype: str = "float32", backend: str = "sdpa") -> tuple[Footprint, Simulated]:
    """The fake measured, and simulated."""
    network = find(name).build("classification", 10, SIZE).to(DTYPES[dtype])
    images, targets = random_images(SIZE, 2, dtype), random_targets("classification", 10, SIZE, 2)
    with attention_backend(backend):
        measured = measure(network, images, targets if mode == "train" else None, mode, "cpu")
    return measured, simulate(find(name), "classification", 10, SIZE, 2, mode, dtype, backend)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("mode", ["inference", "train"])
@pytest.mark.parametrize(("name", "backend"), [("tiny", "sdpa"), ("tiny", "math"), ("convnet", "sdpa")])
def test_the_simulation_meets_the_measurement(name: str, mode: str, dtype: str, backend: str) -> None:
    measured, simulated = both(name, mode, dtype, backend)
    assert measured.live_bytes is not None and measured.workspace_bytes is not None
    assert measured.peak_bytes == measured.live_bytes + measured.workspace_bytes
    assert measured.workspace_bytes >= 0
    assert simulated.peak_bytes == pytest.approx(measured.live_bytes, rel=0.01)
    assert simulated.resting_bytes == measured.resting_bytes


def test_the_kernel_that_attention_took_is_named() -> None:
    assert both("tiny", "inference")[0].attention == ("_scaled_dot_product_flash_attention_for_cpu",)
    assert both("tiny", "inference", backend="math")[0].attention == ()


def test_without_workspace_all_three_agree_to_the_byte() -> None:
    measured, simulated = both("tiny", "train")
    assert measured.peak_bytes == measured.live_bytes == simulated.peak_bytes
    assert {name: measured.by_category[name] for name in CATEGORIES} == simulated.by_category


def test_the_parts_add_up() -> None:
    measured, _ = both("tiny", "train")
    assert sum(measured.by_category[name] for name in CATEGORIES) == measured.live_bytes
    assert measured.by_category["parameters"] + measured.by_category["input"] == measured.resting_bytes
    weights = sum(p.numel() for p in find("tiny").build("classification", 10, SIZE).parameters())
    assert measured.by_category["parameters"] == 4 * weights
    assert 0 <= measured.by_category["optimiser"] - 8 * weights < 1000, "two moments, and a count for each tensor"
    inference, _ = both("tiny", "inference")
    assert {name: inference.by_category[name] for name in CATEGORIES} == {
        "gradients": 0, "optimiser": 0, "activations": inference.live_bytes, "temporary": 0,
    }  # fmt: skip


class Held(nn.Module):
    """Holds `extra` bytes for as long as it computes."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, images: Tensor) -> Tensor:
        held = torch.empty(self.extra, dtype=torch.uint8)
        answer = images * 2
        return answer + 1 if held.numel() else answer


def test_a_byte_more_is_seen() -> None:
    images = torch.randn(1, 3, 8, 8)
    less, more = (measure(Held(extra), images, None, "inference", "cpu") for extra in (1000, 1001))
    assert more.peak_bytes == less.peak_bytes + 1
    assert more.live_bytes == (less.live_bytes or 0) + 1


def test_what_a_kernel_allocates_inside_is_workspace() -> None:
    @torch.library.custom_op("avbench::probe_workspace", mutates_args=())
    def inside(x: Tensor) -> Tensor:
        return torch.empty(10_000, dtype=torch.uint8).sum() + x

    class Calls(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return inside(images)

    measured = measure(Calls(), torch.randn(1, 3, 8, 8), None, "inference", "cpu")
    assert measured.live_bytes == 4 * 3 * 8 * 8
    assert (measured.workspace_bytes or 0) >= 10_000


def test_the_operator_that_reaches_the_peak_is_named() -> None:
    class Product(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return (images + 1) @ images

    assert measure(Product(), torch.randn(1, 3, 8, 8), None, "inference", "cpu").peak_inside == ("matmul", "bmm")


def test_a_network_that_keeps_tensors_is_an_error() -> None:
    class Keeps(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            self.kept = [*getattr(self, "kept", []), images + 1]
            return images * 2

    with pytest.raises(AccountError, match="the network keeps tensors"):
        measure(Keeps(), torch.randn(1, 3, 8, 8), None, "inference", "cpu")


def test_batch_norm_counts_in_training_too() -> None:
    network = ConvNet(8, 4)
    images, targets = random_images(SIZE, 2, "float32"), random_targets("classification", 4, SIZE, 2)
    measured = measure(network, images, targets, "train", "cpu")
    assert measured.by_category["activations"] > 8 * 4 * 8 * 2 * SIZE.n  # 4 layers, each before and after its norm
    assert network.training


def test_numbers_that_are_not_finite_are_refused() -> None:
    network = NotANumber(8, 1, "classification", 4)
    with pytest.raises(NotFiniteError, match="the answer of the network is not finite"):
        measure(network, random_images(SIZE, 1, "float32"), None, "inference", "cpu")


def test_a_training_step_needs_labels() -> None:
    network = Transformer(8, 1, "classification", 4)
    with pytest.raises(ValueError, match="give labels"):
        measure(network, random_images(SIZE, 1, "float32"), None, "train", "cpu")


def test_a_byte_more_in_a_mixer_is_seen() -> None:
    class Padded(nn.Module):
        def __init__(self, mixer: nn.Module, extra: int) -> None:
            super().__init__()
            self.mixer, self.extra = mixer, extra

        def forward(self, x: Tensor) -> Tensor:
            held = torch.empty(self.extra, dtype=torch.uint8)
            return self.mixer(x) if held is not None else x

    def peak(extra: int, mode: str) -> int:
        network = Transformer(32, 2, "classification", 10)
        network.blocks[0] = Padded(network.blocks[0], extra)
        targets = random_targets("classification", 10, SIZE, 2) if mode == "train" else None
        return measure(network, random_images(SIZE, 2, "float32"), targets, mode, "cpu").peak_bytes

    assert peak(100_001, "inference") == peak(100_000, "inference") + 1
    assert peak(10_000_001, "train") == peak(10_000_000, "train") + 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own count of pages is Linux's")
def test_a_large_peak_is_the_growth_of_the_process_too() -> None:
    class Fills(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images + torch.ones(LARGE // 2).sum()  # float32: twice LARGE

    measured = measure(Fills(), torch.randn(1, 3, 8, 8), None, "inference", "cpu")
    assert measured.resident_bytes == pytest.approx(measured.peak_bytes, rel=0.1)
    assert measure(Held(1000), torch.randn(1, 3, 8, 8), None, "inference", "cpu").resident_bytes is None


class Allocator:
    """What torch.cuda tells of a device that is not there: bytes now and at most, rounded up and as asked for."""

    def __init__(self) -> None:
        self.now = {"allocated": 0, "requested": 0}
        self.peak = dict(self.now)
        self.reserved = self.reserved_peak = 0

    def change(self, asked: int) -> None:
        rounded = (abs(asked) + 511) // 512 * 512 * (1 if asked > 0 else -1)
        self.now = {"allocated": self.now["allocated"] + rounded, "requested": self.now["requested"] + asked}
        self.peak = {name: max(self.peak[name], now) for name, now in self.now.items()}
        self.reserved = max(self.reserved, self.now["allocated"])
        self.reserved_peak = max(self.reserved_peak, self.reserved)

    def memory_stats(self) -> dict[str, int]:
        told = {f"{name}_bytes.all.{which}": values[name] for name in self.now
                for which, values in (("current", self.now), ("peak", self.peak))}  # fmt: skip
        return told | {"reserved_bytes.all.peak": self.reserved_peak}

    def reset_peak_memory_stats(self) -> None:
        self.peak, self.reserved_peak = dict(self.now), self.reserved

    def empty_cache(self) -> None:
        self.reserved = self.now["allocated"]

    def synchronize(self) -> None:
        pass


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch) -> Allocator:
    made = Allocator()
    for name in ("memory_stats", "reset_peak_memory_stats", "empty_cache", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, getattr(made, name))
    return made


def test_on_cuda_the_peak_is_beyond_what_rests(allocator: Allocator) -> None:
    allocator.change(5000)  # weights
    allocator.change(90_000)  # an earlier, larger pass ...
    allocator.change(-90_000)  # ... whose pages the allocator still holds

    def run() -> Tensor:
        allocator.change(700)
        allocator.change(1000)
        allocator.change(-700)
        allocator.change(-1000)
        return torch.ones(1)

    assert allocated(run) == {"peak_bytes": 1024 + 1024, "requested_bytes": 1700, "reserved_bytes": 5120 + 2048}


def test_on_cuda_the_workspace_is_of_what_was_asked_for(allocator: Allocator) -> None:
    class Kernel(nn.Module):
        """Its answer is a tensor that the account sees; beside it, it asks the device for 10,000 bytes."""

        def forward(self, images: Tensor) -> Tensor:
            answer = images * 2
            allocator.change(answer.nbytes)
            allocator.change(10_000)
            allocator.change(-10_000)
            allocator.change(-answer.nbytes)
            return answer

    measured = measure(Kernel(), torch.randn(1, 3, 9, 9), None, "inference", "cuda")
    assert measured.live_bytes == 4 * 3 * 81
    assert measured.workspace_bytes == 10_000
    assert measured.in_bytes()["peak_bytes"] == 1024 + 10_240
    assert {"requested_bytes", "reserved_bytes"} < set(measured.in_bytes())
