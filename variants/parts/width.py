"""Widths and numbers of heads that are sane."""

from __future__ import annotations


def unit(width: float) -> int:
    """The step in which a width near this one may change, so that even heads of 16 to 128 channels divide it."""
    return 8 if width <= 128 else 16 if width <= 512 else 32


def rounded(width: float) -> int:
    """The nearest width in steps of its unit, at least 16: no narrower head is sane."""
    return max(16, unit(width) * round(width / unit(width)))


def heads_for(dim: int, head_width: int) -> int:
    """The number of heads that divides `dim` into heads of an even width from 16 to 128.

    The width nearest to `head_width` is taken, or nearest to a third of `dim` where that is less.
    """
    aim = min(head_width, max(16, dim / 3))
    widths = [e for e in range(16, 129, 2) if dim % e == 0] or [dim]
    return dim // min(widths, key=lambda e: (max(e, aim) / min(e, aim), e))
