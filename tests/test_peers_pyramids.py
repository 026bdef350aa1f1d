"""PVT and MaxViT give what public implementations give with the same weights, in float64 (of NAT none installs)."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import torch
from peers import agree, drawn, given
from torch import Tensor, nn

from variants.contract import Grid
from variants.maxvit import PUBLISHED as MAXVIT
from variants.maxvit import GridAttention
from variants.pvt import PUBLISHED as PVT
from variants.recipe import part
from variants.window import Window

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these packages warn of when they are imported is theirs
    from torchvision.models.maxvit import MaxVit
    from transformers import PvtConfig, PvtForImageClassification


class Tokenless(nn.Module):
    """PVT of transformers without its class token, its head on the mean of all tokens."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.pvt = PvtForImageClassification(PvtConfig(image_size=size, num_labels=10))
        last: Any = self.pvt.pvt.encoder.patch_embeddings[-1]
        last.cls_token, last.position_embeddings = None, nn.Parameter(last.position_embeddings[:, 1:].detach())

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.pvt.pvt(images).last_hidden_state
        return self.pvt.classifier(tokens.mean(1))


def of_transformers(network: Tokenless) -> list[Tensor]:
    """The tensors in our order: stage by stage, a table of places after its embedding, k and v as one."""
    encoder: Any = network.pvt.pvt.encoder
    ordered: list[Tensor] = []
    for embedding, blocks in zip(encoder.patch_embeddings, encoder.block, strict=True):
        ordered += [*embedding.projection.parameters(), *embedding.layer_norm.parameters()]
        ordered.append(embedding.position_embeddings)
        for block in blocks:
            mix = block.attention.self
            ordered += [*block.layer_norm_1.parameters(), *mix.query.parameters()]
            ordered += [torch.cat([getattr(mix.key, w), getattr(mix.value, w)]) for w in ("weight", "bias")]
            ordered += block.attention.output.parameters()
            if mix.sequences_reduction_ratio > 1:
                ordered += [*mix.sequence_reduction.parameters(), *mix.layer_norm.parameters()]
            ordered += [*block.layer_norm_2.parameters(), *block.mlp.parameters()]
    return [*ordered, *encoder.layer_norm.parameters(), *network.pvt.classifier.parameters()]


def test_pvt() -> None:
    theirs = drawn(Tokenless(64))
    ours = PVT["PVT-Tiny"].build("classification", 10, Grid(64, 64))
    agree(given(ours, of_transformers(theirs)), theirs, 2, 3, 64, 64)


def test_one_stage_has_the_reduction_of_tokens_of_16_pixels() -> None:
    """In a pyramid the keys are reduced 8, 4, 2 and 1 times; where there is one stage, as in the third of four."""
    recipe = PVT["PVT-Tiny"]
    reductions = [dict(recipe.mixers_of(stage)[0].options)["reduction"] for stage in range(4)]
    assert reductions == [8, 4, 2, 1]
    assert dict(recipe.in_layout("isotropic").mixers_of(0)[0].options)["reduction"] == 2


def of_torchvision(network: MaxVit) -> list[Tensor]:
    """The tensors in our order: a block's table comes last in its mixer, and says the offset of the key.

    torchvision divides logits by √d where the paper and we divide by √e: that is put into the queries' weights.
    """
    ordered: list[Tensor] = []
    state: dict[str, Any] = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("relative_position_bias_table", "relative_position_index")):
            continue
        if ".to_qkv." in name:
            tensor = tensor.clone()
            tensor[: len(tensor) // 3] *= (32 / (len(tensor) // 3)) ** 0.5  # heads of 32 channels
        ordered.append(tensor)
        if name.endswith("merge.bias"):
            table = state[name.replace("merge.bias", "relative_position_bias_table")]
            side = round(len(table) ** 0.5)
            ordered.append(table.mT.unflatten(1, (side, side)).flip(1, 2))
    return ordered


def test_maxvit() -> None:
    """On small images, with partitions of 2 x 2 places, so that grids have gaps in all stages but the last."""
    sizes = {"block_channels": [64, 128, 256, 512], "block_layers": [2, 2, 5, 2], "head_dim": 32}
    theirs = drawn(MaxVit((64, 64), 64, 2, stochastic_depth_prob=0.0, **sizes))
    mixers = part(Window, window=2), part(GridAttention, window=2)
    ours = replace(MAXVIT["MaxViT-T"], mixers=mixers).build("classification", 1000, Grid(64, 64))
    agree(given(ours, of_torchvision(theirs)), theirs, 2, 3, 64, 64)
