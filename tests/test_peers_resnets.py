"""Residual networks with attention: outputs equal those of public implementations that got the same weights."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch
from peers import TOLERANCE, agree, built, copy, drawn, error
from torch import nn

from variants import botnet, convnext, halo, hybrid_high
from variants.contract import Grid, Position
from variants.parts.block import Bottleneck
from variants.parts.head import Widened
from variants.parts.position import QueryRelative
from variants.parts.resnet import ResNetFeatures
from variants.recipe import Recipe, part

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these packages warn of when they are imported is theirs
    import timm
    from bottleneck_transformer_pytorch import BottleStack
    from lambda_networks import LambdaLayer
    from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

Lambda = import_module("variants.lambda").Lambda
Modules = tuple[nn.Module, ...]


def blocks_of(network: nn.Module) -> list[nn.Module]:
    return [block for stage in network.backbone.stages for block in stage]


def copy_bottleneck(ours: nn.Module, norms: Modules, convolutions: Modules, shortcut: nn.Module) -> None:
    """All of a bottleneck but its mixer."""
    mine = (ours.in_norm, ours.mix_norm, ours.out_norm, ours.to_inner, ours.to_out, ours.shortcut)
    copy(*zip(mine, (*norms, *convolutions, shortcut), strict=True))


def copy_halo(ours: nn.Module, theirs: nn.Module) -> None:
    """timm's keys and values alternate by head, and its tables meet queries that are not scaled."""
    copy((ours.to_q, theirs.q))
    kv = theirs.kv.weight.flatten(1).unflatten(0, (theirs.num_heads, -1))
    k, v = kv.split([theirs.dim_head_qk, theirs.dim_head_v], 1)
    with torch.no_grad():
        copy((ours.to_kv.weight, torch.cat([k.flatten(0, 1), v.flatten(0, 1)])))
        copy((ours.position.rows, theirs.pos_embed.height_rel / theirs.scale))
        copy((ours.position.columns, theirs.pos_embed.width_rel / theirs.scale))


def test_halonet() -> None:
    """One block a stage and an image of 128: the last stage is the whole of one block."""
    stages = [ByoBlockCfg(type="self_attn", d=1, c=64 * 2**i, s=1 + (i > 0), br=1.0) for i in range(4)]
    config = ByoModelCfg(
        blocks=tuple(stages), stem_chs=64, stem_type="7x7", stem_pool="maxpool", self_attn_layer="halo",
        self_attn_kwargs={"block_size": 8, "halo_size": 3},
    )  # fmt: skip
    recipe = halo.PUBLISHED["HaloNet-H1 (b8 h3 rv1 rb1 l3=10)"]
    recipe = replace(recipe, layout=replace(recipe.layout, depths=(1, 1, 1, 1)))
    theirs, ours = drawn(ByobNet(config, num_classes=10)), built(recipe, 128)
    copy((ours.backbone.stem, theirs.stem), (ours.head, theirs.head))
    for mine, block in zip(blocks_of(ours), (b for stage in theirs.stages for b in stage), strict=True):
        first, last = block.conv1_1x1, block.conv3_1x1
        copy_bottleneck(mine, (first.bn, block.post_attn, last.bn), (first.conv, last.conv), block.shortcut)
        copy_halo(mine.mix, block.self_attn)
    agree(ours, theirs, 1, 3, 128, 128)


