"""The parent's end of a probe.py: one process of one checkout, which builds the cases and times a block when asked.

The two speak in lines of JSON, over the child's standard input and a pipe of their own, so that nothing a module prints
can be mistaken for an answer.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suite.gate.target import Target
from suite.gate.trees import Tree
from suite.worker import environment

PROBE = Path(__file__).with_name("probe.py")
PATIENCE_S = 300.0  # for one answer: a block, or what it takes to import torch or to build one case
TICK_S = 0.5  # between two looks at whether the process lives


class Lost(Exception):
    """What was asked for will not come: the case failed, or its process died or hangs. Says why."""


class Timer:
    """A process that starts at once and idles whenever it is not asked for a block."""

    def __init__(self, tree: Tree, targets: Sequence[Target], seed: int, threads: int, cores: Sequence[int]) -> None:
        """`cores` are those that it works on, once it has imported torch; none for all."""
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (close() does)
        self.replies, child = os.pipe()
        self.unread = b""
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(PROBE), str(child)],
            cwd=tree.folder,
            env=_environment(tree, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            pass_fds=(child,),
        )
        os.close(child)
        cases = [target.as_dict() for target in targets]
        asked = {"cases": cases, "checkout": str(tree.top), "seed": seed, "threads": threads, "cores": list(cores)}
        self._ask(asked)

    def failed(self) -> dict[str, str]:
        """Waits until the process is ready. The cases that do not run in it, with the reason.

        Lost if it dies or takes too long over one case, which is named.
        """
        at = "before its first case"
        try:
            while "failed" not in (reply := self._reply()):
                at = f"while it built {reply['building']}"
        except Lost as lost:
            raise Lost(f"{lost}, {at}") from None
        failed: dict[str, str] = reply["failed"]
        return failed

    def block(self, case: str) -> dict[str, float]:
        """Milliseconds of one call, by quantity, as the mean of one block of the case. Lost if there is none."""
        self._ask(case)
        reply = self._reply()
        if "why" in reply:
            raise Lost(reply["why"])
        times: dict[str, float] = reply["times"]
        return times

    def _ask(self, what: Any) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(what).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it is dead, which the reply will tell

    def _reply(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while b"\n" not in self.unread:
            if select.select([self.replies], [], [], TICK_S)[0]:
                if not (data := os.read(self.replies, 2**16)):
                    raise Lost(self._obituary())
                self.unread += data
            elif time.monotonic() > until:
                raise Lost(f"not over after {PATIENCE_S:.0f} s")
            elif self.process.poll() is not None:
                raise Lost(self._obituary())
        line, self.unread = self.unread.split(b"\n", 1)
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _obituary(self) -> str:
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines() or ["no word"]
        return f"the process ended with {self.process.wait(PATIENCE_S)}: {said[-1]}"

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self.process.kill()
        with self.errors:
            self.process.communicate()
        os.close(self.replies)

    def __enter__(self) -> Timer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _environment(tree: Tree, threads: int) -> dict[str, str]:
    """The checkout comes first among the places of modules; what is installed stays."""
    own = environment(threads)
    return os.environ | own | {"PYTHONPATH": os.pathsep.join([*tree.imports, own["PYTHONPATH"]])}
