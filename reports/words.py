"""Computed sentences: text in which the names of series stay recognisable, so that each form can mark them its way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_NAMES = 8


class Name(str):
    """The name of a series inside a sentence."""

    __slots__ = ()


Words = tuple[str, ...]
"""A sentence in pieces; those that name a series are `Name`s."""


def names(series: Sequence[str], most: int = MOST_NAMES) -> Words:
    """`a`, `a and b`, `a, b and c`; of more than `most` the first ones and how many there are besides."""
    if len(series) <= 1:
        return tuple(map(Name, series))
    shown, last = (series[:-1], Name(series[-1])) if len(series) <= most else (series[: most - 1], "")
    pieces: list[str] = []
    for name in shown:
        pieces += [", ", Name(name)] if pieces else [Name(name)]
    return (*pieces, " and ", last or f"{len(series) - len(shown)} more")


def plain(words: Iterable[str]) -> str:
    """The sentence as text."""
    return "".join(words)


def count(number: int, noun: str) -> str:
    """`1 design`, `2 designs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def status_words(status: str) -> str:
    """A status as a reader says it: `too large`, `out of memory`."""
    return {"oom": "out of memory", "nan": "not finite"}.get(status, status.replace("_", " "))
