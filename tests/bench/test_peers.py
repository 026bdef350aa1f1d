"""Each pair of `pairs`, timed by pytest-benchmark: `inv bench`. Without timing, each of them runs once."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from duel import run
from pairs import PAIRS, Pair


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("side", ["ours", "theirs"])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_pair(benchmark: Any, pair: Pair, side: str, backward: bool) -> None:
    """The output has a number for each one of the input."""
    batch, grid, dim = pair.shape
    x = torch.randn(batch, grid.y, grid.x, dim)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the peers, whose warnings are theirs
            module = getattr(pair, side)().train(backward)
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed")
    out = benchmark(run, module, x if side == "ours" else pair.form(x), backward)
    assert out.numel() == x.numel()
