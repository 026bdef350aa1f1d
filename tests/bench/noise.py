"""How far avbench's clock can be trusted on this machine: prints a table and writes docs/noise.md.

Fresh processes measure three networks again and again. The raw samples go to a file; the same command goes on with it,
so that the whole can be done a few minutes at a time: `python tests/bench/noise.py --pairs 30 --minutes 3`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from itertools import islice
from pathlib import Path
from statistics import correlation, median, stdev

from avbench.noise import CASES, ROUNDS, SWEEPS, cases_of, gaps, log_apart
from reports.interval import EXACT_FROM, of_median
from reports.spread import intervals
from suite.fingerprint import fingerprint
from suite.worker import environment

PAGE = Path(__file__).parents[2] / "docs" / "noise.md"
CHILD = Path(__file__).with_name("noise_process.py")
SECONDS = 2.0  # of one condition
SIMULATED = 4000
CONDITIONS = ("one address", "new addresses")

Draw = Callable[[random.Random], float]
Interval = tuple[float, float, float]  # centre, low, high
Process = dict[str, dict[str, list[float]]]  # design -> condition -> samples in ms
TEXT = """# How far the clock can be trusted

Written by `python tests/bench/noise.py`, measured {date}: {machine}, {threads} thread(s), {processes} fresh processes.

## The same, again: A/A

Each process times three networks of 1M parameters at 224 pixels, batch 1, {seconds:g} s for each condition. *One
address* is one input for all blocks; *new addresses* is what avbench does, a new input behind a spacer of random size
for each block. The spread is the standard deviation of the logarithm of a process's median. A pair is two processes one
after the other. The half-split correlation, over processes, is that of the median of the first half of a process's
samples with that of the second half: what persists within a process, and no number of iterations in it averages away.

{again}

{gained}

## Whether the stated interval holds

A measurement is three processes; the interval is a report's, over their medians, where the measurements of all networks
lend each other their spread (docs/decisions/0020). The truth is the median of all processes.
*Far* are processes a third of the whole session apart, as the rounds of a sweep are; *near* are processes one after the
other.

{held}

By simulation, {simulated} measurements each, how often the interval from its own processes alone holds, by the shape
of the noise between them:

{shapes}

What half of the processes show and the other half do not, three processes may miss, and then no interval from them can
tell.

## What a sweep sees

The least true difference between two designs that a sweep of {cases} latencies shows as two intervals apart, nine times
in ten. The noise of all is that of one network, drawn from the processes above, and the intervals are a report's: over
fewer than {exact} processes, the designs lend each other their spread (docs/decisions/0020); from {exact} on, each
has the order statistics of its own, which assume nothing of the noise and are wider for it, so that more rounds may
show less.

{least}
"""


def main() -> None:
    options = parsed()
    options.raw.parent.mkdir(parents=True, exist_ok=True)
    found = [json.loads(line) for line in options.raw.read_text().splitlines()] if options.raw.exists() else []
    cases, until = [asdict(case) for case in cases_of("cpu", options.threads)], time.monotonic() + 60 * options.minutes
    wanted = max(2 * options.pairs, 3 * options.measurements)
    while len(found) < wanted and time.monotonic() < until:
        both = len(found) < 2 * options.pairs
        asked = json.dumps({"cases": cases, "seconds": SECONDS, "both": both})
        done = subprocess.run(
            [sys.executable, CHILD], input=asked, env=os.environ | environment(options.threads),
            text=True, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        found.append({"day": date.today().isoformat(), "networks": json.loads(done.stdout)})
        with options.raw.open("a") as raw:
            raw.write(json.dumps(found[-1]) + "\n")
    if len(found) < wanted:
        print(f"{len(found)} of {wanted} processes: the same command goes on")
        return
    page = text([f["networks"] for f in found], [f["day"] for f in found], options.pairs, options.threads)
    options.out.write_text(page)
    print(page)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30, help="of fresh processes")
    parser.add_argument("--measurements", type=int, default=40, help="of three processes each, for the interval")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="then the same command goes on")
    parser.add_argument("--raw", type=Path, default=Path("runs/noise.jsonl"))
    parser.add_argument("--out", type=Path, default=PAGE)
    return parser.parse_args()


def text(processes: Sequence[Process], days: Sequence[str], pairs: int, threads: int) -> str:
    """The page; `days` says when each process measured."""
    return TEXT.format(
        date=" to ".join(dict.fromkeys((min(days), max(days)))),
        machine=", ".join(fingerprint()["identity"][key] for key in ("cpu", "torch")),
        threads=threads,
        processes=len(processes),
        seconds=SECONDS,
        simulated=SIMULATED,
        cases=CASES,
        exact=EXACT_FROM,
        again=table("network, condition, median ms, spread, half of all pairs differ by more than, correlation",
                    again(processes[: 2 * pairs])),
        gained=gained(processes[: 2 * pairs]),
        held=table("network, far, near, half width", held(processes)),
        shapes=table(f"noise, {', '.join(f'{n} rounds' for n in (2, *ROUNDS))}", shapes()),
        least=table(f"network, {', '.join(f'--rounds {n}' for n in ROUNDS)}", least(processes)),
    )  # fmt: skip


def table(header: str, rows: Iterator[Sequence[str]]) -> str:
    """Markdown."""
    names = header.split(", ")
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def again(processes: Sequence[Process]) -> Iterator[list[str]]:
    """Spread, gaps within pairs and half-split correlation of each network in each condition."""
    for name in sorted(processes[0]):
        for condition in CONDITIONS:
            samples = [process[name][condition] for process in processes]
            medians = [median(s) for s in samples]
            logs = [math.log(m) for m in medians]
            yield [
                name, condition, f"{median(medians):.2f}", f"{stdev(logs):.2%}",
                f"{median(gaps([logs])):.2%}", f"{half_split(samples):.2f}",
            ]  # fmt: skip


def gained(processes: Sequence[Process]) -> str:
    """Whether new addresses helped."""
    spreads = [
        [stdev(math.log(median(process[name][condition])) for process in processes) for condition in CONDITIONS]
        for name in processes[0]
    ]
    narrower = sum(new < one for one, new in spreads)
    return f"""New addresses narrowed the spread between processes for {narrower} of {len(spreads)} networks. Where
