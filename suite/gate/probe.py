"""One process of the gate: builds modules from the code that it finds on its path, and times a block when asked.

    python probe.py PIPE < requests

It runs in a worktree of another revision, so it imports nothing of ours but what is asked for by name: the harness is
always that of the running avbench, the code under test that of the revision. The first line that it reads lists the
cases; each later one names a case, and is answered through the pipe with milliseconds, or with the reason why there
are none.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor, nn

BLOCK_S = 0.03  # the least that a sample lasts, unless one call lasts longer
WARM_CALLS, MOST_CALLS = 3, 10_000
MOST_SPACED = 2**20  # numbers between two tensors
CLASSES = 10
FINDER = "avbench.find"


def build(make: str, shape: Sequence[int], params: int) -> nn.Module:
    """The module that `make` names, with weights from a fixed seed.

    `package.module:NAME` is a module, a function or class that returns one without arguments, or a recipe; any other
    name is one that avbench knows. A recipe is fitted to `params` parameters, for images of the last two sizes of
    `shape`. ValueError says what else it is.
    """
    torch.manual_seed(0)
    found = named(make)
    if hasattr(found, "fitted"):
        grid = import_module("variants.contract").Grid(*shape[-2:])
        return fitted(make, params).build("classification", CLASSES, grid)
    module: Any = found if isinstance(found, nn.Module) else found() if callable(found) else found
    if not isinstance(module, nn.Module):
        raise ValueError(f"{make} gives a {type(module).__name__}: name an nn.Module, what returns one, or a recipe")
    return module


@cache
def fitted(make: str, params: int) -> Any:
    """The recipe of that name at that budget: the same for every pass and size."""
    return named(make).fitted(params)


def require_own(make: str, checkout: Path) -> None:
    """ValueError unless what `make` names is looked up in a file of the checkout: elsewhere all revisions are one."""
    file = make if make.endswith(".py") else getattr(import_module(home(make)), "__file__", None)
    if file is None or not Path(file).resolve().is_relative_to(checkout):
        raise ValueError(
            f"{home(make)} was imported from {file}, not from the checkout, so every revision would run the same code: "
            "state `path`, the folders in which imports begin, or name what the repository itself defines"
        )


def named(make: str) -> Any:
    """The object of that name. ValueError if it cannot be imported."""
    module = home(make)
    if module == FINDER:
        return import_module(FINDER).find(make)
    attribute = make.partition(":")[2]
    try:
        return getattr(import_module(module), attribute)
    except AttributeError:
        raise ValueError(f"{module} has no {attribute}: name what it defines") from None


def home(make: str) -> str:
    """The module in which a name is looked up: its own, or the one that finds recipes by other names."""
    module, colon, _ = make.partition(":")
    return module if colon and module != "timm" and not module.endswith(".py") else FINDER


def first_tensor(out: Any) -> Tensor:
    """The tensor that a module returns, or the first of several. TypeError if there is none."""
    if isinstance(out, Tensor):
        return out
    values = list(out.values()) if isinstance(out, dict) else list(out) if isinstance(out, list | tuple) else []
    for value in values:
        return first_tensor(value)
    raise TypeError(f"the module returns a {type(out).__name__}, where a tensor is needed")


def one_pass(module: nn.Module, mode: str) -> Callable[[Tensor], object]:
    """What is timed: a call without a graph, or (`train`) a call and the gradients of the mean square of its output."""
    module.train(mode == "train")

    def infer(x: Tensor) -> object:
        with torch.no_grad():
            return module(x)

    def learn(x: Tensor) -> object:
        first_tensor(module(x)).float().square().mean().backward()
        module.zero_grad(set_to_none=True)
        return None

    return learn if mode == "train" else infer


class Timed:
    """One case of this process: its module, the pass that is timed, and how many calls make a block."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.shape, self.device = case["input"], case["device"]
        self.dtype = getattr(torch, case["dtype"])
        self.module = build(case["make"], self.shape, case["params"]).to(self.device, self.dtype)
        self.call = one_pass(self.module, case["mode"])
        x = self.fresh()
        for _ in range(WARM_CALLS):
            self.call(x)
        self.calls = 1
        spent = min(self.sample()["wall_ms"] for _ in range(2)) / 1e3
        self.calls = min(max(1, round(BLOCK_S / max(spent, 1e-9))), MOST_CALLS)

    def sample(self) -> dict[str, float]:
        """Milliseconds of one call, by quantity: the mean of a block.

        Input, parameters and buffers lie at new addresses for each block, so that luck with them does not stay for the
        life of the process. The first call, which finds the caches as another process left them, is not timed.
        """
        if self.device == "cpu":
            self.move()
        x = self.fresh()
        self.call(x)
        return self.block(x) if self.device == "cpu" else self.block_on_device(x)

    def move(self) -> None:
        """Copies parameters and buffers to other addresses."""
        tensors = [*self.module.parameters(), *self.module.buffers()]
        copies = [(torch.empty(random.randrange(1, MOST_SPACED)), t.data.clone()) for t in tensors]
        for tensor, (_, copy) in zip(tensors, copies, strict=True):
            tensor.data = copy

    def fresh(self) -> Tensor:
        """A random input at another address than the last one."""
        spacer = torch.empty(random.randrange(1, MOST_SPACED))
        made = torch.randn(self.shape, dtype=self.dtype, device=self.device)
        del spacer
        return made

    def block(self, x: Tensor) -> dict[str, float]:
        """The mean of a block on the CPU, by two clocks."""
        cpu, wall = process_time(), perf_counter()
        for _ in range(self.calls):
            self.call(x)
        wall, cpu = perf_counter() - wall, process_time() - cpu
        return {"wall_ms": wall / self.calls * 1e3, "cpu_ms": cpu / self.calls * 1e3}

    def block_on_device(self, x: Tensor) -> dict[str, float]:
        """The same on CUDA, between events; the launches of a block wait for one short sleep of the device."""
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        wall = perf_counter()
        torch.cuda._sleep(1_000_000)
        start.record()
        for _ in range(self.calls):
            self.call(x)
        stop.record()
        stop.synchronize()
        wall = perf_counter() - wall
        return {"wall_ms": wall / self.calls * 1e3, "device_ms": start.elapsed_time(stop) / self.calls}


