"""An exception in one line, for a row or a sentence."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """Its kind and its message, whose line breaks have become spaces."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
