"""What an exception means for a record: its status and its reason."""

from __future__ import annotations

import traceback

import torch

from suite.flex import NotTakenError
from suite.sentence import one_line
from suite.step import NotFiniteError

REASON = 500  # letters of an exception's message


def told(error: Exception) -> tuple[str, str]:
    """Status and reason of an exception; its traceback goes to standard error, which is the worker's log."""
    traceback.print_exception(error)
    reason = one_line(error)[:REASON]
    if isinstance(error, NotFiniteError):
        return "nan", str(error)
    if isinstance(error, NotTakenError):
        return "not_applicable", str(error)
    if ran_out(error):
        return "oom", f"the memory ran out ({reason})"
    return "error", reason


def ran_out(error: Exception) -> bool:
    """Whether it was for want of memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