def built(
    cases: Sequence[dict[str, Any]], checkout: Path, tell: Callable[[str], object]
) -> tuple[dict[str, Timed], dict[str, str]]:
    """The cases that run and are the checkout's, by name, built in an order of chance; what failed, with the reason.

    `tell` hears which case is next.
    """
    timed: dict[str, Timed] = {}
    failed: dict[str, str] = {}
    for case in random.sample(cases, len(cases)):
        tell(case["name"])
        try:
            require_own(case["make"], checkout)
            timed[case["name"]] = Timed(case)
        except Exception as error:
            failed[case["name"]] = told(error)
    return timed, failed


def told(error: Exception) -> str:
    """The error in one line; its traceback goes to the standard error."""
    traceback.print_exception(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def pin(threads: int, cores: Sequence[int]) -> None:
    """So many threads, on these cores where the system lets a process choose, or on all if none are named."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)  # before torch starts its threads, which inherit it
    torch.set_num_threads(threads)


def serve(replies: int) -> None:
    """Builds what the first request lists, then times one block for each later one, until there are no more."""

    def reply(values: dict[str, Any]) -> None:
        os.write(replies, json.dumps(values).encode() + b"\n")

    request = json.loads(sys.stdin.readline())
    random.seed(request["seed"])
    pin(request["threads"], request["cores"])
    checkout = Path(request["checkout"]).resolve()
    timed, failed = built(request["cases"], checkout, lambda name: reply({"building": name}))
    gc.collect()
    gc.disable()
    reply({"failed": failed})
    for line in sys.stdin:
        try:
            reply({"times": timed[json.loads(line)].sample()})
        except Exception as error:
            reply({"why": told(error)})


if __name__ == "__main__":
    serve(int(sys.argv[1]))
