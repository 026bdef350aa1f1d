"""The first designs give what public implementations give with the same weights, in float64."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import product

import pytest
import torch
from peers import TOLERANCE, agree, drawn, error, given
from torch import Tensor, nn

from variants.contract import Grid
from variants.conv import PUBLISHED as RESNET
from variants.conv_stem import PUBLISHED as CONV_STEM
from variants.parts.head import Mean
from variants.parts.stem import Reduced
from variants.pixel import PUBLISHED as PIXEL
from variants.recipe import part
from variants.swin import PUBLISHED as SWIN
from variants.vit import PUBLISHED as VIT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these packages warn of when they are imported is theirs
    import timm
    import torchvision
    from timm.models.vision_transformer import VisionTransformer
    from torchvision.models.vision_transformer import ConvStemConfig


def of_timm(network: VisionTransformer) -> list[Tensor]:
    """The tensors of a plain transformer, its table of places after its stem as ours has it."""
    state = network.state_dict()
    table = state.pop("pos_embed")
    return [*list(state.values())[:2], table, *list(state.values())[2:]]


def test_vit() -> None:
    theirs = drawn(timm.create_model("deit_tiny_patch16_224", class_token=False, global_pool="avg", img_size=64))
    ours = given(VIT["DeiT-Ti/16"].build("classification", 1000, Grid(64, 64)), of_timm(theirs))
    agree(ours, theirs, 2, 3, 64, 64)


def test_pixel() -> None:
    plain = VisionTransformer(12, 1, embed_dim=192, depth=12, num_heads=3, class_token=False, global_pool="avg")
    theirs = drawn(plain)
    (recipe,) = PIXEL.values()
    ours = given(recipe.build("classification", 1000, Grid(12, 12)), of_timm(theirs))
    agree(ours, theirs, 2, 3, 12, 12)


def test_convolutional_stem() -> None:
    """Without the class token and its place: what its encoder makes of the tokens, and the mean of that."""
    stem = [ConvStemConfig(width, 3, 2) for width in (8, 16, 32, 64)]
    theirs = drawn(torchvision.models.VisionTransformer(64, 16, 2, 4, 64, 192, num_classes=10, conv_stem_configs=stem))
    theirs.encoder.pos_embedding = nn.Parameter(theirs.encoder.pos_embedding[:, 1:])
    recipe = CONV_STEM["ViT_C-4GF"]
    recipe = replace(recipe, layout=replace(recipe.layout, widths=(64,), depths=(2,), heads=(4,)), head=part(Mean))
    values = [tensor for name, tensor in theirs.state_dict().items() if name != "class_token"]
    ours = given(recipe.build("classification", 10, Grid(64, 64)), values)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        features = theirs.encoder(theirs._process_input(images))
        assert error(ours(images), theirs.heads(features.mean(1))) < TOLERANCE


def shrinking(pixels: int, factor: int) -> Tensor:
    """`pixels/factor pixels`: each number is the mean of those within `factor` of its centre, weighted by nearness."""
    centres = factor * (torch.arange(pixels // factor, dtype=torch.float64) + 0.5)
    weights = (1 - (torch.arange(pixels) + 0.5 - centres[:, None]).abs() / factor).clamp_min(0)
    return weights / weights.sum(1, keepdim=True)


@pytest.mark.parametrize("size", [Grid(32, 48), Grid(41, 23), Grid(1, 1)])
def test_downsampled_image(size: Grid) -> None:
    """Bilinear interpolation with anti-aliasing as two matrices, then patches cut one by one."""
    stem, images = drawn(Reduced(6)), torch.randn(2, 3, size.y, size.x, dtype=torch.float64)
    whole = torch.zeros(2, 3, *(-(-side // 8) * 8 for side in (size.y, size.x)), dtype=torch.float64)
    whole[:, :, : size.y, : size.x] = images
    small = shrinking(whole.shape[2], 8) @ whole @ shrinking(whole.shape[3], 8).mT
    grid = Grid(*small.shape[2:]).reduced(2)
    even = torch.zeros(2, 3, 2 * grid.y, 2 * grid.x, dtype=torch.float64)
    even[:, :, : small.shape[2], : small.shape[3]] = small
    with torch.no_grad():
        tokens = stem(images)
        assert tokens.shape[1:3] == (grid.y, grid.x)
        for y, x in product(range(grid.y), range(grid.x)):
            patch = even[:, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].flatten(1)
            assert error(tokens[:, y, x], stem.to_tokens(patch)) < TOLERANCE


def test_resnet() -> None:
    theirs = drawn(torchvision.models.resnet50())
    ours = given(RESNET["ResNet-50 v1.5"].build("classification", 1000, Grid(65, 48)), theirs.state_dict().values())
    agree(ours, theirs, 2, 3, 65, 48)


def of_torchvision_swin(network: nn.Module) -> list[Tensor]:
    """The tensors of Swin in our order: a block's table comes last in its mixer, a merge's norm comes first."""
    ordered: list[Tensor] = []
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("relative_position_bias_table", "relative_position_index", "reduction.weight")):
            continue
        ordered.append(tensor)
        prefix = name.rpartition("attn.")[0] + "attn."
        if name.endswith("attn.proj.bias"):
            ordered.append(by_offset(state[prefix + "relative_position_bias_table"]))
        if (reduction := name.replace("norm.bias", "reduction.weight")) in state and name.endswith("norm.bias"):
            ordered.append(state[reduction])
    return ordered


def by_offset(table: Tensor) -> Tensor:
    """`(13 13) h`, by the offset of the query from the key -> `h 13 13`, by that of the key from the query."""
    return table.mT.unflatten(1, (13, 13)).flip(1, 2)


def test_swin() -> None:
    theirs = drawn(torchvision.models.swin_t())
    ours = given(SWIN["Swin-T"].build("classification", 1000, Grid(224, 224)), of_torchvision_swin(theirs))
    agree(ours, theirs, 1, 3, 224, 224)
