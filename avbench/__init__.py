"""avbench: attention designs for vision, built under one budget and measured side by side.

The names below, and `avbench.find.find`, are what an outside design or notebook may rely on. They are imported when
they are first used, so that `import avbench` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suite.case import Case
    from suite.record import Record
    from variants.contract import Card, Grid, Mixer, Position
    from variants.recipe import Layout, Part, Recipe, part

__all__ = [
    "Card",
    "Case",
    "Grid",
    "Layout",
    "Mixer",
    "Part",
    "Position",
    "Recipe",
    "Record",
    "part",
]

_HOME = {
    "suite.case": ("Case",),
    "suite.record": ("Record",),
    "variants.contract": ("Card", "Grid", "Mixer", "Position"),
    "variants.recipe": ("Layout", "Part", "Recipe", "part"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'avbench' has no attribute {name!r}")
