"""Masked patches: a network's backbone learns from images alone to fill in what they hide (SimMIM, 2111.09886).

    image'   a random SHARE of its square patches replaced by its mean colour
    target   (image - mean colour) / deviation, where it is hidden
    loss     the mean square of what is wrong with it: 1 for the mean colour, the best of all constant guesses

Hidden are pixels, not tokens, so that it asks nothing of a layout; and the same ones for every design of a run. One
linear layer from each position of the last features answers with the pixels of its patch. It begins at 0, which is the
constant guess, and is thrown away afterwards.

Departs: the fill is the image's mean instead of a learned token; the target is relative to the image; L2 instead of L1,
which the paper found to be alike, because the best constant guess under L1 is the ground.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.case import Case
from suite.data.device import sent
from suite.data.source import IGNORE
from suite.forms import tells
from suite.training.feed import Feed
from suite.training.objective import Objective
from variants.contract import Buildable, Grid

SHARE = 0.6  # of the patches is hidden (2111.09886, section 4.1)
TOKEN = 16  # pixels: no stem that does no more than make tokens makes wider ones
PARTS = 8  # a patch is at least this part of the side: 32 pixels of 224, as in the paper
GUESS = 1.0  # the loss of a constant guess, see above
FLAT = 1e-6  # the least deviation of an image


def refusal(case: Case, design: Buildable) -> str:
    """Why a network of the design cannot learn from masked patches first; empty where it can, or need not."""
    if not case.pretrain_images:
        return ""
    if not tells(design, case, "backbone"):
        return f"{case.design} does not tell its backbone: leave out --pretrain-images"
    size = Grid(case.height, case.width)
    if size.reduced(side := patch_side(size, case.patch)).n < 2:
        return f"one patch of {side} pixels is the whole image: give a smaller --patch, or leave out --pretrain-images"
    return ""


def patch_side(size: Grid, token: int) -> int:
    """The side of a patch in pixels: the tokens' (0: TOKEN), doubled until it is a PARTS-th of the shorter side."""
    side = token or TOKEN
    while PARTS * side < min(size.y, size.x):
        side *= 2
    return side


def hidden(images: int, size: Grid, side: int, chance: torch.Generator) -> Tensor:
    """`b y x` of patches: of each image as many are hidden."""
    grid = size.reduced(side)
    places = torch.rand(images, grid.n, generator=chance).argsort(1)
    return (places < round(SHARE * grid.n)).view(images, grid.y, grid.x)


def masked(images: Tensor, patches: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Images `b 3 Y X` without the patches that `b y x` tells; and the targets in the same shape, else IGNORE."""
    y, x = images.shape[2:]
    there = patches[:, None].repeat_interleave(side, 2).repeat_interleave(side, 3)[..., :y, :x]  # b 1 Y X
    mean = images.mean((2, 3), keepdim=True)  # b 3 1 1
    deviation = (images - mean).square().mean((1, 2, 3), keepdim=True).sqrt()  # b 1 1 1
    return torch.where(there, mean, images), torch.where(there, (images - mean) / deviation.clamp(min=FLAT), IGNORE)


class Masked(Feed):
    """The batches of a Feed without their labels, masked. Several processes hide what one would."""

    def __init__(self, side: int, *given: Any) -> None:
        self.side = side
        super().__init__(*given)

    def batch(self) -> tuple[Tensor, Tensor]:
        images, _ = super().batch()
        patches = hidden(len(images) * self.processes, self.size, self.side, self.chance)
        return masked(images, sent(patches[self.process :: self.processes], str(self.device)), self.side)


class Filling(nn.Module):
    """A backbone, and one linear layer from each position of its last features to the pixels there."""

    def __init__(self, backbone: nn.Module, size: Grid) -> None:
        super().__init__()
        self.backbone = backbone
        with torch.no_grad():
            blank = next(backbone.parameters()).new_zeros(1, 3, size.y, size.x)
            _, y, x, d = backbone.eval()(blank)[-1].shape
        self.side = max(-(-size.y // y), -(-size.x // x))
        self.to_pixels = nn.Linear(d, 3 * self.side**2, device=blank.device, dtype=blank.dtype)
        nn.init.zeros_(self.to_pixels.weight)
        nn.init.zeros_(self.to_pixels.bias)

    def forward(self, images: Tensor) -> Tensor:
        """`b 3 Y X`, masked -> the same, filled in."""
        features = self.backbone(images)[-1]  # b y x d
        pixels = self.to_pixels(functional.layer_norm(features, features.shape[-1:]))  # b y x (3 s s)
        filled = functional.pixel_shuffle(pixels.permute(0, 3, 1, 2), self.side)  # b 3 (y s) (x s)
        return filled[..., : images.shape[2], : images.shape[3]]


def pixels(side: int) -> Objective:
    """To fill in hidden patches of so many pixels a side."""
    return Objective(partial(Masked, side), squares, GUESS)


def squares(answers: Tensor, targets: Tensor) -> Tensor:
    """The summed squares of what is wrong with what is not IGNORE."""
    return torch.where(targets != IGNORE, answers - targets, 0.0).square().sum()
