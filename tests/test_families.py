"""Other sizes of a published family are numbers only, through the public names: no code."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from avbench import Grid, Recipe
from variants.conv import PUBLISHED as RESNET
from variants.sasa_resnet import PUBLISHED as SASA
from variants.swin import PUBLISHED as SWIN
from variants.vit import PUBLISHED as VIT

TOKEN_OF_DEIT_B = 2 * 768  # the class token and its place, which our networks do without


def sized(recipe: Recipe, **sizes: tuple[int, ...]) -> Recipe:
    return replace(recipe, layout=replace(recipe.layout, **sizes))


SIZES = {
    "DeiT-B/16, README: 86,567,656": (sized(VIT["DeiT-Ti/16"], widths=(768,)), 86_567_656 - TOKEN_OF_DEIT_B, 0),
    "Swin-S, torchvision": (sized(SWIN["Swin-T"], depths=(2, 2, 18, 2)), 49_606_258, 0),
    "ResNet-101, torchvision": (sized(RESNET["ResNet-50 v1.5"], depths=(3, 4, 23, 3)), 44_549_160, 0),
    "SASA ResNet-26, 1906.05909, table 1: 10.3M": (
        sized(SASA["SASA ResNet-50 conv-stem, k=7"], depths=(1, 2, 4, 1)), 10_300_000, 50_000,
    ),
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_another_size_is_numbers_only(size: str) -> None:
    recipe, params, rounding = SIZES[size]
    with torch.device("meta"):
        network = recipe.build("classification", 1000, Grid(224, 224))
    assert abs(sum(p.numel() for p in network.parameters()) - params) <= rounding
