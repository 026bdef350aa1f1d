"""Values read from a file against the types that their dataclass states. No torch here."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from math import isfinite
from types import NoneType
from typing import Any

KINDS: dict[str, frozenset[type]] = {
    "str": frozenset({str}),
    "bool": frozenset({bool}),
    "int": frozenset({int}),
    "int | None": frozenset({int, NoneType}),
    "float": frozenset({int, float}),
    "float | None": frozenset({int, float, NoneType}),
    "dict": frozenset({dict}),
}


def mistyped(value: object) -> list[str]:
    """The names of the fields of a dataclass that hold something else than they state; numbers have to be finite."""
    cls: Any = type(value)
    return [name for name, kind, each in _stated(cls) if not _fits(getattr(value, name), kind, each)]


@cache
def _stated(cls: type) -> tuple[tuple[str, frozenset[type], bool], ...]:
    """Name and types of each field, and whether they are those of the members of a tuple."""
    found = []
    for f in fields(cls):
        outer, _, inner = str(f.type).partition("[")
        each = outer == "tuple"
        kind = inner.partition(",")[0] if each else outer
        if kind in KINDS:  # else a dataclass of its own
            found.append((f.name, KINDS[kind], each))
    return tuple(found)


def _fits(value: Any, kinds: frozenset[type], each: bool) -> bool:
    if each:
        return type(value) is tuple and all(_fits(member, kinds, False) for member in value)
    return type(value) in kinds and (type(value) is not float or isfinite(value))
