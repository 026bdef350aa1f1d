"""What the system says of this process's memory, and what its allocator does with it. No torch here."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from pathlib import Path

PROC = Path("/proc/self")
KEEPING = {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"}  # glibc keeps what is freed: decision 25
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # the same, as mallopt calls them


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


def keep_freed() -> None:
    """Lets this process's allocator keep what is freed, as KEEPING does for one that starts."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        libc.mallopt(M_MMAP_MAX, 0)


def allocator() -> str:
    """What allocates in the processes that measure: `glibc 2.36, keeps what is freed`."""
    if preloaded := os.environ.get("LD_PRELOAD"):
        return preloaded
    library = " ".join(platform.libc_ver()).strip()
    return f"{library}, keeps what is freed" if library.startswith("glibc") else library or platform.system()
