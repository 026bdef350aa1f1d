"""The ideal observer of `acuity`: `python -m suite.data.observer` prints the table that its file holds.

The observer knows all of a scene but to which of four sides the ring is open: place, diameter, colours. So it knows the
four images t that there may be without noise, and takes the one that is nearest to what it sees. With noise z of the
strength σ it is right if, for each wrong one, |t - t_true|² > 2 σ z·(t - t_true). These products are jointly normal
with the matrix of products of the differences, so their chance is found by drawing them, not images.

No design can do better in the mean, since none knows more.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from suite.data.dice import Dice
from suite.data.families import acuity
from suite.data.scene import Scene, draw
from suite.data.shapes import Landolt
from variants.contract import Grid

SIDES = (16, 24, 32, 48, 64, 96, 128, 192, 256)
SCENES, AT_ONCE = 4000, 100
DRAWS = 500  # of noise, for each scene


def score(side: int, scenes: int = SCENES) -> float:
    """The share that the observer gets right in images of so many pixels a side."""
    chance = torch.Generator().manual_seed(side)
    parts = range(0, scenes, AT_ONCE)
    right = [known(acuity.describe(Dice("observer", range(i, i + AT_ONCE))), side, chance) for i in parts]
    return torch.cat(right).mean().item()


def known(scene: Scene, side: int, chance: torch.Generator) -> Tensor:
    """`b`: the chance that each scene is answered right."""
    images = torch.stack([draw(opened(scene, turn), Grid(side, side))[0][:, 0].flatten(1) for turn in range(4)], 1)
    far = (images[:, 1:] - images[:, :1]).double()  # b 3 n: of the wrong images, the true one is the first
    products = far @ far.mT  # b 3 3
    values, vectors = torch.linalg.eigh(products)
    root = vectors * values.clamp(min=0).sqrt()[:, None]  # b 3 3: its square is the matrix of products
    noise = torch.randn(len(far), 3, DRAWS, dtype=torch.float64, generator=chance)
    margin = products.diagonal(dim1=1, dim2=2)[..., None] - 2 * acuity.NOISE * (root @ noise)  # b 3 draws
    return (margin > 0).all(1).double().mean(1)


def opened(scene: Scene, turn: int) -> Scene:
    """The same scene without noise, the gap so many quarters further."""
    layer, ring = scene.layers[0], scene.layers[0].shape
    assert isinstance(ring, Landolt)
    turned = replace(layer, shape=replace(ring, quarter=(ring.quarter + turn) % 4))
    return replace(scene, noise=None, layers=(turned,))


if __name__ == "__main__":
    torch.set_num_threads(1)
    print({side: round(score(side), 4) for side in SIDES})
