"""The recipe: what decays, and how large a gradient may be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_training import SIZE, Squares, Tiny
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from suite.training.loop import Loop, prepared, seeded
from suite.training.objective import labels
from suite.training.recipe import Schedule, optimiser
from variants.contract import Grid
from variants.parts.over_grid import OverGrid


def test_matrices_decay_but_no_biases_vectors_or_tables_of_positions() -> None:
    class Table(nn.Module):
        grows = True

        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(torch.zeros(1, 4, 4, 8))

    network = nn.ModuleDict({"linear": nn.Linear(8, 8), "norm": nn.LayerNorm(8), "table": Table()})
    network["mixing"], network["place_bias"] = OverGrid(2, Grid(4, 4), 1.0), OverGrid(1, Grid(4, 4), 0.0)
    frozen = nn.Linear(3, 3).requires_grad_(False)
    network["frozen"] = frozen
    network["gates"] = nn.ParameterDict({"again_bias": nn.Parameter(torch.zeros(2, 1, 8))})
    decayed, spared = optimiser(network, Schedule(images=1, weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    assert [p.shape for p in decayed["params"]] == [(8, 8), (2, 4, 4)], "a matrix over places is none of positions"
    assert sorted(tuple(p.shape) for p in spared["params"]) == [(1, 4, 4), (1, 4, 4, 8), (2, 1, 8), (8,), (8,), (8,)]


class Steep(Tiny):
    """Its loss is a thousand times as steep."""

    def forward(self, images: Tensor) -> Tensor:
        return 1000 * super().forward(images)


def handed(clip: float) -> float:
    """The norm of the gradient that the optimiser is given in the first step."""
    network, source = seeded(0, lambda: Steep(2, 4, dense=True)), Squares()
    schedule = Schedule(images=8, batch=8, clip=clip)
    loop, norms = Loop(prepared("cpu", "float32"), network, source, SIZE, schedule, labels(source)), list[float]()

    def look(*_: Any) -> None:
        norms.append(get_total_norm([p.grad for p in network.parameters() if p.grad is not None]).item())

    loop.adam.optimizer.register_step_pre_hook(look)
    loop.step(0.0)
    (norm,) = norms
    return norm


def test_the_optimiser_is_handed_a_clipped_gradient() -> None:
    assert handed(clip=1e9) > 100
    assert handed(Schedule.clip) == pytest.approx(1.0, rel=1e-4)
