"""How fast scenes are drawn, timed by pytest-benchmark: `inv bench`. Without timing, each is drawn once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from suite.data.source import load, names_in
from suite.data.sources.scenes import FAMILIES, family_named
from variants.contract import Grid

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
BATCH = {64: 64, 224: 8, 1024: 1}  # images, by pixels a side


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", BATCH)
@pytest.mark.parametrize("family", names_in(FAMILIES))
def test_drawing(benchmark: Any, family: str, side: int, device: str) -> None:
    """Images and targets of one batch; images a second are the batch over the time."""
    source = load(f"scenes:{family}", family_named(family).TASK)

    def drawn() -> torch.Tensor:
        images, _ = source.batch("train", range(BATCH[side]), Grid(side, side), device)
        return images.cpu() if device == "cuda" else images  # waits for the device

    benchmark.extra_info["images"] = BATCH[side]
    assert benchmark(drawn).shape == (BATCH[side], 3, side, side)
