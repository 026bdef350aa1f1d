"""How often `avbench gate` cries wolf, and how small a slowdown it finds, on this machine.

    python tests/bench/calibrate_gate.py --minutes 30 [--load] [--at-once 2] [--exact 1000]

A repository is made whose module does N rounds of the same work; each head does 0, 3, 5, 8, 10, 15 or 20 % more rounds,
so that the slowdown is real work of a known share. The very command that users run judges a head, again and again until
the minutes are over; half of the runs are of 0 %, a quarter of 10 %. `--load` runs stress-ng on every core beside it;
`--at-once 2` judges twice at a time, each time on a core of its own. `--exact` judges the unchanged code with the exact
tier so many times first, two processes at a time.

Each run is a line of runs/calibrate-gate.jsonl, and the tables in docs/gate.md are written anew after each, between
their marks: what was cut short goes on, as long as the code of the gate is the same. Rates come with the exact
one-sided 95 % binomial bound: what so few runs allow to be said.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from shutil import which
from statistics import median
from threading import Lock

from scipy.stats import beta

ROUNDS = 100
SHARES = {0: 8, 10: 4, 5: 1, 3: 1, 15: 1, 8: 1, 20: 1}  # extra work in per cent: how many runs in each seventeen
CODES = {0: "pass", 1: "slower", 3: "inconclusive", 4: "nothing"}
ROOT = Path(__file__).parents[2]
DOCUMENT, RUNS = ROOT / "docs" / "gate.md", ROOT / "runs" / "calibrate-gate.jsonl"
MODULE = """
import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.to_qkv, self.to_out = nn.Linear(64, 192), nn.Linear(64, 64)

    def forward(self, x):
        for _ in range(ROUNDS):
            q, k, v = self.to_qkv(x)[:, None].chunk(3, -1)
            y = self.to_out(F.scaled_dot_product_attention(q, k, v)[:, 0])
        return y
"""
TABLE = """
[[tool.avbench.gate.case]]
make = "attention:Attention"
input = [1, 64, 64]
"""


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    of: str  # quiet, load or exact
    extra: int  # per cent of more work
    outcome: str
    seconds: float
    at_once: int = 1  # runs side by side
    code: str = ""  # the git tree of suite/gate
    machine: str = ""


def main() -> None:
    """Judges until the time is over; what is known is written after each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--exact", type=int, default=0)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        exact(folder, given.exact)
        if given.load:
            if not which("stress-ng"):
                parser.error("--load needs stress-ng: install the system's package of that name")
            load = stack.enter_context(subprocess.Popen(["stress-ng", "--cpu", "0", "--quiet"]))
            stack.callback(load.terminate)
        latency(folder, "load" if given.load else "quiet", given.at_once, time.monotonic() + 60 * given.minutes)


def exact(folder: Path, times: int) -> None:
    """The exact tier, so many times, of the code whose figures were accepted."""
    if not times:
        return
    repository(folder)
    judged(folder, "--exact", "--accept", "--reason", "calibration")
    with ThreadPoolExecutor(2) as pool:
        for outcome, seconds in pool.map(lambda i: judged(folder, "--exact", "--out", f"out/{i % 16}"), range(times)):
            keep(Run("exact", 0, outcome, seconds))
    write(exact_table(kept("exact")), "exact")


def latency(folder: Path, of: str, at_once: int, end: float) -> None:
    """The latency tier until `end`: each time the head that has the fewest runs for its share."""
    begun, lock = Counter(run.extra for run in kept(of)), Lock()

    def series(core: int | None) -> None:
        (home := folder / f"core-{core}").mkdir()
        commits = repository(home)
        while time.monotonic() < end:
            with lock:
                extra = min(SHARES, key=lambda extra: (begun[extra] + 0.5) / SHARES[extra])
                begun[extra] += 1
            outcome, seconds = judged(home, "--base", commits[0], "--head", commits[extra], on=core)
            with lock:
                keep(Run(of, extra, outcome, seconds, at_once))
                print(f"{extra} % more work: {outcome}, {seconds:.0f} s", flush=True)
                write(table(kept(of), of), of)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(series, sorted(os.sched_getaffinity(0))[:at_once] if at_once > 1 else [None]))


