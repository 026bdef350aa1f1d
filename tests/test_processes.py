"""Several processes learn what one does, from the same images."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from fakes import Last
from lightning_fabric import Fabric
from test_training import SIZE, Doubled, Squares, Tiny, learn
from torch import nn

from suite.training.loop import Loop, seeded, train
from suite.training.masked import Filling, pixels
from suite.training.objective import labels
from suite.training.recipe import Schedule

SCHEDULE = Schedule(images=88, lr=1e-2, batch=16)


def in_two(fabric: Fabric) -> tuple[list[float], list[tuple[int, float]], list[float]]:
    """What one of two processes has learnt, and what it has filled in with."""
    torch.set_num_threads(1)
    network = seeded(0, lambda: Tiny(3, 8, dense=True)).double()
    _, training = train(fabric, network, Doubled(classes=3, ground=0), SIZE, SCHEDULE)
    filling = filler()
    train(fabric, filling, Doubled(), SIZE, SCHEDULE, objective=pixels(4))
    return weights_of(network), training.losses + training.foreground_losses, weights_of(filling)


def filler() -> nn.Module:
    return Filling(seeded(0, lambda: Last(nn.Conv2d(3, 8, 3, 2, 1))).double(), SIZE)


def weights_of(network: nn.Module) -> list[float]:
    return torch.cat([p.detach().flatten() for p in network.parameters()]).tolist()


def test_two_processes_learn_what_one_does() -> None:
    pair = Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn")
    weights, losses, filled = pair.launch(in_two)
    network = seeded(0, lambda: Tiny(3, 8, dense=True)).double()
    training = learn(network, Doubled(classes=3, ground=0), SCHEDULE)
    both = training.losses + training.foreground_losses
    assert weights == pytest.approx(weights_of(network), rel=1e-10, abs=1e-12)
    assert losses == [(images, pytest.approx(loss, rel=1e-6)) for images, loss in both]
    assert len(losses) == 2 * len(training.losses)
    filling = filler()
    learn(filling, Doubled(), SCHEDULE, objective=pixels(4))
    assert filled == pytest.approx(weights_of(filling), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (Schedule(images=88, minutes=1.0, batch=16), "several processes have no common clock"),
        (Schedule(images=87, batch=16), "2 processes share every batch: give multiples of 2 images"),
        (Schedule(images=88, batch=15), "2 processes share every batch: give multiples of 2 images"),
    ],
)
def test_schedules_that_two_processes_cannot_share(schedule: Schedule, said: str) -> None:
    fabric = SimpleNamespace(world_size=2)
    with pytest.raises(ValueError, match=said):
        Loop(fabric, Tiny(2), Squares(), SIZE, schedule, labels(Squares()))  # type: ignore[arg-type]  # all that is asked of it so far
