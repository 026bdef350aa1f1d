"""Mixers and networks cheaper than full attention: outputs equal those of public ones that got the same weights."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from peers import TOLERANCE, agree, built, copy, drawn, error
from torch import Tensor, nn

from variants import mlp_mixer, relu_linear, xcit
from variants.axial import Axial
from variants.contract import Grid, Position
from variants.efficient import Efficient
from variants.linformer import Linformer
from variants.nystrom import Nystrom
from variants.parts.class_attention import ClassAttention
from variants.performer import Performer
from variants.recipe import Recipe, part

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these packages warn of when they are imported is theirs
    import timm
    from axial_attention import AxialAttention
    from linear_attention_transformer.linear_attention_transformer import SelfAttention
    from linformer import LinformerSelfAttention
    from nystrom_attention import NystromAttention
    from performer_pytorch import performer_pytorch
    from timm.models.mlp_mixer import MlpMixer
    from timm.models.xcit import Xcit

GRID = Grid(4, 6)


def tokens(dim: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, GRID.n, dim, dtype=torch.float64)


def on_grid(x: Tensor) -> Tensor:
    return x.view(len(x), GRID.y, GRID.x, -1)


@pytest.mark.parametrize(("along", "axis"), [("height", 0), ("width", 1)])
def test_axial(along: str, axis: int) -> None:
    """Each axis of the peer, which sums both."""
    theirs = drawn(AxialAttention(16, heads=2).axial_attentions[axis])
    ours, attention = drawn(Axial(16, 2, GRID, Position, along=along)), theirs.fn
    copy((ours.to_qkv.weight, torch.cat([attention.to_q.weight, attention.to_kv.weight])))
    copy((ours.to_out, attention.to_out))
    nn.init.zeros_(ours.to_qkv.bias)
    x = on_grid(tokens(16))
    with torch.no_grad():
        assert error(ours(x), theirs(x)) < TOLERANCE


def test_efficient() -> None:
    """The peer divides its queries by √e after their softmax, the paper does not."""
    theirs, ours, x = drawn(SelfAttention(16, 2)), drawn(Efficient(16, 2, GRID, Position)), tokens(16)
    joined = torch.cat([theirs.to_q.weight, theirs.to_k.weight, theirs.to_v.weight])
    copy((ours.to_qkv.weight, joined), (ours.to_out.weight, theirs.to_out.weight * 8**-0.5))
    copy((ours.to_out.bias, theirs.to_out.bias))
    nn.init.zeros_(ours.to_qkv.bias)
    with torch.no_grad():
        assert error(ours(on_grid(x)), theirs(x)) < TOLERANCE


def test_performer() -> None:
    """Features without an epsilon, from the peer's own random vectors."""
    peer, ours, x = performer_pytorch, drawn(Performer(16, 2, GRID, Position, eps=0.0)), tokens(16)
    copy((ours.frequency, peer.gaussian_orthogonal_random_matrix(ours.features, 8)))
    nn.init.eye_(ours.to_out.weight)
    nn.init.zeros_(ours.to_out.bias)
    with torch.no_grad():
        q, k, v = ours.to_qkv(x).view(2, GRID.n, 3, 2, 8).permute(2, 0, 3, 1, 4)
        options = {"projection_matrix": ours.frequency, "eps": 0.0}
        q, k = peer.softmax_kernel(q, is_query=True, **options), peer.softmax_kernel(k, is_query=False, **options)
        assert error(ours(on_grid(x)), peer.linear_attention(q, k, v).transpose(1, 2)) < TOLERANCE


def test_linformer() -> None:
    """What the peer calls shared keys and values are equal ones; ours share the projection over places."""
    theirs = drawn(LinformerSelfAttention(16, GRID.n, k=5, heads=2))
    ours, x = drawn(Linformer(16, 2, GRID, Position, keys=5)), tokens(16)
    copy((theirs.proj_v, theirs.proj_k), (ours.to_keys.table, theirs.proj_k.T), (ours.to_out, theirs.to_out))
    copy((ours.to_qkv.weight, torch.cat([theirs.to_q.weight, theirs.to_k.weight, theirs.to_v.weight])))
    nn.init.zeros_(ours.to_qkv.bias)
    with torch.no_grad():
        assert error(ours(on_grid(x)), theirs(x)) < TOLERANCE


def test_nystrom() -> None:
    """One image and one head: the peer scales its first guess of the inverse by the largest of all."""
    torch.set_default_dtype(torch.float64)  # the peer's identity matrix
    try:
        theirs = drawn(NystromAttention(8, dim_head=8, heads=1, num_landmarks=6))
        ours, x = drawn(Nystrom(8, 1, GRID, Position, landmarks=6)), tokens(8, 1)
        copy((ours.to_qkv.weight, theirs.to_qkv.weight), (ours.to_out, theirs.to_out[0]), (ours.near, theirs.res_conv))
        nn.init.zeros_(ours.to_qkv.bias)
        with torch.no_grad():
            assert error(ours(on_grid(x)), theirs(x)) < TOLERANCE
    finally:
        torch.set_default_dtype(torch.float32)


def sized(recipe: Recipe, width: int, depth: int) -> Recipe:
    return replace(recipe, layout=replace(recipe.layout, widths=(width,), depths=(depth,)))


