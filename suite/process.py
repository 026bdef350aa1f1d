"""What the system says of this process's memory. No torch here."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

PROC = Path("/proc/self")


def status_bytes(name: str) -> int:
    """A line of /proc/self/status, such as VmRSS, in bytes; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        for line in (PROC / "status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def reset_peak() -> bool:
    """Makes VmHWM, the most that was resident, begin anew; False where the system has no such thing."""
    try:
        (PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def give_back() -> None:
    """Gives freed memory that the allocator keeps back to the system, where it can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
