"""What families say that one scores and loses who has not understood them: chance at boundaries, and plateaus."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from suite.data.source import entropy, load
from suite.training import score
from variants.contract import Grid

SMALL = Grid(64, 64)


@pytest.mark.parametrize("family", ["cue", "legend", "contour", "parts", "repeat"])
def test_a_guess_for_each_object_scores_chance_at_boundaries_too(family: str) -> None:
    source = load(f"scenes:{family}", "segmentation")
    _, mask = source.batch("test", range(400), SMALL)
    guesses = {"contour": [1 / 5, 4 / 5], "repeat": [25 / 89, 64 / 89]}
    shares = torch.tensor(guesses.get(family) or mask.flatten().bincount()[1:].tolist())
    objects, n = ndimage.label(mask > 0, np.pad(np.ones((1, 3, 3)), ((1, 1), (0, 0), (0, 0))))  # within each image
    guess = 1 + torch.multinomial(shares.double(), n, True, generator=torch.Generator().manual_seed(0))
    answer = torch.cat([torch.zeros(1, dtype=torch.int64), guess])[torch.from_numpy(objects).long()]
    found = score.miou(score.boundary_counts(answer, mask, source.classes)).value
    assert found == pytest.approx(source.boundary_chance(SMALL), abs=0.015)


@pytest.mark.parametrize("family", ["cue", "contour", "parts", "repeat"])
def test_a_plateau_is_the_entropy_of_the_objects_as_they_are_counted(family: str) -> None:
    source = load(f"scenes:{family}", "segmentation")
    _, mask = source.batch("train", range(400), SMALL)
    group = source.group("train", range(400))
    found = [mask[group == g].flatten().bincount()[1:] for g in group.unique()]
    pixels = sum(of.sum().item() for of in found)
    expected = sum(of.sum().item() * (entropy(of.tolist()) or 0) for of in found) / pixels
    assert source.plateau == pytest.approx(expected, abs=0.015)


def test_the_plateaus_of_legend_and_of_classes() -> None:
    source = load("scenes:legend", "segmentation")
    keys = 1 + source.group("train", range(4000))  # of images with equally many objects
    assert source.plateau == pytest.approx(keys.double().log().mean().item(), abs=0.025)
    for family in ("grating", "acuity", "relation"):
        scenes = load(f"scenes:{family}", "classification")
        assert (scenes.plateau, scenes.boundary_chance(SMALL)) == (pytest.approx(entropy([1] * scenes.classes)), None)
