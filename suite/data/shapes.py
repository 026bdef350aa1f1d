"""Shapes: which share of each pixel they cover.

Lengths are in sides of the scene. A shape is frozen, holds one number an image for each of its properties (`b 1 1`),
and maps offsets from its centre to shares: dy `b y 1`, dx `b 1 x` -> `b y x`, for pixels of 1/side. An edge covers
1/2 - side·distance of a pixel, held within 0 and 1; what lies between two edges is the difference of both, so that
structures thinner than a pixel weigh what they should.

`reach` bounds how far the shape of any image extends from its centre, `extent` says how far each does: `b 4`, up and
left (negative), down and right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import ceil, pi
from typing import ClassVar, Protocol

import torch
from torch import Tensor

MOST_SIDES = 6  # of a regular polygon
SHARP = 128  # pixels a side from which on a Landolt ring needs no supersampling
MOST_SAMPLES = 8  # along each side of a pixel


class Shape(Protocol):
    @property
    def reach(self) -> float: ...
    def cover(self, dy: Tensor, dx: Tensor, side: int) -> Tensor: ...
    def extent(self) -> Tensor: ...
    def samples(self, side: int) -> int:
        """Along each side of a pixel: how many points `cover` is to be asked for, as if pixels were so much smaller."""


class Exact:
    """A shape whose `cover` is right for pixels of any size, as far as an edge is straight within one."""

    def samples(self, side: int) -> int:
        return 1


@dataclass(frozen=True)
class Regular(Exact):
    """A regular polygon, or a disc where `sides` is 0; its corners lie on a circle of this radius."""

    radius: Tensor
    sides: Tensor
    angle: Tensor  # of one corner, radians
    reach: float

    def cover(self, dy: Tensor, dx: Tensor, side: int) -> Tensor:
        towards = (dy * turn.sin() + dx * turn.cos() for turn in self.turns(0.5))  # the middle of each side
        polygon = reduce(torch.maximum, towards) - self.radius * (pi / self.sides.clamp(min=3)).cos()
        return within(torch.where(self.sides == 0, torch.hypot(dy, dx) - self.radius, polygon), side)

    def extent(self) -> Tensor:
        turn, radius = torch.cat(self.turns(0), 2).flatten(1), self.radius.flatten(1)  # b k, b 1
        edges = outermost(radius * turn.sin(), radius * turn.cos())
        return torch.where(self.sides.flatten(1) == 0, radius * edges.new_tensor([-1.0, -1.0, 1.0, 1.0]), edges)

    def turns(self, share: float) -> list[Tensor]:
        """The angle of each corner, or of what is this share of the way to the next; the first ones fill the list."""
        sides = self.sides.clamp(min=3)
        return [self.angle + ((corner % sides) + share) * (2 * pi / sides) for corner in range(MOST_SIDES)]


@dataclass(frozen=True)
class Blob(Exact):
    """A disc with waves around it: its outline at angle t is radius · (1 + Re(two z²) + Re(three z³)), z = exp(it)."""

    radius: Tensor
    two: tuple[Tensor, Tensor]  # real and imaginary part
    three: tuple[Tensor, Tensor]
    reach: float

    def cover(self, dy: Tensor, dx: Tensor, side: int) -> Tensor:
        rho = torch.hypot(dy, dx).clamp(min=1e-6)
        c, s = dx / rho, dy / rho
        c2, s2 = c * c - s * s, 2 * c * s
        c3, s3 = c * c2 - s * s2, c * s2 + s * c2
        (a2, b2), (a3, b3) = self.two, self.three
        wave = a2 * c2 - b2 * s2 + a3 * c3 - b3 * s3
        slope = -2 * (a2 * s2 + b2 * c2) - 3 * (a3 * s3 + b3 * c3)  # of the wave, by the angle
        return within((rho - self.radius * (1 + wave)) * torch.rsqrt(1 + (slope / (1 + wave)) ** 2), side)

    def extent(self) -> Tensor:
        """Of points on the outline, one a degree: right to the 20,000th part of the radius."""
        turn = torch.arange(360, device=self.radius.device) * (pi / 180)  # k
        (a2, b2), (a3, b3) = ([part.flatten(1) for part in wave] for wave in (self.two, self.three))
        wave = a2 * (2 * turn).cos() - b2 * (2 * turn).sin() + a3 * (3 * turn).cos() - b3 * (3 * turn).sin()  # b k
        rho = self.radius.flatten(1) * (1 + wave)
        return outermost(rho * turn.sin(), rho * turn.cos())


@dataclass(frozen=True)
class Bar(Exact):
    """A rectangle of any angle, however thin."""

    length: Tensor
    width: Tensor
    angle: Tensor  # of its length, radians
    reach: float

    def cover(self, dy: Tensor, dx: Tensor, side: int) -> Tensor:
        along, across = turned(dy, dx, self.angle)
        return between(along, self.length / 2, side) * between(across, self.width / 2, side)

    def extent(self) -> Tensor:
        length, width, angle = (t.flatten(1) / 2 for t in (self.length, self.width, 2 * self.angle))  # b 1
        high = length * angle.sin().abs() + width * angle.cos().abs()
        wide = length * angle.cos().abs() + width * angle.sin().abs()
        return torch.cat([-high, -wide, high, wide], 1)


@dataclass(frozen=True)
class Ring(Exact):
    """What lies between two circles."""

    radius: Tensor  # of the outer one
    width: Tensor
    reach: float

    def cover(self, dy: Tensor, dx: Tensor, side: int) -> Tensor:
        return between(torch.hypot(dy, dx) - self.radius + self.width / 2, self.width / 2, side)

    def extent(self) -> Tensor:
        return self.radius.flatten(1) * self.radius.new_tensor([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Either(Exact):
    """One shape in some images, another in the others."""

    one: Shape
    other: Shape
    is_one: Tensor  # b 1 1

    @property
    def reach(self) -> float:
        return max(self.one.reach, self.other.reach)

    def cover(self, dy: Tensor, dx: Tensor, side: int) -> Tensor:
        return torch.where(self.is_one, self.one.cover(dy, dx, side), self.other.cover(dy, dx, side))

    def extent(self) -> Tensor:
        return torch.where(self.is_one.flatten(1), self.one.extent(), self.other.extent())


@dataclass(frozen=True)
class Landolt:
    """A ring with a gap at one of four angles, both as wide as a fifth of the diameter."""

    PART: ClassVar[float] = 0.2
    diameter: Tensor
    quarter: Tensor  # the angle of the gap in right angles, whole: 0 to the right, 1 below
    reach: float

    def samples(self, side: int) -> int:
        return min(ceil(SHARP / side), MOST_SAMPLES)

    def cover(self, dy: Tensor, dx: Tensor, side: int) -> Tensor:
        half = self.PART * self.diameter / 2
        ring = between(torch.hypot(dy, dx) - (self.diameter / 2 - half), half, side)
        sign = torch.where(self.quarter < 2, side, -side)  # to the right and below, or to the left and above
        level = self.quarter % 2 == 0
        rows = torch.where(level, between(dy, half, side), (0.5 + sign * dy).clamp(0, 1))  # b y 1
        columns = torch.where(level, (0.5 + sign * dx).clamp(0, 1), between(dx, half, side))  # b 1 x
        return ring * (1 - rows * columns)

    def extent(self) -> Tensor:
        """To the side of the gap a little less than the radius: as far as the gap's corners."""
        radius, quarter = self.diameter.flatten(1) / 2, self.quarter.flatten(1)
        sides = torch.arange(4, device=quarter.device)  # up, left, down, right: quarters 3, 2, 1, 0
        short = torch.where(quarter == 3 - sides, (1 - self.PART**2) ** 0.5, 1.0)
        return radius * short * radius.new_tensor([-1.0, -1.0, 1.0, 1.0])


def within(distance: Tensor, side: int) -> Tensor:
    """The share of a pixel inside an edge at this signed distance, negative inside."""
    return (0.5 - side * distance).clamp(0, 1)


def between(distance: Tensor, half: Tensor, side: int) -> Tensor:
    """The share of a pixel within `half` of a line at this distance."""
    return (0.5 + side * (half - distance.abs())).clamp(min=0).minimum((2 * side * half).clamp(max=1))


def turned(dy: Tensor, dx: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets along a direction and across it."""
    s, c = angle.sin(), angle.cos()
    return dy * s + dx * c, dy * c - dx * s


def outermost(dy: Tensor, dx: Tensor) -> Tensor:
    """The extent of points: dy and dx `b k` -> `b 4`."""
    return torch.stack([dy.amin(1), dx.amin(1), dy.amax(1), dx.amax(1)], 1)
