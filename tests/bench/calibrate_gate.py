"""How often `avbench gate --base` cries wolf, and how small a slowdown it finds, on this machine.

    python tests/bench/calibrate_gate.py --minutes 30 [--load]

A repository is made whose module does N rounds of the same work; each head does 0, 3, 5, 8, 10, 15 or 20 % more rounds,
so that the slowdown is real work of a known share. The very command that users run judges each head in turn, again and
again until the minutes are over. `--load` runs stress-ng on every core beside it. The table in docs/gate.md is written
anew, between its marks. Rates come with the exact one-sided 95 % binomial bound: what so few runs allow to be said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from scipy.stats import beta

ROUNDS = 100
EXTRA = (0, 10, 5, 3, 15, 8, 20)  # per cent, the most telling first
CODES = {0: "pass", 1: "slower", 3: "inconclusive", 4: "nothing"}
DOCUMENT = Path(__file__).parents[2] / "docs" / "gate.md"
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


def main() -> None:
    """Judges until the time is over, then writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--load", action="store_true")
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        commits = repository(folder)
        if given.load:
            load = stack.enter_context(subprocess.Popen(["stress-ng", "--cpu", "0", "--quiet"]))
            stack.callback(load.terminate)
        while time.monotonic() < end:
            least = min(EXTRA, key=lambda extra: sum(found[extra].values()) // (3 if extra == 0 else 1))
            found[least][judged(folder, commits[0], commits[least])] += 1
            print(json.dumps({extra: dict(counts) for extra, counts in found.items()}), flush=True)
    write(table(found, given.load), "load" if given.load else "quiet")


def repository(folder: Path) -> dict[int, str]:
    """A repository with one branch for each share of extra work; the commit of each, the base's being that of 0 %."""
    git(folder, "init", "-q")
    (folder / "pyproject.toml").write_text(TABLE)
    commits = {}
    for extra in sorted(EXTRA):
        (folder / "attention.py").write_text(MODULE.replace("ROUNDS", str(ROUNDS + ROUNDS * extra // 100)))
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"{extra} % more work")
        commits[extra] = git(folder, "rev-parse", "HEAD")
    return commits


def judged(folder: Path, base: str, head: str) -> str:
    """What the gate says of one head."""
    command = [sys.executable, "-m", "avbench", "gate", "--base", base, "--head", head]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return CODES.get(done.returncode, f"exit code {done.returncode}")


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=avbench", "-c", "user.email=avbench@example.org")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def table(found: dict[int, Counter[str]], load: bool) -> str:
    """Markdown: runs and outcomes by extra work, and the bound of the rate that matters."""
    lines = ["| extra work | runs | slower | inconclusive | pass | what may be said |", "|--:|--:|--:|--:|--:|---|"]
    for extra, counts in sorted(found.items()):
        runs, alarms = sum(counts.values()), counts["slower"]
        said = f"false alarms in at most {bound(alarms, runs):.0%} of runs"
        if extra:
            said = f"found in at least {1 - bound(runs - alarms, runs):.0%} of runs"
        shown = " | ".join(str(counts[word]) for word in ("slower", "inconclusive", "pass"))
        lines.append(f"| {extra} % | {runs} | {shown} | {said} |")
    how = "under `stress-ng --cpu` on every core" if load else "with nothing beside it"
    return f"{date.today().isoformat()}, {processor()}, {how}:\n\n" + "\n".join(lines)


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
