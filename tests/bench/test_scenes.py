"""How fast scenes are drawn, timed by pytest-benchmark: `inv bench`. Without timing, each is drawn once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from suite.data.source import load, names_in
from suite.data.sources.scenes import FAMILIES, family_named
from variants.contract import Grid

WHERE = [("cpu", 1), ("cpu", 2)] + ([("cuda", 1)] if torch.cuda.is_available() else [])  # device, threads of the CPU
BATCH = {64: 64, 224: 8, 1024: 1}  # images, by pixels a side


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many threads of torch, whatever the process began with."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(("device", "threads"), WHERE, indirect=["threads"])
@pytest.mark.parametrize("side", BATCH)
@pytest.mark.parametrize("family", names_in(FAMILIES))
def test_drawing(benchmark: Any, family: str, side: int, device: str, threads: int) -> None:
    """Images and targets of one batch; images a second are the batch over the time."""
    source = load(f"scenes:{family}", family_named(family).TASK)

    def drawn() -> torch.Tensor:
        images, _ = source.batch("train", range(BATCH[side]), Grid(side, side), device)
        return images.cpu() if device == "cuda" else images  # waits for the device

    benchmark.extra_info.update(images=BATCH[side], threads=threads)
    assert benchmark(drawn).shape == (BATCH[side], 3, side, side)
