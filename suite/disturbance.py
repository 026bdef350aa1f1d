"""What disturbs a timing from outside: other guests of the host, other processes, a slower clock."""

from __future__ import annotations

import os
import resource
from collections import defaultdict
from contextlib import suppress
from math import ceil
from pathlib import Path
from statistics import median

import psutil

CPUS = Path("/sys/devices/system/cpu")
THREADS = Path("/proc/self/task")
STOLEN = 0.02  # of a core's time, taken by other guests
SLOW = 0.9  # of the run's own median frequency: below it a sample was throttled


class Disturbance:
    """What the system took from this process since the object was made."""

    def __init__(self) -> None:
        self._steal, self._switches = steal_ms(), involuntary_switches()

    @property
    def steal_ms(self) -> float:
        """Taken by other guests of the host, all cores."""
        return steal_ms() - self._steal

    @property
    def involuntary_switches(self) -> int:
        """How often the kernel took the CPU away."""
        return involuntary_switches() - self._switches


class Frequencies:
    """The clock frequencies in MHz that a process has seen under load so far, by device.

    What a chip is sold at says little of what it runs at here, so a sample is held to the median of the run itself.
    """

    def __init__(self) -> None:
        self.seen: defaultdict[str, list[float]] = defaultdict(list)

    def throttled(self, device: str, readings: list[float]) -> bool:
        """Whether a tenth of these readings lies under 0.9 of the median of all on this device, these included."""
        self.seen[device] += readings
        if not readings:
            return False
        usual = median(self.seen[device])
        return a_tenth([mhz < SLOW * usual for mhz in readings])


def a_tenth(samples: list[bool]) -> bool:
    """Whether the mark of at least a tenth of the samples is set, and of one."""
    return sum(samples) >= max(1, ceil(len(samples) / 10))


def steal_ms() -> float:
    """What the hypervisor has given to others so far, all cores; 0 where the system does not say."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(fields[8]) * 1e3 / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def involuntary_switches() -> int:
    """How often the kernel has taken the CPU from this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def waits() -> dict[str, float]:
    """Seconds that each thread of this process has waited for a core so far; none where the system does not say."""
    found = {}
    for thread in THREADS.iterdir() if THREADS.is_dir() else ():
        with suppress(OSError, IndexError, ValueError):  # a thread may end meanwhile
            found[thread.name] = int((thread / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return found


def cpu_mhz() -> list[float]:
    """The frequency of the core that this process runs on, now; none where the system does not say."""
    try:
        core = psutil.Process().cpu_num()
        return [int((CPUS / f"cpu{core}" / "cpufreq" / "scaling_cur_freq").read_text(encoding="ascii")) / 1e3]
    except (OSError, ValueError, AttributeError):
        return []
