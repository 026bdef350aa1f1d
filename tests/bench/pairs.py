"""The pairs of `inv bench-peers`: a mixer of ours, and the best public implementation of the same operator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from variants.axial import Axial
from variants.botnet import AllToAll
from variants.contract import Grid, Mixer, Position
from variants.efficient import Efficient
from variants.halo import Halo, WholeWindow
from variants.linear import Linear
from variants.linformer import Linformer
from variants.nystrom import Nystrom
from variants.parts.position import QueryRelative, RelativeBias
from variants.performer import Performer
from variants.swin import ShiftedWindow
from variants.vit import Attention
from variants.window import Window
from variants.xcit import CrossCovariance

LAMBDA = import_module("variants.lambda").Lambda  # a name that Python keeps for itself


@dataclass(frozen=True)
class Pair:
    """Two modules that do the same to `batch` images of `dim` channels on one grid."""

    design: str
    peer: str
    shape: tuple[int, Grid, int]  # batch, grid, dim
    ours: Callable[[], nn.Module]
    theirs: Callable[[], nn.Module]  # ModuleNotFoundError where its package is not installed
    form: Callable[[Tensor], Tensor] = lambda x: x  # what the peer takes for `b y x d`, contiguous
    why: Mapping[str, str] = field(default_factory=dict)  # why ours takes more "time" or "memory", where it is known

    @property
    def name(self) -> str:
        return f"{self.design} / {self.peer}"


class Called(nn.Module):
    """A module of which one function is called, rather than its forward."""

    def __init__(self, module: nn.Module, function: str) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self.module, self.function)(x)


class PositiveFeatures(nn.Module):
    """The linear attention of performer-pytorch, which is a function, between projections; φ = elu + 1."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.attend = heads, found("performer_pytorch.performer_pytorch:linear_attention")
        self.to_q, self.to_k, self.to_v, self.to_out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.to_q, self.to_k, self.to_v))
        out = self.attend(F.elu(q) + 1, F.elu(k) + 1, v)
        return self.to_out(out.transpose(1, 2).flatten(2))


