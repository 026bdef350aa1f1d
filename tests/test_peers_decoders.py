"""UPerNet on Swin gives what transformers gives with the same weights, in float64, its auxiliary head too."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from peers import drawn, given
from torch import Tensor, nn

from suite.step import loss_of
from variants.contract import Grid
from variants.parts.uper import UPer
from variants.recipe import part
from variants.swin import PUBLISHED, Published, PublishedShifted

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these packages warn of when they are imported is theirs
    from transformers import SwinConfig, UperNetConfig, UperNetForSemanticSegmentation

DEPTHS, HEADS, WIDTHS = (2, 2, 1, 1), (1, 2, 2, 4), (16, 32, 64, 128)
SIZE = Grid(92, 160)  # grids of 23 x 40, 12 x 20, 6 x 10, 3 x 5: windows of 2 x 2 pad the first and the last


def upernet() -> nn.Module:
    stages = [f"stage{i}" for i in range(1, 5)]
    swin = {"image_size": 96, "embed_dim": WIDTHS[0], "depths": DEPTHS, "num_heads": HEADS, "window_size": 2}
    backbone = SwinConfig(**swin, out_features=stages)
    head = {"hidden_size": 8, "auxiliary_channels": 4, "auxiliary_in_channels": WIDTHS[2], "num_labels": 5}
    return UperNetForSemanticSegmentation(UperNetConfig(backbone_config=backbone, **head))


def in_our_order(network: nn.Module) -> list[Tensor]:
    """q, k and v as one, a table of positions last in its mixer and by the offset of the key, and so on."""
    state, ordered = network.state_dict(), []

    def take(prefix: str) -> None:
        ordered.extend(tensor for name, tensor in state.items() if name.startswith(prefix))

    def attention(prefix: str) -> None:
        for kind in ("weight", "bias"):
            ordered.append(torch.cat([state[f"{prefix}.{name}_proj.{kind}"] for name in "qkv"]))
        take(f"{prefix}.o_proj.")
        table = state[f"{prefix}.relative_position_bias.relative_position_bias_table"]
        ordered.append(table.mT.unflatten(1, (3, 3)).flip(1, 2))

    take("backbone.swin.embeddings.")
    for i, depth in enumerate(DEPTHS):
        layer = f"backbone.swin.encoder.layers.{i}"
        for j in range(depth):
            block = f"{layer}.blocks.{j}"
            take(f"{block}.layernorm_before.")
            attention(f"{block}.attention")
            take(f"{block}.layernorm_after.")
            take(f"{block}.mlp.")
        if i < 3:  # in ours, halving opens the next stage
            take(f"{layer}.downsample.norm.")
            take(f"{layer}.downsample.reduction.")
    take("backbone.hidden_states_norms.")
    for name in ("psp_modules", "bottleneck", "lateral_convs", "fpn_convs", "fpn_bottleneck", "classifier"):
        take(f"decode_head.{name}.")
    take("auxiliary_head.convs.")
    take("auxiliary_head.classifier.")
    return ordered


def test_upernet() -> None:
    theirs = drawn(upernet())
    layout = replace(PUBLISHED["Swin-T"].layout, widths=WIDTHS, depths=DEPTHS, heads=HEADS)
    mixers = part(Published, window=2), part(PublishedShifted, window=2)
    recipe = replace(PUBLISHED["UPerNet Swin-T"], layout=layout, mixers=mixers, decoder=part(UPer, width=8))
    ours = given(recipe.build("segmentation", 5, SIZE), in_our_order(theirs))
    images = torch.randn(2, 3, SIZE.y, SIZE.x, dtype=torch.float64)
    labels = torch.randint(5, (2, SIZE.y, SIZE.x))
    with torch.no_grad():
        expected, alone = theirs(images, labels=labels), ours(images)
        ours.head.training = True  # answers with the auxiliary logits; norms go on as in inference
        logits, auxiliary = ours(images)
    torch.testing.assert_close(logits, expected.logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(alone, logits, rtol=0, atol=0)
    torch.testing.assert_close(loss_of((logits, auxiliary), labels), expected.loss, rtol=1e-9, atol=1e-9)
