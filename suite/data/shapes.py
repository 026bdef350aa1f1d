"""Shapes as distances: negative inside, zero on the outline, with a slope of one there.

Lengths are in sides of the scene. A shape is frozen, holds one number an image for each of its properties (`b 1 1`),
and maps offsets from its centre to distances: dy `b y 1`, dx `b 1 x` -> `b y x`. `reach` bounds how far the shape of
any image extends from its centre, `extent` says how far each does: `b 4`, up and left (negative), down and right.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Protocol

import torch
from torch import Tensor

MOST_SIDES = 6  # of a regular polygon


class Shape(Protocol):
    @property
    def reach(self) -> float: ...
    def distance(self, dy: Tensor, dx: Tensor) -> Tensor: ...
    def extent(self) -> Tensor: ...


@dataclass(frozen=True)
class Regular:
    """A regular polygon, or a disc where `sides` is 0; its corners lie on a circle of this radius."""

    radius: Tensor
    sides: Tensor
    angle: Tensor  # of one corner, radians
    reach: float

    def distance(self, dy: Tensor, dx: Tensor) -> Tensor:
        rho = torch.hypot(dy, dx)
        half = pi / self.sides.clamp(min=3)  # half the angle that one side fills
        turn = torch.atan2(dy, dx) - self.angle - half  # from the middle of a side
        turn = turn - 2 * half * (turn / (2 * half)).round()
        polygon = rho * turn.cos() - self.radius * half.cos()
        return torch.where(self.sides == 0, rho - self.radius, polygon)

    def extent(self) -> Tensor:
        radius, sides, angle = (t.flatten(1) for t in (self.radius, self.sides, self.angle))  # b 1
        corner = torch.arange(MOST_SIDES, device=sides.device) % sides.clamp(min=3)  # b k: the first ones again
        turn = angle + corner * (2 * pi / sides.clamp(min=3))
        edges = outermost(radius * turn.sin(), radius * turn.cos())
        return torch.where(sides == 0, radius * edges.new_tensor([-1.0, -1.0, 1.0, 1.0]), edges)


@dataclass(frozen=True)
class Blob:
    """A disc with waves around it: its outline at angle t is radius · (1 + Re(two z²) + Re(three z³)), z = exp(it)."""

    radius: Tensor
    two: tuple[Tensor, Tensor]  # real and imaginary part
    three: tuple[Tensor, Tensor]
    reach: float

    def distance(self, dy: Tensor, dx: Tensor) -> Tensor:
        rho = torch.hypot(dy, dx).clamp(min=1e-6)
        c, s = dx / rho, dy / rho
        c2, s2 = c * c - s * s, 2 * c * s
        c3, s3 = c * c2 - s * s2, c * s2 + s * c2
        (a2, b2), (a3, b3) = self.two, self.three
        wave = a2 * c2 - b2 * s2 + a3 * c3 - b3 * s3
        slope = -2 * (a2 * s2 + b2 * c2) - 3 * (a3 * s3 + b3 * c3)  # of the wave, by the angle
        return (rho - self.radius * (1 + wave)) * torch.rsqrt(1 + (slope / (1 + wave)) ** 2)

    def extent(self) -> Tensor:
        """Of points on the outline, one a degree: right to the 20,000th part of the radius."""
        turn = torch.arange(360, device=self.radius.device) * (pi / 180)  # k
        (a2, b2), (a3, b3) = ([part.flatten(1) for part in wave] for wave in (self.two, self.three))
        wave = a2 * (2 * turn).cos() - b2 * (2 * turn).sin() + a3 * (3 * turn).cos() - b3 * (3 * turn).sin()  # b k
        rho = self.radius.flatten(1) * (1 + wave)
        return outermost(rho * turn.sin(), rho * turn.cos())


def outermost(dy: Tensor, dx: Tensor) -> Tensor:
    """The extent of points: dy and dx `b k` -> `b 4`."""
    return torch.stack([dy.amin(1), dx.amin(1), dy.amax(1), dx.amax(1)], 1)
