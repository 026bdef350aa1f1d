"""Designs made small, so that each of their forms can be tried often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def shrunk(recipe: Any) -> Any:
    """The same design, narrow and no deeper in each stage than it has mixers."""
    layout = recipe.layout.scaled(32 / recipe.widths[0])
    return replace(recipe, layout=replace(layout, depths=tuple(min(d, len(recipe.mixers)) for d in layout.depths)))
