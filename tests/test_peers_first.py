"""The first designs give what public implementations give with the same weights, in float64."""

from __future__ import annotations

import warnings

from peers import agree, drawn, given
from torch import Tensor, nn

from variants.contract import Grid
from variants.conv import PUBLISHED as RESNET
from variants.pixel import PUBLISHED as PIXEL
from variants.swin import PUBLISHED as SWIN
from variants.vit import PUBLISHED as VIT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these packages warn of when they are imported is theirs
    import timm
    import torchvision
    from timm.models.vision_transformer import VisionTransformer


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
