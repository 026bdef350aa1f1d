"""What difference a sweep can see on this machine: the same measurements, again and again, in fresh processes.

Each pair of processes measures the same networks twice (A/A), so that whatever differs is noise. From its size follows
the least true difference between two designs that a sweep shows as two intervals apart, nine times in ten.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median, variance
from typing import Any

from avbench.planning import planned
from avbench.request import Request
from reports.spread import intervals
from suite.case import Case
from suite.lanes import Measurer
from suite.record import Record, machine_name

NETWORKS = ("vit", "swin", "conv")  # large products, many small operators, convolutions
METRICS = ("latency_ms", "cpu_ms", "device_ms")
ROUNDS = (3, 5, 10)  # of a sweep by default, and of some that look closer
PAIRS = 3  # at least, however short the time
OF_LAUNCHES = {"launch_bound", "launches_counted"}  # marks of a network, not of a disturbance
CASE_S = 60.0
CASES = 34  # latencies of a sweep that lend each other their spread, where no sweep says how many
SWEEPS, SEEN = 120, 0.9


@dataclass(frozen=True)
class Noise:
    """What pairs of processes that measured the same said of it. Shares, by metric."""

    device: str
    threads: int
    pairs: int
    networks: tuple[str, ...]
    spread: dict[str, float]  # standard deviation of the logarithm of a process's median
    within_pairs: dict[str, float]  # half of all pairs differ by more
    marked: float  # the share of the measurements that were contended, stolen or throttled
    measured: str  # ISO 8601, UTC

    def least(self, metric: str, rounds: int, cases: int = CASES) -> float:
        """The least difference that a sweep of so many rounds and latencies shows nine times in ten."""
        return math.expm1(self.spread[metric] * spreads_apart(rounds, cases))

    def in_words(self, cases: int = CASES) -> str:
        """One sentence on a sweep of so many latencies."""
        metric = "device_ms" if "device_ms" in self.spread else "latency_ms"
        least = [f"{self.least(metric, rounds, cases):.1%} in {rounds}" for rounds in ROUNDS]
        sweep = f"a sweep of {cases} {'latency' if cases == 1 else 'latencies'}"
        return f"the least difference that {sweep} shows, nine times in ten, by its --rounds: {', '.join(least)}"


def measure_noise(
    device: str, threads: int, minutes: float,
    worker: Callable[[], Measurer], clock: Callable[[], float] = time.monotonic,
) -> Noise:  # fmt: skip
    """Measures pairs of processes for about so long, three pairs at least."""
    cases = cases_of(device, threads)
    until, processes = clock() + 60 * minutes, list[dict[str, Record]]()
    while clock() < until or len(processes) < 2 * PAIRS or len(processes) % 2:
        processes.append(one_process(cases, len(processes), worker))
    return noise_of(processes, device, threads)


def cases_of(device: str, threads: int) -> list[Case]:
    """The latency of each network at 224 pixels."""
    request = Request(
        designs=list(NETWORKS), res="224", task="classification", metric="latency", params="1M", rounds=1,
        device=device, threads=str(threads), minutes=math.inf, data="digits",
    )  # fmt: skip
    return [p.case for p in planned(request).tried]


def one_process(cases: Sequence[Case], number: int, worker: Callable[[], Measurer]) -> dict[str, Record]:
    """The records of all networks, in an order of chance, by design."""
    records = {}
    with worker() as process:
        for case in random.sample(cases, len(cases)):
            record = process.measure(replace(case, round=number), CASE_S, 2**34)
            if record.status != "ok":
                raise ValueError(f"{case.design} gives no latency ({record.status}: {record.reason}): see {log_file()}")
            records[case.design] = record
    return records


def noise_of(processes: Sequence[dict[str, Record]], device: str, threads: int) -> Noise:
    """The noise of processes that measured the same, two after two being a pair."""
    networks = tuple(sorted(processes[0]))
    logs = {
        metric: [[math.log(p[name].metrics[metric].value) for p in processes] for name in networks]
        for metric in METRICS
        if metric in processes[0][networks[0]].metrics
    }
    marks = [bool(set(r.notes.get("marks", ())) - OF_LAUNCHES) for p in processes for r in p.values()]
    return Noise(
        device=device,
        threads=threads,
        pairs=len(processes) // 2,
        networks=networks,
        spread={metric: math.sqrt(fmean(map(variance, values))) for metric, values in logs.items()},
        within_pairs={metric: median(gaps(values)) for metric, values in logs.items()},
        marked=fmean(marks),
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def gaps(networks: Sequence[Sequence[float]]) -> list[float]:
    """By what share the two of each pair differ."""
    return [math.expm1(abs(a - b)) for values in networks for a, b in zip(values[::2], values[1::2], strict=True)]


@cache
def spreads_apart(rounds: int, cases: int = CASES) -> float:
    """How many standard deviations two designs must differ by, for their intervals to lie apart nine times in ten.

    Their noise is normal and alike; a single case is compared with one of another sweep of one.
    """
    chance, small = random.Random(0), 1e-4  # small, so that a logarithm is a difference
    cases = max(cases, 2)

    def sweep() -> list[list[float]]:
        return [[math.exp(small * chance.gauss(0, 1)) for _ in range(rounds)] for _ in range(cases)]

    return log_apart([sweep() for _ in range(math.ceil(SWEEPS * CASES / cases))]) / small


def log_apart(sweeps: Sequence[Sequence[Sequence[float]]]) -> float:
    """The logarithm of what two designs must differ by, from sweeps whose designs are equal: each next to the last."""
    needed = []
    for cases in sweeps:
        found = intervals(cases)
        needed += [math.log(high / low) for (_, _, high), (_, low, _) in pairwise(found)]
    return sorted(needed)[math.ceil(SEEN * len(needed)) - 1]


def keep(noise: Noise, identity: dict[str, Any]) -> Path:
    """Writes it to the user's cache folder, by the machine's identity; returns where."""
    path = place(identity, noise.device, noise.threads)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(noise) | {"identity": identity}, indent=1) + "\n", encoding="utf-8")
    return path


def last_known(identity: dict[str, Any], device: str, threads: int) -> Noise | None:
    """What `keep` last wrote for this machine, device and thread count."""
    try:
        known = json.loads(place(identity, device, threads).read_text(encoding="utf-8"))
        known.pop("identity")
        return Noise(**known | {"networks": tuple(known["networks"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def conditions_of(identity: dict[str, Any], device: str, cases: Mapping[int, int]) -> dict[str, str]:
    """What a run keeps of the noise of its machine, by thread count; nothing where it was never measured.

    `cases`: how many latencies the run measures, by thread count.
    """
    known = {n: found for n in sorted(cases) if (found := last_known(identity, device, n))}
    said = {n: f"{noise.in_words(cases[n])} ({noise.pairs} pairs, {noise.measured})" for n, noise in known.items()}
    return {f"noise, {n} thread{'s' if n > 1 else ''}": words for n, words in said.items()}


def place(identity: dict[str, Any], device: str, threads: int) -> Path:
    """The file for the noise of a machine, on one device at one thread count. cuda is cuda:0."""
    name = f"{machine_name({'identity': identity})}, {'cuda:0' if device == 'cuda' else device}, {threads}"
    return cache_folder() / f"noise-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def log_file() -> Path:
    """Where the processes of the last measurement say what went wrong."""
    return cache_folder() / "noise.log"


def cache_folder() -> Path:
    """Where this user's programs keep what they can measure again."""
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "avbench"
