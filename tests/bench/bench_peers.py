"""Our mixers against public implementations of the same operators: prints a table, and writes docs/speed.md.

Each pair is measured in a process of its own, so that none inherits the memory or the noise of another.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import conftest  # noqa: F401 (one thread, and a torchvision that imports)
import torch
from duel import Ratio, Side, peak_bytes, ratio_of, time_ratios
from pairs import PAIRS, Pair

from suite.fingerprint import fingerprint
from variants.contract import Grid, Position
from variants.local import Local
from variants.vit import Attention

PAGE = Path(__file__).parents[2] / "docs" / "speed.md"
HEADER = (
    "| pair, shape | pass | ours, ms | theirs, ms | time, ours / theirs | peak memory, ours / theirs |",
    "|---|---|---|---|---|---|",
)
MODES = {"forward": False, "forward + backward": True}
LOCAL = "local / full"  # the pair that is judged by its multiply-adds
MORE_MEMORY = 1.02  # from here on a ratio of bytes, which has no noise, is said to be more
TEXT = """# Speed beside other implementations

Those of our mixers that have a public implementation which installs, each against it, at the same shape. A ratio under
1 says that ours takes less. Written by `inv bench-peers --rounds {rounds}`, {date}: {machine}.

Time is CPU time of one process with one thread, float32, in {rounds} rounds of blocks that alternate; the ratio is the
median over rounds, with its 95 % interval from the signs. Each pair has a process of its own. Memory is the most that
one pass allocates beyond parameters and input. A shape is images x rows x columns x channels.

{table}

## Where ours takes more

Every pass whose whole interval of time lies above 1, or whose ratio of memory lies above {more_memory}.

{more}

## Local attention beside full attention

`local` with side 7 on 64 x 64 places, 128 channels and 4 heads, against fused full attention (`vit`) of the same width:
their ratio of times, over their ratio of multiply-adds ({macs:.4f}). 1 would be as many multiply-adds a second.

{local}

## Designs that are not here

