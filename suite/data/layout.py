"""What the layouts of well-known data sets have in common: a folder that holds certain names, lists of stems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def root_of(kind: str, detail: str, holds: Sequence[str] = ()) -> Path:
    """The folder that is named in `kind:PATH`. ValueError if there is none, or if it lacks what it should hold."""
    root = Path(detail)
    if not detail or not root.is_dir():
        raise ValueError(f"{detail or kind + ':'} is not a folder: give the data as {kind}:PATH with an existing PATH")
    if missing := [name for name in holds if not (root / name).exists()]:
        raise ValueError(f"{root} holds no {missing[0]}: PATH in {kind}:PATH is the folder with {', '.join(holds)}")
    return root


def lines(path: Path) -> list[list[str]]:
    """The words of each line, but for empty lines and comments. ValueError if none is left."""
    found = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    if not found:
        raise ValueError(f"{path} lists nothing: unpack the data set again")
    return found


def partner(path: Path, listed_in: Path) -> Path:
    """The file. ValueError if it is not there, which names the list (or the picture) that asks for it."""
    if not path.is_file():
        raise ValueError(f"{listed_in} asks for {path}, which is not there: add it, or take it out of the list")
    return path
