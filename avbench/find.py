"""A name -> a recipe. Nothing is registered: a design is found by the name of its file.

    vit                   variants/vit.py
    ./mine.py             a file; what it calls RECIPE
    package.module:NAME   any importable recipe
    timm:NAME             a model of timm, as it is
    anything else         an entry point of the group `avbench.recipes`

`names` and `card` read files without running them, so that they cost milliseconds and never import torch.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import os
import re
import sys
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from suite.sentence import one_line

if TYPE_CHECKING:
    from variants.contract import Design

GROUP = "avbench.recipes"


@dataclass(frozen=True)
class Entry:
    """What a design's file says of itself: `title` and `text` from its docstring, the rest from its Card."""

    name: str
    title: str
    text: str
    paper: str = ""
    year: int = 0
    time: str = ""
    memory: str = ""


def names() -> list[str]:
    """The designs of the folder variants/: the files that assign RECIPE at their top level, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.py") if _defines(_parsed(path), "RECIPE"))


def card(name: str) -> Entry:
    """What the file of one of `names()`, or a path, says of itself. ValueError if there is no such file."""
    path = Path(name) if _is_path(name) else folder() / f"{name}.py"
    if not path.is_file():
        raise ValueError(_unknown(name))
    tree = _parsed(path)
    text = ast.get_docstring(tree) or ""
    stated = {"paper": _paper(text), **_card(tree)}
    title = str(stated.pop("title", "")) or text.partition("\n")[0].rstrip(".:")
    return Entry(name, title, text, **stated)


def find(name: str) -> Design:
    """The recipe of that name, carrying it. ValueError says what is near to a name that is unknown."""
    _append_working_folder()
    recipe = _load(name)
    if not hasattr(recipe, "fitted"):
        raise ValueError(f"{name} is a {type(recipe).__name__}, not a recipe: build it as docs/add-a-design.md shows")
    return cast("Design", replace(recipe, name=name))


def text(name: str) -> str:
    """The docstring of the file or module that a name leads to; nothing for a model of timm, which has none of ours."""
    if name.startswith("timm:"):
        return ""
    if _is_path(name) or _is_packaged(name):
        return card(name).text
    offered = (point.module for point in entry_points(group=GROUP, name=name))
    return inspect.getdoc(_imported(next(offered, name.partition(":")[0]), name)) or ""


def folder() -> Path:
    """The folder of the package variants, found without importing it."""
    spec = importlib.util.find_spec("variants")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("the package variants is missing: install avbench again")
    return Path(spec.submodule_search_locations[0])


def _load(name: str) -> Any:
    if _is_path(name):
        return _attribute(_run(Path(name)), "RECIPE", name)
    if name.startswith("timm:"):
        return importlib.import_module("variants.foreign").Foreign(name.removeprefix("timm:"))
    if ":" in name:
        module, _, attribute = name.partition(":")
        return _attribute(_imported(module, name), attribute, name)
    if _is_packaged(name):
        return importlib.import_module(f"variants.{name}").RECIPE
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise ValueError(_unknown(name))


def _is_path(name: str) -> bool:
    return name.endswith(".py") or "/" in name or os.sep in name


def _is_packaged(name: str) -> bool:
    path = folder() / f"{name}.py"
    return path.is_file() and _defines(_parsed(path), "RECIPE")


def _run(path: Path) -> ModuleType:
    """The module of a file outside the package. ValueError if there is none, or if it does not run."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}: name a Python file that defines RECIPE")
    spec = importlib.util.spec_from_file_location(f"avbench_outside_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file: name one that defines RECIPE")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} does not run: {one_line(error)}") from error
    return module


def _imported(module: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise ValueError(f"{name} cannot be imported: {one_line(error)}") from error


def _attribute(module: ModuleType, attribute: str, name: str) -> Any:
    if not hasattr(module, attribute):
        raise ValueError(f"{name} defines no {attribute}: assign the recipe to that name")
    return getattr(module, attribute)


def _unknown(name: str) -> str:
    known = [*names(), *sorted(point.name for point in entry_points(group=GROUP))]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"there is no design {name}: did you mean {' or '.join(near)}?"
    return f"there is no design {name}: `avbench list` shows all of them"


def _append_working_folder() -> None:
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid Python: {one_line(error)}") from None


def _defines(tree: ast.Module, name: str) -> bool:
    return any(isinstance(t, ast.Name) and t.id == name for node in tree.body for t in _targets(node))


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def _card(tree: ast.Module) -> dict[str, Any]:
    """The literal arguments of the last `Card(...)` of a file; {} if it has none."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    cards = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Card"]
    if not cards:
        return {}
    last = max(cards, key=lambda call: call.lineno)
    stated = dict(zip(("title", "paper", "year", "time", "memory"), map(_literal, last.args), strict=False))
    return stated | {k.arg: _literal(k.value) for k in last.keywords if k.arg}


def _paper(text: str) -> str:
    """The first arXiv number of a docstring's line `Paper ...`, or nothing."""
    found = re.search(r"^ *Paper .*?(\d{4}\.\d{4,5})", text, re.MULTILINE)
    return found[1] if found else ""


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ""
