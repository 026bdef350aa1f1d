"""Counts every design in every layout with every position, for both tasks, at eight sizes; three counts each agree.

    PYTHONPATH=tests python tests/bench/count_all.py [NAME ...]

The networks are narrow and have one block for each kind of mixer: a deeper one repeats the same blocks. Prints what
disagrees, and how many counts agreed; the exit code is 1 if any did not.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import product
from typing import Any

import torch
from narrow import shrunk

from avbench.find import find, names
from suite.case import TASKS
from suite.check import COUNTED, LAYOUTS, POSITIONS, accepted
from suite.count import agreed_macs
from suite.machine import default_threads
from variants.contract import Grid

SIZES = (*COUNTED, Grid(512, 512), Grid(1024, 1024))
CLASSES = 7


def main() -> None:
    """Counts each design in a process of its own."""
    chosen, total = sys.argv[1:] or names(), Counter[str]()
    with ProcessPoolExecutor(default_threads()) as pool:
        for name, (agreed, problems) in zip(chosen, pool.map(counted, chosen), strict=True):
            total += Counter(agree=agreed, disagree=len(problems))
            print("\n  ".join([f"{name}: {agreed} counts agree", *problems]), flush=True)
    print(f"{total['agree']} counts agree, {total['disagree']} do not")
    sys.exit(1 if total["disagree"] else 0)


def counted(name: str) -> tuple[int, list[str]]:
    """How many counts of a design agree, and what is wrong with the others."""
    torch.set_num_threads(1)
    agreed, problems = 0, list[str]()
    for (form, design), task, size in product(forms(find(name)), TASKS, SIZES):
        try:
            with torch.device("meta"):
                network = design.build(task, CLASSES, size).eval()
            agreed_macs(network, size)
            agreed += 1
        except Exception as error:
            problems.append(f"{form}, {task} at {size}: {error}")
    return agreed, problems


def forms(design: Any) -> Iterator[tuple[str, Any]]:
    """The design in every layout and with every position that it takes, narrow and shallow."""
    layouts = {design.layout_name: design}
    for layout in LAYOUTS:
        with suppress(ValueError):
            layouts.setdefault(layout, design.in_layout(layout))
    for layout, placed in layouts.items():
        for position, form in (accepted(placed, POSITIONS) or {placed.position_name: placed}).items():
            yield f"{layout}, {position}", shrunk(form)


if __name__ == "__main__":
    main()
