"""Checkpoints: the state of a training on disk, whole or absent, so that a process killed at any moment loses little.

A state is a dict of tensors, numbers, texts, lists and dicts of these, which torch reads without running any code.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

SHARE = 0.05  # of the training's time at most goes into saving


class Checkpoint:
    """The state of one training in one file, written every so many seconds."""

    def __init__(self, path: Path | None = None, every_s: float = 30.0) -> None:
        """Without a path nothing is written and nothing is found."""
        self.path, self.every_s = path, every_s
        self.next = perf_counter() + every_s

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self.path is not None and perf_counter() >= self.next

    def save(self, state: dict[str, Any]) -> None:
        """Writes the state. On a full disk it says so and leaves the last one: a training is worth more than that."""
        if self.path is None:
            return
        began = perf_counter()
        try:
            write(self.path, state)
        except (OSError, RuntimeError) as error:  # torch raises the latter where it cannot write
            print(f"no checkpoint at {self.path}: {error}", file=sys.stderr)
        now = perf_counter()
        self.next = now + max(self.every_s, (now - began) / SHARE)

    def load(self) -> dict[str, Any] | None:
        """The last state; None where there is none, or none of this torch."""
        return None if self.path is None else read(self.path)


def write(path: Path, state: dict[str, Any]) -> None:
    """Writes the state to a file beside `path`, and then puts it in its place. OSError or RuntimeError if it cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    try:
        with beside.open("wb") as file:
            torch.save({"torch": str(torch.__version__), "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any] | None:
    """The state that `write` wrote; None if the file is missing, broken, or of another version of torch."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return found["state"] if found["torch"] == str(torch.__version__) else None
    except FileNotFoundError:
        return None
    except Exception as error:  # torch meets a broken file with many kinds of exception
        print(f"{path} is no checkpoint, and is left out: {error}", file=sys.stderr)
        return None
