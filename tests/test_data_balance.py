"""What tells nothing in scenes: how frequent a class is, and the ground behind it."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from scipy.stats import chi2_contingency, chisquare
from torch import Tensor

from suite.data.scene import Scene
from suite.data.source import names_in
from suite.data.sources.scenes import FAMILIES, Scenes, family_named

NAMES = names_in(FAMILIES)
DENSE = {  # the share of each class among the objects
    "contour": [1 / 3, 2 / 3],
    "cue": [1 / 2] * 2,
    "legend": [1 / 4] * 4,
    "parts": [1 / 5] * 5,
    "repeat": [5 / 13, 8 / 13],
}
GROUNDS = 4  # equally frequent kinds of ground, by its light


@cache
def described(family: str) -> Scene:
    return Scenes(family, 0).scene("train", range(2000))


def objects(scene: Scene) -> Tensor:
    """`b m`: the class of each object, 0 where it is absent."""
    return torch.stack([layer.label * layer.is_present for layer in scene.layers], 1)


@pytest.mark.parametrize("family", sorted(set(NAMES) - set(DENSE)))
def test_classes_of_images_are_balanced(family: str) -> None:
    count = described(family).label.bincount(minlength=len(family_named(family).NAMES))
    assert chisquare(count).pvalue > 1e-3


@pytest.mark.parametrize("family", DENSE)
def test_classes_of_objects_are_as_frequent_as_they_should_be(family: str) -> None:
    count = objects(described(family)).flatten().bincount()[1:]
    assert (count / count.sum()).tolist() == pytest.approx(DENSE[family], abs=0.015)


@pytest.mark.parametrize("family", NAMES)
def test_the_ground_tells_neither_the_class_nor_the_objects(family: str) -> None:
    scene = described(family)
    light = scene.ground.mean(1)
    kind = torch.bucketize(light, light.quantile(torch.arange(1, GROUNDS) / GROUNDS))
    of_first_class = (objects(scene) == 1).sum(1)
    for told in (scene.label, of_first_class, objects(scene).count_nonzero(1)):
        table = torch.stack([told[kind == k].bincount(minlength=int(told.max()) + 1) for k in range(GROUNDS)])
        table = table[:, table.sum(0) >= 5 * GROUNDS]  # rarer ones are too few to test
        if table.shape[1] > 1:
            assert chi2_contingency(table).pvalue > 1e-3
