"""One process of the gate: builds modules from the code that it finds on its path, and times them.

    python probe.py REQUEST.json ANSWER.json

It runs in a worktree of another revision, so it imports nothing of ours but what is asked for by name: the harness is
always that of the running avbench, the code under test that of the revision. The answer holds, for each case, samples
in milliseconds, or the reason why there are none.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor, nn

BLOCK_S = 0.02  # the least that a sample lasts, unless one call lasts longer
WARM_CALLS, MOST_CALLS = 3, 10_000
CLASSES = 10


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


def named(make: str) -> Any:
    """The object of that name. ValueError if it cannot be imported."""
    module, colon, attribute = make.partition(":")
    if not colon or module == "timm" or module.endswith(".py"):
        return import_module("avbench.find").find(make)
    try:
        return getattr(import_module(module), attribute)
    except AttributeError:
        raise ValueError(f"{module} has no {attribute}: name what it defines") from None


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
    """One case of this process: its pass, how many calls make a block, and its samples."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.shape, self.device = case["input"], case["device"]
        self.dtype = getattr(torch, case["dtype"])
        module = build(case["make"], self.shape, case["params"]).to(self.device, self.dtype)
        self.call = one_pass(module, case["mode"])
        self.samples: dict[str, list[float]] = {"wall_ms": [], "cpu_ms": []}
        if self.device != "cpu":
            self.samples = {"device_ms": []}
        x = self.fresh()
        for _ in range(WARM_CALLS):
            self.call(x)
        self.calls = 1
        spent = min(self.block(x)["wall_ms"] for _ in range(2)) / 1e3
        self.calls = min(max(1, round(BLOCK_S / max(spent, 1e-9))), MOST_CALLS)

    def fresh(self) -> Tensor:
        """A random input at another address than the last one."""
        spacer = torch.empty(random.randrange(1, 2**16))
        made = torch.randn(self.shape, dtype=self.dtype, device=self.device)
        del spacer
        return made

    def block(self, x: Tensor) -> dict[str, float]:
        """Milliseconds of one call, by quantity: the mean of a block."""
        if self.device != "cpu":
            return self.block_on_device(x)
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

    def sample(self) -> None:
        """One more block, on a new input."""
        times = self.block(self.fresh())
        for quantity, values in self.samples.items():
            values.append(times[quantity])


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Samples by case and quantity, the blocks of all cases in an order of chance; and what failed, by case."""
    torch.set_num_threads(request["threads"])
    chance = random.Random(request["seed"])
    random.seed(request["seed"])
    timed: dict[str, Timed] = {}
    failed: dict[str, str] = {}
    for case in chance.sample(request["cases"], len(request["cases"])):
        try:
            timed[case["name"]] = Timed(case)
        except Exception as error:
            traceback.print_exc()
            failed[case["name"]] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    gc.collect()
    gc.disable()
    order = [name for name in timed for _ in range(request["blocks"])]
    for name in chance.sample(order, len(order)):
        timed[name].sample()
    samples = {name: one.samples for name, one in timed.items()}
    medians = {name: {q: median(v) for q, v in found.items() if v} for name, found in samples.items()}
    return {"samples": samples, "medians": medians, "failed": failed}


if __name__ == "__main__":
    answered = answer(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(answered), encoding="utf-8")
