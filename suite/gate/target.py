"""Target: one thing that the gate holds to what it was; and the table in pyproject.toml that lists them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from suite.case import MODES

IMAGE = (1, 3, 64, 64)
EVERY = "*"  # as `make`: every design of `avbench list`
DTYPES = ("float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True)
class Target:
    """A module by the name that makes it, and the pass of it that is measured. ValueError on a field that is none."""

    make: str  # `package.module:NAME`, ./file.py or a name of `avbench list`
    name: str = ""  # by default `make`, and `train` where the mode is
    input: tuple[int, ...] = IMAGE  # the shape of the random input
    mode: str = "inference"  # one of MODES
    params: int = 300_000  # the budget of a recipe
    dtype: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.make + (" train" if self.mode == "train" else ""))
        if not self.make or not isinstance(self.make, str):
            raise ValueError("a case of the gate needs `make`: the name of a recipe, or package.module:NAME")
        if not self.input or not all(isinstance(side, int) and side > 0 for side in self.input):
            raise ValueError(f"the input of {self.name} is {list(self.input)}: write a shape such as [1, 196, 192]")
        for key, value, known in (("mode", self.mode, MODES), ("dtype", self.dtype, DTYPES)):
            if value not in known:
                raise ValueError(f"the {key} of {self.name} is {value}: choose one of {', '.join(known)}")
        if self.params < 1:
            raise ValueError(
                f"the params of {self.name} is {self.params}: write the budget of a recipe, such as 300000"
            )
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise ValueError(f"the device of {self.name} is {self.device}: choose cpu, cuda or one such as cuda:1")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Table:
    """What a project says in `[tool.avbench.gate]`."""

    targets: tuple[Target, ...] = ()
    path: tuple[str, ...] = (".",)  # folders of the repository in which imports begin
    expected: str = "perf/expected.json"
    setup: str = ""  # a shell command that makes a worktree importable; by default nothing is needed
    missing: str = field(default="", compare=False)  # why there is no table


def table_of(root: Path, every: Callable[[], Sequence[str]]) -> Table:
    """The table of the repository at `root`. ValueError on a key or a value that means nothing."""
    path = root / "pyproject.toml"
    if not path.is_file():
        return Table(missing=f"{root} has no pyproject.toml: `avbench gate init` writes one")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not valid TOML ({error}): mend it") from None
    return table_in(text, str(path), every)


def table_in(text: str, where: str, every: Callable[[], Sequence[str]]) -> Table:
    """The table in the text of a pyproject.toml, called `where`. ValueError on a key or a value that means nothing."""
    try:
        stated: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where} is not valid TOML ({error}): mend it") from None
    for key in ("tool", "avbench", "gate"):
        if key not in stated:
            missing = f"{where} has no [tool.avbench.gate]: name cases, or `avbench gate init` writes one"
            return Table(missing=missing)
        stated = stated[key]
        if not isinstance(stated, dict):
            raise ValueError(f"{where}: {key} = {stated!r} is no table: write [tool.avbench.gate]")
    return parsed(stated, where, every)


def parsed(stated: Mapping[str, Any], where: str, every: Callable[[], Sequence[str]]) -> Table:
    """The table of these values; `every` gives the designs that EVERY stands for. ValueError names a wrong key."""
    _check(stated, {"case": ({},), **_defaults(Table)}, where)
    listed = [target_of(case, where) for case in stated.get("case", [])]
    targets = tuple(
        one for t in listed for one in ([replace(t, make=m, name="") for m in every()] if t.make == EVERY else [t])
    )
    names = [target.name for target in targets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where} has two cases called {twice[0]}: give one another `name`")
    if tests := [name for name in names if is_test(name)]:
        raise ValueError(f"{where} has a case called {tests[0]}, as tests are called: give it a `name` without ::")
    rest = {key: value for key, value in stated.items() if key != "case"}
    return Table(targets, **rest | {"path": tuple(stated.get("path", (".",)))})


def is_test(name: str) -> bool:
    """Whether the figures of this name are those of a marked test, which `pytest --avbench` holds, not the table."""
    return "::" in name


def chosen(table: Table, names: Sequence[str], root: Path, shape: tuple[int, ...] = ()) -> tuple[Target, ...]:
    """The targets of those names; one that the table lacks is taken for `make`, with an input of this shape.

    ValueError if there are none.
    """
    known = {target.name: target for target in table.targets}
    if not names and not known:
        raise ValueError(table.missing or f"{root}/pyproject.toml lists no case: add [[tool.avbench.gate.case]]")
    return tuple(known.get(n) or Target(n, input=shape or IMAGE) for n in names) if names else table.targets


def target_of(case: Mapping[str, Any], where: str) -> Target:
    """The case of these values. ValueError on a key or a value that means nothing."""
    _check(case, _defaults(Target), where)
    if "make" not in case:
        raise ValueError(f"{where} has a case without `make`: name a recipe, or package.module:NAME")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in case.items()}
    return Target(**values)


def _defaults(of: type[Table] | type[Target]) -> dict[str, Any]:
    """The keys that a user may write, with their defaults; "" where a key has none."""
    written = [f for f in fields(of) if f.name not in ("targets", "missing")]
    return {f.name: "" if f.default is MISSING else f.default for f in written}


def _check(values: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> None:
    """ValueError if a key has no default, or if a value is not of its default's type."""
    for key, value in sorted(values.items()):
        if key not in defaults:
            known = ", ".join(sorted(defaults))
            raise ValueError(f"{where}: [tool.avbench.gate] has no key {key}: choose from {known}")
        if not _fits(value, defaults[key]):
            form = f"{key} = {json.dumps(defaults[key] or '...')}" if key != "case" else "[[tool.avbench.gate.case]]"
            raise ValueError(f"{where}: {key} = {value!r} is of another kind: write it as in {form}")


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and all(_fits(one, default[0]) for one in value)
    return type(value) is type(default)