def found(path: str) -> Any:
    """What `module:name` names. ModuleNotFoundError where the package is not installed."""
    module, name = path.split(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what these packages warn of when they are imported is theirs
        return getattr(import_module(module), name)


def mixer(kind: type[Mixer], dim: int, heads: int, grid: Grid, position: Any = Position, **options: Any) -> Any:
    return partial(kind, dim, heads, grid, position, **options)


def peer(path: str, *args: Any, **options: Any) -> Callable[[], nn.Module]:
    return lambda: found(path)(*args, **options)


def shifted(block: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The attention of a block of timm's Swin: shift, cut, attend, join, shift back."""
    return lambda: Called(block(), "_attn")


def columns(dim: int, heads: int) -> Callable[[], nn.Module]:
    """The attention along the height of a module that sums those along both axes."""
    return lambda: found("axial_attention:AxialAttention")(dim, heads=heads).axial_attentions[0]


def rows(x: Tensor) -> Tensor:
    """`b n d`."""
    return x.flatten(1, 2)


def planes(x: Tensor) -> Tensor:
    """`b d y x`."""
    return x.permute(0, 3, 1, 2).contiguous()


def windows() -> list[Pair]:
    """Swin-T's first stage at 224 pixels, and its fourth; HaloNet-H1's first."""
    grid, wide, halo = Grid(56, 56), Grid(7, 7), Grid(32, 32)
    block, torchvision = "timm.models.swin_transformer:SwinTransformerBlock", "torchvision.models.swin_transformer"
    plain = peer(block, 96, (56, 56), 3, window_size=7)
    moved = peer(block, 96, (56, 56), 3, window_size=7, shift_size=3)
    small = peer(block, 768, (7, 7), 24, window_size=7)
    theirs = partial(peer, f"{torchvision}:ShiftedWindowAttention", 96, [7, 7], num_heads=3)
    timm_halo = peer("timm.layers.halo_attn:HaloAttn", 128, feat_size=(32, 32), num_heads=8)
    bare = {"bias": False, "out": False, "masked": False}
    return [
        Pair("window", "timm", (1, grid, 96), mixer(Window, 96, 3, grid, RelativeBias), shifted(plain)),
        Pair("window 7x7", "timm", (4, wide, 768), mixer(Window, 768, 24, wide, RelativeBias), shifted(small)),
        Pair("swin", "timm", (1, grid, 96), mixer(ShiftedWindow, 96, 3, grid, RelativeBias), shifted(moved)),
        Pair("window", "torchvision", (1, grid, 96), mixer(Window, 96, 3, grid, RelativeBias), theirs([0, 0])),
        Pair("swin", "torchvision", (1, grid, 96), mixer(ShiftedWindow, 96, 3, grid, RelativeBias), theirs([3, 3])),
        Pair("halo", "timm", (2, halo, 128), mixer(Halo, 128, 8, halo, WholeWindow, **bare), timm_halo, planes),
    ]


def full() -> list[Pair]:
    """DeiT-Ti's layers, and BoTNet's last stage."""
    grid, shape = Grid(14, 14), (8, Grid(14, 14), 192)
    bias = partial(found("timm.layers:RelPosBias"), window_size=(14, 14))
    relative = peer("timm.models.vision_transformer_relpos:RelPosAttention", 192, 3, qkv_bias=True, rel_pos_cls=bias)
    timm_bot = peer("timm.layers.bottleneck_attn:BottleneckAttn", 512, feat_size=(14, 14), num_heads=4)
    bot = "bottleneck_transformer_pytorch.bottleneck_transformer_pytorch:Attention"
    other = peer(bot, dim=512, fmap_size=(14, 14), heads=4, dim_head=128, rel_pos_emb=True)
    botnet = mixer(AllToAll, 512, 4, grid, QueryRelative)
    timm_vit = peer("timm.models.vision_transformer:Attention", 192, 3, qkv_bias=True)
    return [
        Pair("vit", "timm", shape, mixer(Attention, 192, 3, grid), timm_vit, rows),
        Pair("vit, bias", "timm", shape, mixer(Attention, 192, 3, grid, RelativeBias), relative, rows),
        Pair("botnet", "timm", (2, grid, 512), botnet, timm_bot, planes),
        Pair("botnet", "bottleneck-transformer-pytorch", (2, grid, 512), botnet, other, planes),
    ]


def linear() -> list[Pair]:
    """Cost linear in n, or axial: 28 x 28 tokens, Nyströmformer where its landmarks divide them, LambdaResNet's second
    stage."""
    grid, square, shape = Grid(28, 28), Grid(16, 16), (4, Grid(28, 28), 192)
    ours = partial(mixer, dim=192, heads=3, grid=grid, position=Position)
    efficient = peer("linear_attention_transformer.linear_attention_transformer:SelfAttention", 192, 3)
    performer = peer("performer_pytorch.performer_pytorch:SelfAttention", 192, heads=3)
    linformer = peer("linformer:LinformerSelfAttention", 192, grid.n, k=64, heads=3)
    nystrom = peer("nystrom_attention:NystromAttention", 192, heads=3, num_landmarks=64)
    timm_lambda = peer("timm.layers.lambda_layer:LambdaLayer", 128, r=23)
    other = peer("lambda_networks:LambdaLayer", 128, dim_k=16, r=23, heads=4)
    xca = peer("timm.models.xcit:XCA", 192, 4, qkv_bias=True)
    lambdas = mixer(LAMBDA, 128, 4, grid)
    return [
        Pair("axial", "axial-attention", shape, mixer(Axial, 192, 3, grid), columns(192, 3)),
        Pair("linear", "performer-pytorch", shape, ours(Linear), lambda: PositiveFeatures(192, 3), rows),
        Pair("efficient", "linear-attention-transformer", shape, ours(Efficient), efficient, rows),
        Pair("performer", "performer-pytorch", shape, ours(Performer), performer, rows),
        Pair("linformer", "linformer", shape, ours(Linformer), linformer, rows),
        Pair("nystrom", "nystrom-attention", (4, square, 192), mixer(Nystrom, 192, 3, square), nystrom, rows),
        Pair("xcit", "timm", shape, mixer(CrossCovariance, 192, 4, grid), xca, rows),
        Pair("lambda", "timm", (1, grid, 128), lambdas, timm_lambda, planes),
        Pair("lambda", "lambda-networks", (1, grid, 128), lambdas, other, planes),
    ]


PAIRS = [*windows(), *full(), *linear()]
