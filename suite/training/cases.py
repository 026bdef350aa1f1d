"""The accuracy cases of one network: every data set of its task on every device, in every dtype, from every seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from suite.axes import Axes
from suite.case import Case, size_text

LRS = (5e-4, 1e-3, 2e-3, 4e-3)  # what a search chooses from


def trainings(network: Case, axes: Axes) -> Iterator[Case]:
    """The trainings of the network that `network` names, at its size and for its task; tested at further sizes too."""
    learning = axes.learning
    tests = dict.fromkeys(size_text(size.y, size.x) for size in learning.tests)
    for data, device, dtype, seed in product(
        learning.of(network.task), axes.devices, axes.dtypes, range(learning.seeds)
    ):
        yield replace(
            network,
            mode="train",
            classes=data.classes or network.classes,
            batch=learning.batch,
            device=device,
            dtype=dtype,
            threads=max(axes.threads_of(device)),
            data=data.name,
            train_images=learning.images,
            train_minutes=learning.minutes,
            pretrain_images=learning.pretrain_images,
            lr=0.0 if learning.lrs else learning.lr,
            lrs=learning.lrs,
            augment=learning.augment,
            tests=tuple(text for text in tests if text != network.resolution),
            seed=seed,
        )
