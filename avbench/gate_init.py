"""`avbench gate init`: writes the table, the first baseline and a workflow into somebody's repository."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import torch

from avbench.find import names
from suite.gate import exact
from suite.gate.expected import Expected
from suite.gate.result import now
from suite.gate.target import Table, Target, table_of

WORKFLOW = Path(".github/workflows/avbench-gate.yml")
FIRST = "the first baseline, written by `avbench gate init`"


def init(targets: Sequence[Target], root: Path) -> list[Path]:
    """Writes what is missing, changes nothing that exists but pyproject.toml, to which it adds. Returns what it wrote.

    ValueError, and nothing is written, if there is a table already, or if a case does not run.
    """
    pyproject = root / "pyproject.toml"
    if not targets:
        raise ValueError("name what to hold: `avbench gate init mypackage.attention:Attention --input 1,196,192`")
    if not pyproject.is_file():
        raise ValueError(f"{root} has no pyproject.toml: start in the top folder of your project")
    if not table_of(root, names).missing:
        raise ValueError(f"{pyproject} has a [tool.avbench.gate] already: add cases to it by hand")
    path = importable_path(root, targets)
    expected = held(root / Table().expected)
    exact.importable(root, path)
    try:
        found = {target.name: exact.figures(target) for target in targets}
    except Exception as error:
        raise ValueError(f"it does not run ({type(error).__name__}: {error}): nothing was written") from None
    with pyproject.open("a", encoding="utf-8") as file:
        if path != Table().path:
            file.write(f"\n[tool.avbench.gate]\npath = {json.dumps(path)}\n")
        file.write("".join(f"\n{entry(target)}" for target in targets))
    expected.accept(exact.machine(), found, FIRST, now()[:10])
    expected.write(root / Table().expected)
    wrote = [pyproject, root / Table().expected]
    if not (root / WORKFLOW).exists():
        (root / WORKFLOW).parent.mkdir(parents=True, exist_ok=True)
        (root / WORKFLOW).write_text(workflow(), encoding="utf-8")
        wrote.append(root / WORKFLOW)
    return wrote


def held(path: Path) -> Expected:
    """What a file of figures holds already: other machines, reasons, marked tests. ValueError if it is none."""
    return Expected.read(path) if path.exists() else Expected()


def workflow() -> str:
    """The recipe for GitHub, with the torch that is installed here, so that the first baseline can fit CI too."""
    text = (files("avbench") / "ci" / "github.yml").read_text(encoding="utf-8")
    return re.sub(r"torch==[\d.]+", f"torch=={torch.__version__.split('+')[0]}", text)


def importable_path(root: Path, targets: Sequence[Target]) -> tuple[str, ...]:
    """The folders of a repository in which imports of the targets begin, such as `src`; its top where none is found."""
    folders = [root, *sorted(root.glob("[!.]*/")), *sorted(root.glob("[!.]*/[!.]*/"))]
    found = []
    for target in targets:
        module, colon, _ = target.make.partition(":")
        forms = [f"{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py")] if colon else []
        holds = (folder for folder in folders if any((folder / form).is_file() for form in forms))
        found.append(next(holds, root).relative_to(root).as_posix())
    return tuple(dict.fromkeys(found))


def entry(target: Target) -> str:
    """The lines of the table for one case: what differs from the defaults."""
    plain = Target(target.make)
    stated = {"make": target.make} | {
        key: value for key, value in target.as_dict().items() if key != "make" and value != getattr(plain, key)
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in stated.items()]
    return "\n".join(["[[tool.avbench.gate.case]]", *lines]) + "\n"