def test_mlp_mixer() -> None:
    """Two blocks, narrower than any published one."""
    theirs = drawn(MlpMixer(img_size=48, num_blocks=2, embed_dim=32, num_classes=10))
    ours = built(sized(mlp_mixer.RECIPE, 32, 2), 48)
    copy((ours.backbone.stem.to_tokens, theirs.stem.proj))
    copy((ours.head.before, theirs.norm), (ours.head.to_logits, theirs.head))
    for mine, block in zip(ours.backbone.stages[0], theirs.blocks, strict=True):
        copy((mine.mix_norm, block.norm1), (mine.mlp_norm, block.norm2))
        copy((mine.to_inner, block.mlp_channels.fc1), (mine.to_out, block.mlp_channels.fc2))
        mix, mlp = mine.mix, block.mlp_tokens
        copy((mix.to_hidden.table, mlp.fc1.weight), (mix.hidden_bias, mlp.fc1.bias))
        copy((mix.to_places.table, mlp.fc2.weight.T), (mix.place_bias.table, mlp.fc2.bias))
    agree(ours, theirs, 2, 3, 48, 48)


@pytest.mark.parametrize(("name", "width", "depth"), [("mixer_s16_224", 512, 8), ("mixer_b16_224", 768, 12)])
def test_published_mixers(name: str, width: int, depth: int) -> None:
    """2105.01601, table 1: numbers only."""
    with torch.device("meta"):
        theirs = timm.create_model(name)
        ours = sized(mlp_mixer.RECIPE, width, depth).build("classification", 1000, Grid(224, 224))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_xcit() -> None:
    """Two blocks, narrower than any published one; the peer knows its places to single precision only."""
    options = {"img_size": 48, "embed_dim": 32, "depth": 2, "num_heads": 4, "num_classes": 10, "tokens_norm": True}
    theirs, recipe = drawn(Xcit(**options)), xcit.PUBLISHED["XCiT-S12/16"]
    recipe = replace(recipe, layout=replace(recipe.layout, widths=(32,), depths=(2,), heads=(4,)))
    recipe = replace(recipe, head=part(ClassAttention, heads=4))
    ours = built(recipe, 48)
    copy((ours.backbone.stem.layers, theirs.patch_embed.proj))
    place = ours.backbone.place
    copy((place.to_tokens, theirs.pos_embed.token_projection))
    with torch.no_grad():
        places = place(torch.zeros(1, 3, 3, 32, dtype=torch.float64)).permute(0, 3, 1, 2)
        assert error(places, theirs.pos_embed(1, 3, 3)) < 1e-6
    theirs.pos_embed.forward = lambda b, y, x: places.expand(b, -1, -1, -1)
    for mine, block in zip(ours.backbone.stages[0], theirs.blocks, strict=True):
        copy((mine.mix_norm, block.norm1), (mine.near_norm, block.norm3), (mine.mlp_norm, block.norm2))
        copy((mine.mix_scale, block.gamma1), (mine.near_scale, block.gamma3), (mine.mlp_scale, block.gamma2))
        copy((mine.mix.to_qkv, block.attn.qkv), (mine.mix.to_out, block.attn.proj))
        copy((mine.mix.temperature, block.attn.temperature))
        near = block.local_mp
        copy((mine.near[0], near.conv1), (mine.near[2], near.bn), (mine.near[3], near.conv2))
        copy((mine.to_inner, block.mlp.fc1), (mine.to_out, block.mlp.fc2))
    head = ours.head
    copy((head.query, theirs.cls_token), (head.norm, theirs.norm), (head.to_logits, theirs.head))
    for mine, block in zip(head.layers, theirs.cls_attn_blocks, strict=True):
        copy((mine.mix_norm, block.norm1), (mine.mlp_norm, block.norm2))
        copy((mine.mix_scale, block.gamma1), (mine.mlp_scale, block.gamma2))
        kv = [torch.cat(pair) for pair in zip(block.attn.k.parameters(), block.attn.v.parameters(), strict=True)]
        copy((mine.to_q, block.attn.q), (mine.to_kv.weight, kv[0]), (mine.to_kv.bias, kv[1]))
        copy((mine.to_mixed, block.attn.proj), (mine.to_inner, block.mlp.fc1), (mine.to_out, block.mlp.fc2))
    agree(ours, theirs, 2, 3, 48, 48)


def test_relu_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published B1; the peer turns q, k and v to float32, which is undone."""
    theirs = drawn(timm.create_model("efficientvit_b1", num_classes=10))
    ours = built(relu_linear.PUBLISHED["EfficientViT-B1"], 64)
    near = nn.Sequential(theirs.stem, *theirs.stages[:2], theirs.stages[2].blocks[0])
    copy((ours.backbone.stem, near))
    (first, halve, *second), head = (ours.backbone.stages[0], *ours.backbone.stages[1]), ours.head
    copy((halve, theirs.stages[3].blocks[0]))
    blocks = [*theirs.stages[2].blocks[1:], *theirs.stages[3].blocks[1:]]
    for mine, block in zip((*first, *second), blocks, strict=True):
        attention, mix = block.context_module.main, mine.mix
        copy((mix.to_qkv, attention.qkv.conv), (mix.gather, attention.aggreg[0][0]))
        copy((mix.blend, attention.aggreg[0][1]), (mix.to_out, attention.proj.conv), (mix.norm, attention.proj.norm))
        copy((mine.near, block.local_module))
    wide, classifier = theirs.head.in_conv, theirs.head.classifier
    copy((head.to_wide, wide.conv), (head.wide_norm, wide.norm))
    copy((head.to_hidden, classifier[0]), (head.norm, classifier[1]), (head.to_logits, classifier[4]))
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    agree(ours, theirs, 2, 3, 64, 64)
