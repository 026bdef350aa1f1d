"""Colours and markers that stay with a series through every figure, light and dark.

Families (layouts) are far apart in hue, chosen to differ for colour-blind readers too; the members of a family differ
in lightness, a little in hue, and in their marker, so that no figure depends on hue alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

HUES = {"isotropic": 270.0, "pyramid": 55.0, "bottleneck": 155.0}  # degrees in OKLCH: blue, orange, bluish green
SPARE = (345.0, 95.0, 300.0, 20.0)  # for layouts that we do not know
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
INK = {  # (light, dark)
    "surface": ("#ffffff", "#15181e"),
    "ink": ("#1b1f27", "#e8eaee"),
    "muted": ("#5d6472", "#a2a9b6"),
    "grid": ("#e3e6eb", "#2c313b"),
}


@dataclass(frozen=True)
class Style:
    """How one series looks: its place in the legend, its family, and two colours."""

    index: int
    family: str
    light: str
    dark: str
    marker: str


def styles(family_of: Mapping[str, str]) -> dict[str, Style]:
    """Series -> style, from series -> family. The same series and families always give the same styles."""
    result: dict[str, Style] = {}
    spare = list(SPARE)
    for family in sorted(set(family_of.values())):
        hue = HUES.get(family)
        if hue is None:
            hue = spare.pop(0) if spare else 137.5 * len(result) % 360
        members = sorted(s for s, f in family_of.items() if f == family)
        for i, series in enumerate(members):
            light, dark = _pair(hue, i, len(members))
            result[series] = Style(len(result), family, light, dark, MARKERS[i % len(MARKERS)])
    return result


def _pair(hue: float, i: int, members: int) -> tuple[str, str]:
    """The colours of member i, on white and on near-black: evenly spread, the neighbours in the alphabet far apart."""
    order = i % 2 * ((members + 1) // 2) + i // 2  # 0, half, 1, half + 1 ...
    step = order / (members - 1) if members > 1 else 0.4
    turn = hue + min(68, 26 * (members - 1)) * (step - 0.5)
    return oklch(0.37 + 0.265 * step, 0.16 - 0.02 * step, turn), oklch(0.86 - 0.24 * step, 0.12 + 0.05 * step, turn)


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """The sRGB colour nearest to an OKLCH one, as #rrggbb: chroma shrinks until the colour exists."""
    for shrink in range(50):
        channels = _linear(lightness, chroma * (1 - shrink / 50), math.radians(hue))
        if all(-1e-4 <= c <= 1 + 1e-4 for c in channels):
            break
    return "#" + "".join(f"{round(255 * _gamma(min(1.0, max(0.0, c)))):02x}" for c in channels)


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """OKLCH -> linear sRGB; the matrices are those of Ottosson 2020, https://bottosson.github.io/posts/oklab/."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _gamma(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055
