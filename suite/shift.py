"""Whether the answer of a layer moves along when the image moves: its error of equivariance under shifts.

For the image x, a shift S of it, the layer's output f(x) on its grid of tokens, and the same shift S' of that grid:

    error² = Σ |f(S x) - S' f(x)|² / Σ (|f(S x) - μ|² + |S' f(x) - μ|²)         over interior places; μ is their mean

0: it moves along; 1: the two have nothing to do with each other. Shifts are circular, along rows and along columns, by
one token of the layer or by one pixel; S' by less than a token is between the two nearest ones, in proportion. The
interior is the middle half of the grid, each way. Images are periodic noise with the spectrum of natural images: no
seam moves, and a pixel more is not another picture. As for a field, weights are moved at random and numbers have 64
bits, so that what theory holds equal differs by rounding only.

Source   Features under shifts: Zhang 2019 (1904.11486), section 4. Spectrum: Field 1987 (JOSA A 4, 2379).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

from suite.field import moved, passed, settled
from suite.record import Metric
from variants.contract import Grid

Errors = list[float | None]
"""By layer; None where none is told: a token is no whole number of pixels, or there is but one along a side."""


@dataclass(frozen=True)
class Shifts:
    """The errors under shifts by one token of each layer, and by one pixel."""

    token: Errors
    pixel: Errors

    def metrics(self) -> dict[str, Metric]:
        """`shift_error_token` and `shift_error_pixel`, of the last layer, where they are told."""
        last = {"shift_error_token": self.token[-1], "shift_error_pixel": self.pixel[-1]}
        return {name: Metric(value, "") for name, value in last.items() if value is not None}

    def samples(self) -> dict[str, list[float]]:
        """Both errors of every layer that tells them."""
        by = {"shift_error_token": self.token, "shift_error_pixel": self.pixel}
        return {name: [value for value in values if value is not None] for name, values in by.items()}


def shifts(network: Any, size: Grid, batch: int, device: str = "cpu") -> Shifts:
    """The errors of a network that was built for images of this size in pixels. It is left as it is."""
    images = natural(size, batch).to(device)
    network = settled(moved(deepcopy(network).double()), images)
    with torch.no_grad():
        steps = [step_of(size, out) for out in passed(network, images)[1]]
        found = {pixels: errors(network, images, pixels) for pixels in {1, *(s for s in steps if s)}}
    return Shifts([s and found[s][layer] for layer, s in enumerate(steps)], found[1])


def errors(network: Any, images: Tensor, pixels: int) -> Errors:
    """The error of every layer under a shift by so many pixels, each way."""
    still, size = passed(network, images)[1], Grid(*images.shape[2:])
    steps, sums = [step_of(size, out) for out in still], torch.zeros(len(still), 2, dtype=torch.float64)
    for axis in (1, 2):  # of `b y x d`
        after = passed(network, images.roll(pixels, axis + 1))[1]
        for layer, step in enumerate(steps):
            if step:
                sums[layer] += squares(rolled(still[layer], pixels / step, axis), after[layer]).cpu()
    return [float((s[0] / s[1]).sqrt()) if step else None for s, step in zip(sums, steps, strict=True)]


def squares(one: Tensor, other: Tensor) -> Tensor:
    """`2`: the squared difference of two `b y x d` in the interior, and what it would be of unrelated ones."""
    y, x = one.shape[1] // 4, one.shape[2] // 4
    both = torch.stack([one, other])[:, :, y : one.shape[1] - y, x : one.shape[2] - x]  # 2 b y x d
    varied = both - both.mean((0, 1, 2, 3))
    return torch.stack([(both[0] - both[1]).square().sum(), varied.square().sum()])


def rolled(tokens: Tensor, distance: float, axis: int) -> Tensor:
    """Tokens moved along an axis, circularly; between two tokens in proportion."""
    whole = int(distance)
    part = distance - whole
    return (1 - part) * tokens.roll(whole, axis) + part * tokens.roll(whole + 1, axis)


def step_of(size: Grid, out: Tensor) -> int | None:
    """How many pixels a token of `b y x d` is wide; None where that is no whole number, or a shift no shift."""
    _, y, x, _ = out.shape
    step = size.y // y
    return step if min(y, x) > 1 and (step * y, step * x) == (size.y, size.x) else None


def natural(size: Grid, batch: int) -> Tensor:
    """`b 3 Y X`, periodic: noise whose amplitude falls as one over the frequency, with deviation 1 and mean 0."""
    noise = torch.fft.rfft2(torch.randn(batch, 3, size.y, size.x, dtype=torch.float64))
    rows, columns = torch.fft.fftfreq(size.y, dtype=torch.float64), torch.fft.rfftfreq(size.x, dtype=torch.float64)
    frequency = (rows[:, None].square() + columns.square()).sqrt()
    frequency[0, 0] = inf
    images = torch.fft.irfft2(noise / frequency, s=(size.y, size.x))
    return images / images.std()
