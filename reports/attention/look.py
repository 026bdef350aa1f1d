"""What is shown of a network's attention: one map for each layer, head and place; and what follows from them.

distance   Σ_j map_ij |i - j|, the mean over places i, in sides of the image, from centre to centre of tokens
rollout    R_l = (A_l + I)/2 · R_(l-1), A_l the mean over the heads of layer l (2005.00928): through all layers at once,
           for networks whose layers share one grid and whose places are all of its tokens
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]
Place = tuple[float, float]
"""Row and column, as shares of the image's sides."""


@dataclass(frozen=True)
class Look:
    """The maps of one head of one layer, or of all its heads together."""

    layer: int  # counted from 0
    mixer: str
    head: int | None
    kind: str  # attention; gradient where the mixer has no weights over places; rollout
    weights: Weights  # `places y x`, the sum of each is 1

    @property
    def name(self) -> str:
        """`layer 3, head 1`."""
        if self.kind == "rollout":
            return f"rollout to layer {self.layer + 1}"
        return f"layer {self.layer + 1}" + ("" if self.head is None else f", head {self.head + 1}")


def distance(look: Look, places: Sequence[Place]) -> float:
    """How far the maps reach, in sides of the image."""
    _, rows, columns = look.weights.shape
    y, x = ((np.arange(n) + 0.5) / n for n in (rows, columns))
    tokens = ((int(row * rows), int(column * columns)) for row, column in places)
    far = [np.hypot(y[:, None] - y[row], x[None] - x[column]) for row, column in tokens]  # y x, for each place
    return float((look.weights * np.stack(far)).sum((1, 2)).mean())


def rollout(looks: Sequence[Look]) -> list[Look]:
    """One look for each layer; none where `no_rollout` says why."""
    if no_rollout(looks):
        return []
    layers, (places, rows, columns) = sorted({look.layer for look in looks}), looks[0].weights.shape
    through, found = np.eye(places, dtype=np.float32), []
    for layer in layers:
        heads = [look.weights.reshape(places, places) for look in looks if look.layer == layer]
        through = (np.mean(heads, axis=0) + np.eye(places, dtype=np.float32)) / 2 @ through
        found.append(Look(layer, "", None, "rollout", through.reshape(places, rows, columns)))
    return found


def no_rollout(looks: Sequence[Look]) -> str:
    """Why there is none, in a sentence; empty unless layers have no attention, several grids, or too many tokens."""
    if without := sorted({look.mixer for look in looks if look.kind != "attention"}):
        return f"{', '.join(without)} has no weights over places that could be multiplied through the layers."
    grids = list(dict.fromkeys(f"{rows} x {columns}" for _, rows, columns in (look.weights.shape for look in looks)))
    if len(grids) > 1:
        return f"the layers attend over different grids ({', '.join(grids)}), whose weights cannot be multiplied."
    places, rows, columns = looks[0].weights.shape
    if places != rows * columns:
        return (
            f"it needs every one of the {rows} x {columns} tokens, and {places} were looked at: choose a smaller --res."
        )
    return ""


def reduced(weights: Weights, most: int) -> Weights:
    """The maps with at most so many rows and columns, each new cell the sum of those that it covers."""
    for axis in (1, 2):
        n = weights.shape[axis]
        if n > most:
            starts = np.unique(np.arange(most) * n // most)
            weights = np.add.reduceat(weights, starts, axis=axis)
    return weights
