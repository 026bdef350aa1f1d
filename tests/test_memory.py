"""Measured peaks: exact, closed, split into parts, and equal to the simulation but for the workspace."""

from __future__ import annotations

import pytest
import torch
from fakes import ConvNet, NotANumber, Transformer, find
from torch import Tensor, nn

from suite.memory import AccountError, Footprint, measure
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
    assert measured.peak_bytes == measured.live_bytes + measured.workspace_bytes
    assert measured.workspace_bytes >= 0
    assert simulated.peak_bytes == pytest.approx(measured.live_bytes, rel=0.01)
    assert simulated.resting_bytes == measured.resting_bytes


def test_without_workspace_all_three_agree_to_the_byte() -> None:
    measured, simulated = both("tiny", "train")
    assert measured.peak_bytes == measured.live_bytes == simulated.peak_bytes
    assert measured.by_category == simulated.by_category


def test_the_parts_add_up() -> None:
    measured, _ = both("tiny", "train")
    assert sum(measured.by_category.values()) == measured.live_bytes
    assert measured.by_category["optimiser"] > 0
    inference, _ = both("tiny", "inference")
    assert inference.by_category == {
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
    assert more.live_bytes == less.live_bytes + 1


def test_what_a_kernel_allocates_inside_is_workspace() -> None:
    @torch.library.custom_op("avbench::probe_workspace", mutates_args=())
    def inside(x: Tensor) -> Tensor:
        return torch.empty(10_000, dtype=torch.uint8).sum() + x

    class Calls(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return inside(images)

    measured = measure(Calls(), torch.randn(1, 3, 8, 8), None, "inference", "cpu")
    assert measured.live_bytes == 4 * 3 * 8 * 8
    assert measured.workspace_bytes >= 10_000


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
