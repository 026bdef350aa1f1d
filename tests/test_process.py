"""The allocator of a process that measures."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping

import pytest

from suite.process import KEEPING, allocator

FEW = 8  # page faults: where huge pages are on, 64 MiB cost 32
PROGRAM = """
import resource, suite.process
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * (64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults())
suite.process.keep_freed()
print(faults(), faults())
"""


def faults(added: Mapping[str, str]) -> list[list[int]]:
    """The page faults of taking 64 MiB and freeing them: twice, and twice after `keep_freed`."""
    plain = {key: value for key, value in os.environ.items() if key not in KEEPING and key != "LD_PRELOAD"}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=plain | added, capture_output=True, text=True, check=True
    )
    return [[int(word) for word in line.split()] for line in told.stdout.splitlines()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="KEEPING speaks to glibc")
def test_what_is_freed_stays_in_a_process_that_measures() -> None:
    started, told = faults({}), faults(dict(KEEPING))
    assert min(started[0]) > FEW, "as it comes, the allocator gives such a block back"
    assert started[1][1] < FEW, "keep_freed makes it stay"
    assert told[0][1] < FEW, "so does the environment of a worker"


def test_an_allocator_that_is_preloaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "libjemalloc.so.2")
    assert allocator() == "libjemalloc.so.2"
    monkeypatch.delenv("LD_PRELOAD")
    assert allocator() != "libjemalloc.so.2"