def test_bottleneck_transformer() -> None:
    """The last stage; the reference has a ReLU in the shortcut that changes the width, so both come without it."""
    theirs = drawn(
        BottleStack(
            dim=32, fmap_size=5, dim_out=64, proj_factor=4, num_layers=2, heads=2, dim_head=8, rel_pos_emb=True,
            downsample=False,
        )
    )  # fmt: skip
    theirs.net[0].shortcut = theirs.net[0].shortcut[:2]
    stage = nn.Sequential(*(Bottleneck(dim, 64, 16, 1, Grid(5, 5), all_to_all) for dim in (32, 64))).double().eval()
    for mine, block in zip(stage, theirs.net, strict=True):
        conv_in, norm_in, _, attention, _, norm_mix, _, conv_out, norm_out = block.net
        copy_bottleneck(mine, (norm_in, norm_mix, norm_out), (conv_in, conv_out), block.shortcut)
        position, theirs_too = mine.mix.position, attention.pos_emb
        copy((mine.mix.to_qkv, attention.to_qkv))
        copy((position.rows, theirs_too.rel_height), (position.columns, theirs_too.rel_width))
    x = torch.randn(2, 32, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        assert error(stage(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), theirs(x)) < TOLERANCE


def all_to_all(dim: int, grid: Grid) -> nn.Module:
    return botnet.AllToAll(dim, 2, grid, part(QueryRelative))


def test_convnext() -> None:
    """Narrower and less deep than any published one."""
    widths, depths = (16, 24, 32, 40), (1, 1, 2, 1)
    settings = [CNBlockConfig(w, out, d) for w, out, d in zip(widths, (*widths[1:], None), depths, strict=True)]
    theirs = drawn(ConvNeXt(settings, num_classes=10))
    recipe = convnext.PUBLISHED["ConvNeXt-T"]
    ours = built(replace(recipe, layout=replace(recipe.layout, widths=widths, depths=depths)), 64)
    copy((ours.backbone.stem.to_tokens, theirs.features[0][0]), (ours.backbone.stem.norm, theirs.features[0][1]))
    copy((ours.head, theirs.classifier))
    layers = [layer for stage in theirs.features[1:] for layer in stage]
    pieces = iter(blocks_of(ours))
    for layer in layers:
        if isinstance(layer, nn.LayerNorm):
            downsample = next(pieces)
            copy((downsample.norm, layer))
        elif isinstance(layer, nn.Conv2d):
            copy((downsample.to_out, layer))
        else:
            mine, (conv, _, norm, first, _, second, _) = next(pieces), layer.block
            copy((mine.mix, conv), (mine.norm, norm), (mine.to_inner, first), (mine.to_out, second))
            copy((mine.scale, layer.layer_scale))
    agree(ours, theirs, 1, 3, 64, 64)


def copy_residual(ours: nn.Module, theirs: nn.Module) -> None:
    """A block of the ResNet below a transformer."""
    copy((ours.shortcut, getattr(theirs, "downsample", None) or nn.Identity()))
    mine = (ours.to_inner, ours.in_norm, ours.conv, ours.conv_norm, ours.to_out, ours.out_norm)
    names = ("conv1", "norm1", "conv2", "norm2", "conv3", "norm3")
    copy(*zip(mine, (getattr(theirs, name) for name in names), strict=True))


def test_hybrid() -> None:
    """An odd size, so that the padding of strided convolutions differs from stage to stage."""
    options = {"img_size": 96, "depth": 1, "class_token": False, "global_pool": "avg", "num_classes": 10}
    theirs, recipe = drawn(timm.create_model("vit_small_r26_s32_224", **options)), hybrid_high.PUBLISHED["R26+S/32"]
    ours = built(replace(recipe, layout=replace(recipe.layout, depths=(1,))), 96)
    resnet = theirs.patch_embed.backbone
    stem = ours.backbone.stem
    copy((stem.conv, resnet.stem.conv), (stem.norm, resnet.stem.norm), (stem.to_tokens, theirs.patch_embed.proj))
    for mine, block in zip(stem.blocks, (b for stage in resnet.stages for b in stage.blocks), strict=True):
        copy_residual(mine, block)
    copy((ours.backbone.place.table, theirs.pos_embed))
    for mine, block in zip(blocks_of(ours), theirs.blocks, strict=True):
        copy((mine.mix_norm, block.norm1), (mine.mix.to_qkv, block.attn.qkv), (mine.mix.to_out, block.attn.proj))
        copy((mine.mlp_norm, block.norm2), (mine.to_inner, block.mlp.fc1), (mine.to_out, block.mlp.fc2))
    copy((ours.head.after, theirs.fc_norm), (ours.head.to_logits, theirs.head))
    agree(ours, theirs, 1, 3, 96, 96)


def test_lambda() -> None:
    for depth, side in ((1, 5), (2, 3)):
        theirs = drawn(LambdaLayer(dim=24, dim_out=24, r=side, dim_k=4, heads=3, dim_u=depth))
        ours = Lambda(24, 3, Grid(6, 7), part(Position), keys=4, depth=depth, side=side).double().eval()
        copy((ours.to_q, theirs.to_q), (ours.to_k, theirs.to_k), (ours.to_v, theirs.to_v))
        copy((ours.q_norm, theirs.norm_q), (ours.v_norm, theirs.norm_v), (ours.context, theirs.pos_conv))
        x = torch.randn(2, 24, 6, 7, dtype=torch.float64)
        with torch.no_grad():
            assert error(ours(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), theirs(x)) < TOLERANCE


def weight(recipe: Recipe, side: int, **layout: Any) -> int:
    """Parameters of another size of the family, counted on the meta device."""
    with torch.device("meta"):
        network = replace(recipe, layout=replace(recipe.layout, **layout)).build(
            "classification", 1000, Grid(side, side)
        )
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("block", "around", "r_v", "r_b", "layers", "side", "d_f", "millions"),
    [
        (8, 3, 1.0, 0.5, 7, 256, None, 5.5),
        (8, 3, 1.0, 1.0, 10, 256, None, 8.1),
        (8, 3, 1.0, 1.25, 11, 256, None, 9.4),
        (10, 3, 1.0, 1.5, 12, 320, 1024, 11.8),
        (12, 2, 1.0, 3.0, 12, 384, 1280, 19.1),
        (14, 2, 2.5, 2.0, 23, 448, 1536, 30.7),
        (8, 4, 3.0, 2.75, 24, 512, 1536, 43.4),
        (10, 3, 4.0, 3.5, 26, 600, 2048, 67.4),
    ],
)
def test_the_family_of_halonet_is_numbers(
    block: int, around: int, r_v: float, r_b: float, layers: int, side: int, d_f: int | None, millions: float
) -> None:
    """H0 to H7 of 2103.12731, table 2, with their published millions of parameters."""
    recipe = halo.PUBLISHED["HaloNet-H1 (b8 h3 rv1 rb1 l3=10)"]
    mixer = part(halo.Halo, bias=False, out=False, masked=False, block=block, halo=around, widen=r_v)
    recipe = replace(recipe, mixers=(mixer,), head=part(Widened, width=d_f) if d_f else recipe.head)
    widths = tuple(int(64 * 2**i * r_b) for i in range(4))
    heads = {"heads": (4, 8, 8, 8), "ratio": 1 / r_b, "stem_ratio": 1 / r_b}
    params = weight(recipe, side, widths=widths, depths=(3, 3, layers, 3), **heads)
    assert params / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize(("width", "params"), [(96, 50223688), (128, 88591464), (192, 197767336)])
def test_the_family_of_convnext_is_numbers(width: int, params: int) -> None:
    """ConvNeXt-S, B and L, as torchvision states them."""
    widths = tuple(width * 2**i for i in range(4))
    assert weight(convnext.PUBLISHED["ConvNeXt-T"], 224, widths=widths, depths=(3, 3, 27, 3)) == params


def test_the_family_of_hybrids_is_numbers() -> None:
    """R50+L/32, as timm states it without a class token."""
    stem = part(ResNetFeatures, depths=(3, 4, 6, 3), share=1 / 16)
    recipe = hybrid_high.PUBLISHED["R26+S/32"]
    assert weight(recipe, 224, stem=stem, widths=(1024,), depths=(24,)) == 328992808