they do not, something else persists in a process than where its inputs lie: only more processes average it away."""


def half_split(samples: Sequence[Sequence[float]]) -> float:
    """The correlation over processes of the medians of the two halves of each."""
    halves = [(median(s[: len(s) // 2]), median(s[len(s) // 2 :])) for s in samples]
    return correlation(*zip(*halves, strict=True))


def held(processes: Sequence[Process]) -> Iterator[list[str]]:
    """How many intervals over three processes hold the median of all, and how wide they are."""
    seen = {name: [median(process[name]["avbench"]) for process in processes] for name in sorted(processes[0])}
    n = len(processes) // 3
    far = stated({name: [of[i : 3 * n : n] for i in range(n)] for name, of in seen.items()})
    near = stated({name: [of[3 * i : 3 * i + 3] for i in range(n)] for name, of in seen.items()})
    both: list[list[bool]] = [[], []]
    for name, of in seen.items():
        widths = [(high - low) / 2 / centre for centre, low, high in far[name]]
        holds = [holding(each[name], median(of)) for each in (far, near)]
        both = [[*total, *new] for total, new in zip(both, holds, strict=True)]
        yield [name, *map(share, holds), f"±{median(widths):.1%}"]
    yield ["all", *map(share, both), ""]


def stated(measurements: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, list[Interval]]:
    """The intervals of each network's measurements as a report has them, which lends all the spread of all."""
    found = iter(intervals([values for of in measurements.values() for values in of]))
    return {name: list(islice(found, len(of))) for name, of in measurements.items()}


def holding(stated: Sequence[Interval], truth: float) -> list[bool]:
    """Which intervals hold the truth."""
    return [low <= truth <= high for _, low, high in stated]


def share(holds: Sequence[bool]) -> str:
    """`38 of 40 (.83 to .99)`: with the 95 % interval of a share by Wilson."""
    n, p, z = len(holds), sum(holds) / len(holds), 1.96
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{sum(holds)} of {n} ({low:.2f} to {high:.2f})"


def noises() -> dict[str, Draw]:
    """Shapes of the noise between processes."""
    return {
        "normal 1 %": lambda chance: math.exp(chance.gauss(0, 0.01)),
        "normal 10 %": lambda chance: math.exp(chance.gauss(0, 0.1)),
        "only slower: exponential 3 %": lambda chance: 1 + chance.expovariate(1 / 0.03),
        "only slower: lognormal 3 %": lambda chance: 1 + 0.03 * chance.lognormvariate(0, 1),
        "one process in ten 20 % slower": lambda chance: slower(chance, 0.1, 1.2),
        "every other process 5 % slower": lambda chance: slower(chance, 0.5, 1.05),
    }


def slower(chance: random.Random, often: float, factor: float) -> float:
    """1 % of noise, and so often a slower level."""
    return (factor if chance.random() < often else 1.0) * math.exp(chance.gauss(0, 0.01))


def shapes() -> Iterator[list[str]]:
    """How often the interval over n processes holds the median, by the shape of their noise."""
    for name, draw in noises().items():
        yield [name, *(f"{coverage(draw, n):.3f}" for n in (2, *ROUNDS))]


def coverage(draw: Draw, n: int) -> float:
    """The share of simulated intervals over n processes that hold the median of very many."""
    chance = random.Random(n)
    truth = median(draw(chance) for _ in range(100_001))
    return sum(holding([of_median([draw(chance) for _ in range(n)]) for _ in range(SIMULATED)], truth)) / SIMULATED


def least(processes: Sequence[Process]) -> Iterator[list[str]]:
    """What a sweep sees at the spread of each network, from processes drawn of those that were measured."""
    for name in sorted(processes[0]):
        seen = [median(process[name]["avbench"]) for process in processes]
        yield [name, *(f"{math.expm1(log_apart(sweeps_of(seen, n))):.1%}" for n in ROUNDS)]


def sweeps_of(seen: Sequence[float], rounds: int) -> list[list[list[float]]]:
    """Sweeps of equal designs, whose processes are drawn from these."""
    chance = random.Random(rounds)
    return [[chance.choices(seen, k=rounds) for _ in range(CASES)] for _ in range(SWEEPS)]


if __name__ == "__main__":
    main()
