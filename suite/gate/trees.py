"""Two revisions of a repository, each checked out into a folder of its own beside the user's."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tree:
    """A checkout of one revision, of which one folder is the project."""

    top: Path
    revision: str  # the commit, 40 hex digits
    path: tuple[str, ...] = (".",)  # folders of the project in which imports begin
    inside: str = "."  # the project's folder, from the top

    @property
    def folder(self) -> Path:
        return self.top / self.inside

    @property
    def imports(self) -> list[str]:
        return [str((self.folder / part).resolve()) for part in self.path]


def place_of(folder: Path) -> tuple[Path, str]:
    """The top of the repository that holds the folder, and the way from there. ValueError if there is none."""
    found = git(folder, "rev-parse", "--show-toplevel", "--show-prefix")
    if found.returncode:
        raise ValueError(f"{folder} is in no git repository: the latency tier compares revisions of one")
    top, inside = found.stdout.splitlines()
    return Path(top), inside or "."


def commit_of(root: Path, revision: str) -> str:
    """The commit that a revision names. ValueError if there is none."""
    found = git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found.returncode:
        raise ValueError(f"{root} knows no revision {revision}: fetch it (a shallow clone holds few), or name another")
    return found.stdout.strip()


def require_clean(root: Path) -> None:
    """ValueError if the working tree holds changes that its HEAD does not."""
    changed = git(root, "status", "--porcelain", "--untracked-files=no").stdout.splitlines()
    if changed:
        raise ValueError(
            f"{changed[0][3:]} has changes that HEAD does not hold, so HEAD is not what you see: commit them, "
            "or name a revision with --head"
        )


@contextmanager
def worktree(root: Path, revision: str, path: tuple[str, ...], setup: str = "", inside: str = ".") -> Iterator[Tree]:
    """The revision in a temporary folder, its project made importable by `setup`; gone afterwards.

    ValueError if it cannot be checked out, has no such project, or `setup` fails.
    """
    commit = commit_of(root, revision)
    with tempfile.TemporaryDirectory(prefix="avbench-gate-") as temporary:
        tree = Tree(Path(temporary) / "tree", commit, path, inside)
        made = git(root, "worktree", "add", "--detach", "--quiet", str(tree.top), commit)
        if made.returncode:
            raise ValueError(f"{revision} could not be checked out ({_last_line(made.stderr)}): make room, or mend git")
        try:
            if not tree.folder.is_dir():
                raise ValueError(f"{revision} has no folder {inside}: name a base that holds this project")
            if setup:
                _set_up(tree.folder, setup, revision)
            yield tree
        finally:
            git(root, "worktree", "remove", "--force", str(tree.top))


def _set_up(folder: Path, setup: str, revision: str) -> None:
    done = subprocess.run(setup, shell=True, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"`{setup}` failed in {revision} ({_last_line(done.stderr or done.stdout)}): mend `setup`")


def git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What git says, run in that folder."""
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
