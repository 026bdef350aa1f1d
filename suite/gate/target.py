"""Target: one thing that the gate holds to what it was; and the table in pyproject.toml that lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
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
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML ({error}): mend it") from None
    stated = tool.get("avbench", {}).get("gate")
    if stated is None:
        return Table(missing=f"{path} has no [tool.avbench.gate]: `avbench gate init` writes one")
    return parsed(stated, path, every)


def parsed(stated: Mapping[str, Any], where: Path, every: Callable[[], Sequence[str]]) -> Table:
    """The table of these values; `every` gives the designs that EVERY stands for. ValueError names a wrong key."""
    _known(stated, {"case", *(f.name for f in fields(Table))} - {"targets", "missing"}, where)
    listed = [_target(case, where) for case in stated.get("case", [])]
    targets = tuple(
        one for t in listed for one in ([replace(t, make=m, name="") for m in every()] if t.make == EVERY else [t])
    )
    names = [target.name for target in targets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where} has two cases called {twice[0]}: give one another `name`")
    rest = {key: value for key, value in stated.items() if key != "case"}
    return Table(targets, **rest | {"path": tuple(stated.get("path", (".",)))})


def chosen(table: Table, names: Sequence[str], root: Path, shape: tuple[int, ...] = ()) -> tuple[Target, ...]:
    """The targets of those names; one that the table lacks is taken for `make`, with an input of this shape.

    ValueError if there are none.
    """
    known = {target.name: target for target in table.targets}
    if not names and not known:
        raise ValueError(table.missing or f"{root}/pyproject.toml lists no case: add [[tool.avbench.gate.case]]")
    return tuple(known.get(n) or Target(n, input=shape or IMAGE) for n in names) if names else table.targets


def _target(case: Mapping[str, Any], where: Path) -> Target:
    _known(case, {f.name for f in fields(Target)}, where)
    if "make" not in case:
        raise ValueError(f"{where} has a case without `make`: name a recipe, or package.module:NAME")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in case.items()}
    return Target(**values)


def _known(values: Mapping[str, Any], known: set[str], where: Path) -> None:
    if unknown := sorted(set(values) - known):
        raise ValueError(
            f"{where}: [tool.avbench.gate] has no key {unknown[0]}: choose from {', '.join(sorted(known))}"
        )
