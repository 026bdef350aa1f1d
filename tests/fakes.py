"""Small designs for the suite's tests: some well-behaved, the others each with one way to fail.

`find(name)` knows the names of `NETWORKS`. A worker finds them as `fakes:find`.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from variants.contract import REFERENCE, Grid

PATCH = 4


class Block(nn.Module):
    """Full attention of `heads` heads and a two-layer MLP, each with its norm and residual."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.to_qkv(self.norm_1(x)).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)  # b h n e
        x = x + self.to_out(mixed.transpose(1, 2).reshape(b, n, d))
        return x + self.mlp(self.norm_2(x))

    def macs(self, n: int) -> int:
        return 12 * n * self.dim**2 + 2 * n * n * self.dim


class Transformer(nn.Module):
    """A patch embedding, `depth` blocks and a head for either task: `b 3 Y X` -> `b c` or `b c Y X`."""

    def __init__(self, dim: int, depth: int, task: str, classes: int) -> None:
        super().__init__()
        self.dim, self.task, self.classes = dim, task, classes
        self.stem = nn.Conv2d(3, dim, PATCH, PATCH)
        self.blocks = nn.ModuleList(Block(dim, heads=2) for _ in range(depth))
        self.head = nn.Linear(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # b d y x
        y, x_ = x.shape[2:]
        x = x.flatten(2).transpose(1, 2)  # b n d
        for block in self.blocks:
            x = block(x)
        if self.task == "classification":
            return self.head(x.mean(1))
        logits = self.head(x).transpose(1, 2).unflatten(2, (y, x_))  # b c y x
        return F.interpolate(logits, images.shape[2:], mode="bilinear")

    def macs(self, size: Grid) -> int:
        n = (size.y // PATCH) * (size.x // PATCH)
        head = self.dim * self.classes * (1 if self.task == "classification" else n)
        return n * 3 * PATCH**2 * self.dim + sum(block.macs(n) for block in self.blocks) + head

    def parameter_count(self) -> dict[str, int]:
        head = sum(p.numel() for p in self.head.parameters())
        return {"body": sum(p.numel() for p in self.parameters()) - head, "head": head, "grid": 0}


class Last(nn.Sequential):
    """Layers whose last features are told as a backbone tells them: `b 3 Y X` -> [`b y x d`]."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [super().forward(images).permute(0, 2, 3, 1)]


class ConvNet(nn.Module):
    """Four 3x3 convolutions with batch norm and a linear classifier: `b 3 Y X` -> `b c`."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.dim, self.classes = dim, classes
        layers: list[nn.Module] = []
        for i in range(4):
            layers += [nn.Conv2d(dim if i else 3, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim), nn.ReLU()]
        self.backbone, self.head = Last(*layers), nn.Linear(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images)[-1].mean((1, 2)))

    def macs(self, size: Grid) -> int:
        return 9 * size.n * (3 * self.dim + 3 * self.dim**2) + self.dim * self.classes

    def parameter_count(self) -> dict[str, int]:
        head = sum(p.numel() for p in self.head.parameters())
        return {"body": sum(p.numel() for p in self.parameters()) - head, "head": head, "grid": 0}


class Miscounted(Transformer):
    """States one multiply-add too many."""

    def macs(self, size: Grid) -> int:
        return super().macs(size) + 1


class Sleeper(Transformer):
    """Hangs."""

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(3600)
        return super().forward(images)


class Killer(Transformer):
    """Dies of a signal."""

    def forward(self, images: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)


class Leaver(Transformer):
    """Ends its process in the middle of the work."""

    def forward(self, images: Tensor) -> Tensor:
        os._exit(3)


class Hog(Transformer):
    """Fills the memory, 64 MiB at a time."""

    def forward(self, images: Tensor) -> Tensor:
        held = []
        while images.device.type == "cpu":
            held.append(torch.ones(2**24))
        return super().forward(images)


class NotANumber(Transformer):
    """Returns logits that are not finite."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * float("nan")


class Raiser(Transformer):
    """Raises, with more than one line to say."""

    def forward(self, images: Tensor) -> Tensor:
        raise RuntimeError("the mixer\nbroke")


class Printer(Transformer):
    """Writes to both standard streams, from Python and from below it."""

    def forward(self, images: Tensor) -> Tensor:
        print('{"progress": 2.0}')
        os.write(1, b"noise\n")
        return super().forward(images)


NETWORKS: dict[str, type[Transformer]] = {
    "tiny": Transformer,
    "miscounted": Miscounted,
    "sleeper": Sleeper,
    "killer": Killer,
    "leaver": Leaver,
    "hog": Hog,
    "nan": NotANumber,
    "raiser": Raiser,
    "printer": Printer,
}


@dataclass(frozen=True)
class Fake:
    """A recipe by the words of the contract: `widths` holds its channels, `extra` its depth."""

    name: str
    layout_name: str = "isotropic"
    position_name: str = "none"
    decoder_name: str = "linear"
    widths: tuple[int, ...] = (32,)
    extra: tuple[int, ...] = (1,)
    reference: Grid = REFERENCE

    @property
    def policy(self) -> str:
        return f"patch {PATCH}"

    def in_layout(self, layout: str) -> Fake:
        if layout not in ("isotropic", "pyramid"):
            raise ValueError(f"{self.name} does not go into the layout {layout}: choose isotropic or pyramid")
        return replace(self, layout_name=layout)

    def with_position(self, position: str) -> Fake:
        if position != "none":
            raise ValueError(f"{self.name} takes no position {position}: choose none")
        return replace(self, position_name=position)

    def with_decoder(self, decoder: str) -> Fake:
        if decoder not in ("linear", "naive"):
            raise ValueError(f"{self.name} takes no decoder {decoder}: choose linear or naive")
        return replace(self, decoder_name=decoder)

    def with_patch(self, patch: int) -> Fake:
        return self

    def fitted(self, params: int) -> Fake:
        return self

    def sized(self, widths: tuple[int, ...], extra: tuple[int, ...]) -> Fake:
        return replace(self, widths=widths, extra=extra)

    def build(self, task: str, classes: int, size: Grid) -> nn.Module:
        if self.name == "convnet":
            return ConvNet(self.widths[0], classes)
        return NETWORKS[self.name](self.widths[0], self.extra[0], task, classes)


def find(name: str) -> Fake:
    """The fake of that name. ValueError if there is none."""
    if name not in {*NETWORKS, "convnet"}:
        raise ValueError(f"no fake design is called {name}: choose one of {', '.join(NETWORKS)}, convnet")
    return Fake(name)
