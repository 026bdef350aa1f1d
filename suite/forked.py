"""Forked: work that is shared out over processes which begin as copies of this one."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import torch

Given = TypeVar("Given")
Made = TypeVar("Made")


def mapped(one: Callable[[Given], Made], values: Sequence[Given], processes: int) -> list[Made]:
    """`one` of each value, in their order, by several processes where the platform can fork."""
    if processes < 2 or sys.platform != "linux":
        return [one(value) for value in values]
    with ProcessPoolExecutor(processes, mp_context=get_context("fork"), initializer=alone) as pool:
        return list(pool.map(one, values))


def alone() -> None:
    """A forked process leaves Ctrl-C to its parent, and cannot use the threads that its parent started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what is there stays, and need not be looked through again and again
    torch.set_num_threads(1)