def keep(run: Run) -> None:
    """Adds a line."""
    RUNS.parent.mkdir(exist_ok=True)
    with RUNS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(run) | {"code": code(), "machine": processor()}) + "\n")


def kept(of: str) -> list[Run]:
    """The runs of this code on this machine."""
    lines = RUNS.read_text(encoding="utf-8").splitlines() if RUNS.exists() else []
    runs = [Run(**json.loads(line)) for line in lines]
    return [run for run in runs if (run.of, run.code, run.machine) == (of, code(), processor())]


def code() -> str:
    """The code of the gate, as git knows it."""
    return git(ROOT, "rev-parse", "HEAD:suite/gate")


def repository(folder: Path) -> dict[int, str]:
    """A repository with one branch for each share of extra work; the commit of each, the base's being that of 0 %."""
    git(folder, "init", "-q")
    (folder / "pyproject.toml").write_text(TABLE)
    commits = {}
    for extra in sorted(SHARES):
        (folder / "attention.py").write_text(MODULE.replace("ROUNDS", str(ROUNDS + ROUNDS * extra // 100)))
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"{extra} % more work")
        commits[extra] = git(folder, "rev-parse", "HEAD")
    return commits


def judged(folder: Path, *words: str, on: int | None = None) -> tuple[str, float]:
    """What the gate says, and how long it took, in seconds; `on` is the core that it may use."""
    began = time.monotonic()
    pinned = [] if on is None else ["taskset", "-c", str(on)]
    command = [*pinned, sys.executable, "-m", "avbench", "gate", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return CODES.get(done.returncode, f"exit code {done.returncode}"), time.monotonic() - began


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=avbench", "-c", "user.email=avbench@example.org")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def table(runs: list[Run], of: str) -> str:
    """Markdown: runs and outcomes by extra work, and the bound of the rate that matters."""
    head = "| extra work | runs | slower | inconclusive | pass | other | minutes | what may be said |"
    lines = [head, "|--:|--:|--:|--:|--:|--:|--:|---|"]
    for extra in sorted({run.extra for run in runs}):
        counts = Counter(run.outcome for run in runs if run.extra == extra)
        total, alarms = counts.total(), counts["slower"]
        said = f"false alarms in at most {bound(alarms, total):.0%} of runs"
        if extra:
            said = f"found in at least {1 - bound(total - alarms, total):.0%} of runs"
        known = [counts[word] for word in ("slower", "inconclusive", "pass")]
        minutes = median(run.seconds for run in runs if run.extra == extra) / 60
        shown = " | ".join(map(str, [*known, total - sum(known)]))
        lines.append(f"| {extra} % | {total} | {shown} | {minutes:.1f} | {said} |")
    how = "under `stress-ng --cpu` on every core" if of == "load" else "with nothing else beside it"
    if (most := max(run.at_once for run in runs)) > 1:
        how = f"{most} runs at a time, each on a core of its own, {how}"
    return f"{date.today().isoformat()}, {processor()}, {how}; minutes are the median of a run's:\n\n" + "\n".join(
        lines
    )


def exact_table(runs: list[Run]) -> str:
    """One sentence."""
    alarms = sum(run.outcome != "pass" for run in runs)
    where = f"{date.today().isoformat()}, {processor()}, two processes at a time"
    said = f"{alarms} of {len(runs)} runs of unchanged code were no pass: false alarms in at most"
    return f"{where}: {said} {bound(alarms, len(runs)):.2%} of runs; {median(r.seconds for r in runs):.1f} s a run."


def bound(events: int, runs: int) -> float:
    """The exact one-sided 95 % upper bound of a rate (Clopper and Pearson 1934)."""
    return 1.0 if events == runs else float(beta.ppf(0.95, events + 1, runs - events))


def processor() -> str:
    """Name and number of the processors."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}"


def write(text: str, mark: str) -> None:
    """Puts the text between the document's marks."""
    start, end = f"<!-- calibration {mark} -->", f"<!-- end of calibration {mark} -->"
    whole = DOCUMENT.read_text(encoding="utf-8")
    before, after = whole.split(start)[0], whole.split(end)[1]
    DOCUMENT.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
