"""Our mixers against public implementations of the same operators: prints a table, and writes docs/speed.md."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import date
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
HEADER = "| pair, shape | pass | ours, ms | theirs, ms | time, ours / theirs | peak memory, ours / theirs |"
MODES = {"forward": False, "forward + backward": True}
TEXT = """# Speed beside other implementations

Each of our mixers against a public implementation of the same operator, at the same shape. A ratio under 1 says that
ours takes less. Written by `inv bench-peers`, {date}: {machine}.

Time is CPU time of one process with one thread, float32, in {rounds} rounds of blocks that alternate; the ratio is the
median over rounds, with its 95 % interval from the signs. Memory is the most that one pass allocates beyond parameters
and input. A shape is images x rows x columns x channels.

{table}

## Local attention beside full attention

`local` with side 7 on 64 x 64 places, 128 channels and 4 heads, against fused full attention (`vit`) of the same width:
their ratio of times, over their ratio of multiply-adds ({macs:.4f}). 1 would be as many multiply-adds a second.

{local}
"""


def sides(pair: Pair) -> tuple[Side, Side]:
    """ModuleNotFoundError where the peer is not installed."""
    batch, grid, dim = pair.shape
    return (
        Side(pair.ours(), lambda: torch.randn(batch, grid.y, grid.x, dim)),
        Side(pair.theirs(), lambda: pair.form(torch.randn(batch, grid.y, grid.x, dim))),
    )


def lines(pair: Pair, rounds: int) -> Iterable[str]:
    """A line of the table for each pass, or one that says what to install."""
    batch, grid, dim = pair.shape
    try:
        ours, theirs = sides(pair)
    except ModuleNotFoundError as missing:
        yield f"| {pair.name} | {missing.name} is not installed | | | | |"
        return
    for mode, backward in MODES.items():
        times = time_ratios(ours, theirs, backward, rounds)
        memory = peak_bytes(ours, backward) / peak_bytes(theirs, backward)
        ms = (f"{median(t) * 1e3:.2f}" for t in zip(*times, strict=True))
        name = f"{pair.name}, {batch} x {grid.y} x {grid.x} x {dim}"
        yield f"| {name} | {mode} | {' | '.join(ms)} | {said(ratio_of(times))} | {memory:.2f} |"


def said(ratio: Ratio, share: float = 1.0) -> str:
    return f"{ratio.value / share:.2f} ({ratio.low / share:.2f} to {ratio.high / share:.2f})"


def local_share() -> float:
    """Multiply-adds of local attention over those of full attention."""
    local, full, grid = *local_and_full(), Grid(64, 64)
    return local.macs(grid) / full.macs(grid)


def local_and_full() -> tuple[Local, Attention]:
    grid = Grid(64, 64)
    return Local(128, 4, grid, Position, side=7), Attention(128, 4, grid, Position)


def local_lines(rounds: int) -> Iterable[str]:
    """For each pass, the ratio of times over the ratio of multiply-adds."""
    local, full = (Side(module, lambda: torch.randn(1, 64, 64, 128)) for module in local_and_full())
    for mode, backward in MODES.items():
        yield f"* {mode}: {said(ratio_of(time_ratios(local, full, backward, rounds)), local_share())}"


def printed(parts: Iterable[str]) -> str:
    """The lines, each printed when it is known."""
    kept = []
    for line in parts:
        print(line, flush=True)
        kept.append(line)
    return "\n".join(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="measure the pairs whose name has this, and write nothing")
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each side")
    options = parser.parse_args()
    chosen = [pair for pair in PAIRS if options.only in pair.name]
    head = [HEADER, "|---|---|---|---|---|---|"]
    table = printed(head) + "\n" + printed(line for pair in chosen for line in lines(pair, options.rounds))
    local = printed(local_lines(options.rounds)) if options.only in "local / full" else ""
    if not options.only:
        cpu = fingerprint()["identity"]
        machine = f"{cpu['cpu']}, torch {torch.__version__}"
        today = date.today().isoformat()
        text = TEXT.format(
            date=today, machine=machine, rounds=options.rounds, table=table, local=local, macs=local_share()
        )
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
