"""Numbers as people write them: 5M, 24GB, 224x320, 1.5 min; there and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from variants.contract import Grid

COUNTS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
BYTES = {"": 1, "k": 1e3, "kb": 1e3, "kib": 2**10, "m": 1e6, "mb": 1e6, "mib": 2**20}
TIMES = (("µs", 1e-6, 1e-3), ("ms", 1e-3, 1), ("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172800))
BYTES |= {"g": 1e9, "gb": 1e9, "gib": 2**30, "t": 1e12, "tb": 1e12, "tib": 2**40}


def parse_count(text: str) -> int:
    """`0.3M`, `5M` or `300000` -> a whole number above 0. ValueError if it is none."""
    return _parsed(text, COUNTS, "a number of parameters", "5M or 300k")


def parse_bytes(text: str) -> int:
    """`24GB`, `512MiB` or a number of bytes -> bytes, above 0. ValueError if it is none."""
    return _parsed(text, BYTES, "an amount of memory", "24GB or 512MiB")


def parse_size(text: str) -> Grid:
    """`224`, or `224x320` (rows x columns) -> pixels. ValueError if it is neither, or beyond 1 to 65536."""
    from variants.contract import Grid  # here, so that counts and bytes are read without torch

    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip())
    sides = [int(side) for side in found.groups() if side] if found else []
    if not sides or not all(1 <= side <= 65536 for side in sides):
        raise ValueError(f"{text!r} is no resolution: write pixels such as 224, or rows x columns such as 224x320")
    return Grid(sides[0], sides[-1])


def count_text(count: float) -> str:
    """5_000_000 -> `5.00M`."""
    return _scaled(count, 1000, ("", "k", "M", "G", "T", "P", "E"), "")


def bytes_text(count: float) -> str:
    """3_500_000 -> `3.50 MB`."""
    return _scaled(count, 1000, ("B", "kB", "MB", "GB", "TB", "PB"), " ")


def duration(seconds: float) -> str:
    """The time in the unit that reads best: `9 µs`, `3.2 ms`, `12 s`, `4.5 min`, `2.1 h`, `14 days`."""
    for unit, size, below in TIMES:
        if seconds < below:
            return f"{_digits(seconds / size)} {unit}"
    return f"{_digits(seconds / 86400)} days"


def _parsed(text: str, units: dict[str, float], what: str, example: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)", text.strip().lower())
    if not found or found[2] not in units or (value := round(float(found[1]) * units[found[2]])) < 1:
        raise ValueError(f"{text!r} is not {what}: write it like {example}")
    return value


def _scaled(count: float, step: int, names: tuple[str, ...], space: str) -> str:
    for name in names[:-1]:
        if count < step:
            return f"{count:.0f}{space}{name}" if name == names[0] else f"{_digits(count)}{space}{name}"
        count /= step
    return f"{_digits(count)}{space}{names[-1]}"


def _digits(value: float) -> str:
    """Three significant digits, no exponent."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