{left_out}
"""
LEFT_OUT = {
    "conv_stem downsample hybrid_high hybrid_low hybrid_mid pixel single_head": "their mixer is that of `vit`.",
    "sasa_resnet": "its mixer is `local`.",
    "conv convnext": "their mixer is a convolution of torch, and nothing else.",
    "neighborhood": "without CUDA `natten` has no kernels ([did-not-work.md](did-not-work.md)).",
    "maxvit mlp_mixer nonlocal pvt relu_linear rnn": "timm or torch has the operator; no pair has been made.",
    "augmented bilateral nlm vision_lstm": "no package with the operator is known here.",
}  # names, and why they are not measured


@dataclass(frozen=True)
class Row:
    """One pass of a pair: median milliseconds of each side, the ratio of times, and that of peak bytes."""

    mode: str
    ours_ms: float
    theirs_ms: float
    time: Ratio
    memory: float

    def line(self, pair: Pair) -> str:
        """Of the table."""
        batch, grid, dim = pair.shape
        shape = f"{batch} x {grid.y} x {grid.x} x {dim}"
        ms = f"{self.ours_ms:.2f} | {self.theirs_ms:.2f}"
        return f"| {pair.name}, {shape} | {self.mode} | {ms} | {said(self.time)} | {self.memory:.2f} |"

    def more(self) -> dict[str, str]:
        """What ours takes more of, and how much of theirs it is."""
        time = {"time": f"{said(self.time)} of the time"} if self.time.low > 1 else {}
        return time | ({"memory": f"{self.memory:.2f} of the memory"} if self.memory > MORE_MEMORY else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="measure the pairs whose name has this, and write nothing")
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each side")
    options = parser.parse_args()
    names = [name for name in (*(pair.name for pair in PAIRS), LOCAL) if options.only in name]
    print(*HEADER, sep="\n")
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        found = {}
        for name, rows in zip(names, pool.map(measured, names, repeat(options.rounds)), strict=True):
            print(*lines_of(name, rows), sep="\n", flush=True)
            found[name] = rows
    if not options.only:
        cpu = fingerprint()["identity"]["cpu"]
        PAGE.write_text(page(found, f"{cpu}, torch {torch.__version__}", options.rounds), encoding="utf-8")


def measured(name: str, rounds: int) -> list[Row] | str:
    """The rows of one pair; the name of its package, where that is not installed."""
    try:
        ours, theirs = local_sides() if name == LOCAL else sides(pair_named(name))
    except ModuleNotFoundError as missing:
        return str(missing.name)
    return [row_of(ours, theirs, mode, rounds) for mode in MODES]


def row_of(ours: Side, theirs: Side, mode: str, rounds: int) -> Row:
    times = time_ratios(ours, theirs, MODES[mode], rounds)
    ours_ms, theirs_ms = (median(taken) * 1e3 for taken in zip(*times, strict=True))
    memory = peak_bytes(ours, MODES[mode]) / peak_bytes(theirs, MODES[mode])
    return Row(mode, ours_ms, theirs_ms, ratio_of(times), memory)


def pair_named(name: str) -> Pair:
    (pair,) = (pair for pair in PAIRS if pair.name == name)
    return pair


def sides(pair: Pair) -> tuple[Side, Side]:
    """ModuleNotFoundError where the peer is not installed."""
    batch, grid, dim = pair.shape
    return (
        Side(pair.ours(), lambda: torch.randn(batch, grid.y, grid.x, dim)),
        Side(pair.theirs(), lambda: pair.form(torch.randn(batch, grid.y, grid.x, dim))),
    )


def local_and_full() -> tuple[Local, Attention]:
    grid = Grid(64, 64)
    return Local(128, 4, grid, Position, side=7), Attention(128, 4, grid, Position)


def local_sides() -> tuple[Side, Side]:
    local, full = (Side(module, lambda: torch.randn(1, 64, 64, 128)) for module in local_and_full())
    return local, full


def local_share() -> float:
    """Multiply-adds of local attention over those of full attention."""
    local, full = local_and_full()
    return local.macs(Grid(64, 64)) / full.macs(Grid(64, 64))


def lines_of(name: str, rows: list[Row] | str) -> Iterator[str]:
    """A line for each pass, or one that says what to install."""
    if isinstance(rows, str):
        yield f"| {name} | {rows} is not installed | | | | |"
    elif name == LOCAL:
        yield from (f"* {row.mode}: {said(row.time, local_share())}" for row in rows)
    else:
        yield from (row.line(pair_named(name)) for row in rows)


def more_lines(name: str, rows: list[Row] | str) -> Iterator[str]:
    """For each pass that takes more of something: how much, and why."""
    for row in () if isinstance(rows, str) or name == LOCAL else rows:
        for what, much in row.more().items():
            why = pair_named(name).why.get(what, "Why has not been found.")
            yield f"* {name}, {row.mode}: {much}. {why}"


def left_out_lines() -> Iterator[str]:
    """For the designs that are not measured: why."""
    for names, why in LEFT_OUT.items():
        yield f"* {', '.join(f'`{name}`' for name in names.split())}: {why}"


def said(ratio: Ratio, share: float = 1.0) -> str:
    return f"{ratio.value / share:.2f} ({ratio.low / share:.2f} to {ratio.high / share:.2f})"


def page(found: dict[str, list[Row] | str], machine: str, rounds: int) -> str:
    """All of docs/speed.md, from the rows of every pair."""
    pairs = {name: rows for name, rows in found.items() if name != LOCAL}
    return TEXT.format(
        date=date.today().isoformat(), machine=machine, rounds=rounds, more_memory=MORE_MEMORY, macs=local_share(),
        table=joined([*HEADER, *(line for pair in pairs.items() for line in lines_of(*pair))]),
        more=joined(line for pair in pairs.items() for line in more_lines(*pair)) or "None.",
        local=joined(lines_of(LOCAL, found[LOCAL])),
        left_out=joined(left_out_lines()),
    )  # fmt: skip


def joined(lines: Iterable[str]) -> str:
    return "\n".join(lines)


if __name__ == "__main__":
    main()
