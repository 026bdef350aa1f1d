"""Finer tokens: as many more as the patch says, under the same budget; what is fine already, or fixed, stays."""

from __future__ import annotations

import pytest
import torch

from avbench.find import find
from suite.axes import Axes
from suite.case import Case
from suite.measure import designed, residual
from variants.contract import REFERENCE, Grid
from variants.foreign import Foreign
from variants.recipe import body_params, step

SIZE = Grid(64, 64)


@pytest.mark.parametrize("name", ["vit", "conv_stem", "downsample", "xcit"])
@pytest.mark.parametrize("patch", [8, 4])
def test_a_coarse_stem_becomes_finer(name: str, patch: int) -> None:
    design = find(name).with_patch(patch)
    assert step(find(name).layout.stem) == 16 and step(design.layout.stem) == patch
    assert design.reference == Grid(14 * patch, 14 * patch), "as many tokens as before"
    assert f" {patch} " in design.policy.replace(str(patch // 2), str(patch))
    network = design.fitted(500_000).build("segmentation", 3, SIZE)
    assert network.backbone.stem.grid(SIZE) == Grid(64 // patch, 64 // patch)
    assert network(torch.randn(1, 3, 64, 64)).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("name", ["swin", "pixel", "conv", "hybrid_mid", "relu_linear"])
def test_what_is_fine_already_or_a_network_of_its_own_stays(name: str) -> None:
    assert find(name).with_patch(8) == find(name)


def test_models_of_timm_stay() -> None:
    assert Foreign("resnet18").with_patch(8) == Foreign("resnet18")


def test_the_budget_holds_at_the_reference() -> None:
    design = find("mlp_mixer").with_patch(8).fitted(500_000)
    assert abs(body_params(design) / 500_000 - 1) <= 0.01
    assert find("vit").with_patch(16).reference == REFERENCE


def test_a_case_builds_the_design_with_its_patch_and_weighs_it_there() -> None:
    fitted = find("vit").with_patch(8).fitted(500_000)
    case = Case(
        "static", "vit", fitted.layout_name, fitted.position_name, "classification", 4, 64, 64, patch=8,
        recipe=str(fitted), widths=fitted.widths, extra=fitted.extra, params_budget=500_000,
    )  # fmt: skip
    assert str(designed(case, find)) == case.recipe
    assert abs(residual(designed(case, find), case)) <= 0.01


def test_a_patch_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="--patch is -1: give pixels such as 8"):
        Axes(patch=-1)
