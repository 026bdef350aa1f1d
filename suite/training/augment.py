"""Augmentation: what training does to an image, and to its mask with it, before a network sees them.

    shift    moved by up to `Source.shift` of the side, see feed.py: what every data set allows, if only by 0
    flip     mirrored, left to right, with probability 1/2
    crop     a part of a quarter of the area or more, 3:4 to 4:3 in shape, enlarged to the whole
    color    brightness and contrast change by up to 40 %, saturation by 20 %, hue by a tenth of its circle

All but the first are kornia's, which takes half a second to import and is imported for them alone. They run on the
device of the images, and take masks at the nearest pixel. What they do is drawn on the CPU, for the whole batch, by the
generator that draws the shifts: it depends on no design, no device and no process.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from suite.data.device import constant
from suite.data.source import IGNORE, MEAN, STD, Source, normalised
from variants.contract import Grid

NONE, SHIFT = "none", "shift"
OF_KORNIA = ("flip", "crop", "color")  # in the order in which they come, after `shift`
OF_A_BATCH = frozenset({"order", "forward_input_shape"})  # what kornia draws or notes for all images at once
Drawn = Sequence[Any]
"""A kornia ParamItem for each augmentation."""


def named(text: str) -> str:
    """The augmentations that + joins in the text, each once, in the order in which they come. ValueError on others."""
    names = [name.strip() for name in text.split("+")]
    if names == [NONE]:
        return NONE
    known = (SHIFT, *OF_KORNIA)
    if not set(names) <= set(known):
        raise ValueError(f"--augment {text} is no augmentation: join some of {', '.join(known)} by +, or take {NONE}")
    return "+".join(name for name in known if name in names)


def by_kornia(augment: str) -> list[str]:
    """Those of the augmentations that are kornia's."""
    return [name for name in augment.split("+") if name in OF_KORNIA]


def require(source: Source, augment: str) -> None:
    """ValueError if one of the augmentations is not for the source's images, or if kornia is missing."""
    for name in by_kornia(augment):
        if name not in source.augments:
            allowed = ", ".join((SHIFT, *source.augments, NONE))
            raise ValueError(f"--augment {name} may change what images of {source.name} mean: choose of {allowed}")
        if find_spec("kornia") is None:
            raise ValueError(f"--augment {name} needs the library kornia: pip install kornia")


class Augmentation:
    """Those of kornia's, for images of one size."""

    def __init__(self, names: Sequence[str], size: Grid) -> None:
        from kornia import augmentation as kornia

        known = {
            "flip": kornia.RandomHorizontalFlip(p=0.5),
            "crop": kornia.RandomResizedCrop((size.y, size.x), scale=(0.25, 1.0), cropping_mode="resample"),
            "color": kornia.ColorJitter(0.4, 0.4, 0.2, 0.1),
        }
        self.size = size
        self.steps = kornia.AugmentationSequential(*(known[n] for n in names), transformation_matrix_mode="skip")

    def draw(self, images: int, chance: torch.Generator) -> Drawn:
        """What to do to so many images. kornia draws from torch's own generator: for it, `chance` stands in."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(chance.get_state())
            drawn: Drawn = self.steps.forward_parameters(torch.Size((images, 3, self.size.y, self.size.x)))
            chance.set_state(torch.get_rng_state())
        return drawn

    def apply(self, images: Tensor, targets: Tensor, drawn: Drawn, mine: slice) -> tuple[Tensor, Tensor]:
        """Images `b 3 Y X` and targets, `b` or `b Y X`, after what was drawn for them: a slice of the whole batch.

        What a mask shows of nothing is IGNORE.
        """
        params = [item._replace(data=share(item.data, mine)) for item in drawn]
        mean, std = (constant(values, images).view(3, 1, 1) for values in (MEAN, STD))
        light = images * std + mean
        if targets.ndim == 1:
            light = self.steps(light, params=params, data_keys=["image"])
        else:
            masks = (targets[:, None] - IGNORE).to(light.dtype)  # b 1 Y X: 0 where nothing is
            light, masks = self.steps(light, masks, params=params, data_keys=["image", "mask"])
            targets = masks[:, 0].long() + IGNORE
        return normalised(light), targets


def share(data: dict[str, Tensor], mine: slice) -> dict[str, Tensor]:
    """What was drawn for some of the images."""
    return {name: value if name in OF_A_BATCH else value[mine] for name, value in data.items()}
