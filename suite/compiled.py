"""torch.compile, and what it takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

with warnings.catch_warnings():  # torch scripts functions that we never call, and deprecates that
    warnings.simplefilter("ignore", DeprecationWarning)
    import torch._inductor.compile_fx  # here, or the first network would be charged for it
    from torch._dynamo.utils import counters
    from torch._inductor.utils import fresh_cache

from suite.machine import seconds

PASSES = 5  # the most, of which the last should compile nothing


class NotCompiledError(RuntimeError):
    """Nothing of a network was compiled: its numbers would be those of the plain one."""


@dataclass(frozen=True)
class Compilation:
    """What compiling a network took."""

    seconds: float  # the passes that compile over one that does not: tracing, generating and building code
    graphs: int  # the pieces that were compiled, each as often as it was
    breaks: int  # reasons for which the network fell into pieces


def compile_by(network: nn.Module, run: Callable[[], object], device: str) -> Compilation:
    """Compiles the network for what `run` does with it, in a cache of its own, so that nothing is found there.

    NotCompiledError if torch gave up and runs the network as it is.
    """
    start_compiler(device)
    torch._dynamo.reset()  # or the eighth network of one class would stay as it is
    counters.clear()
    network.compile()
    took, before, graphs = list[float](), -1, 0
    with fresh_cache():
        while graphs > before and len(took) < PASSES:  # a network that keeps a mask is compiled again, with it
            took.append(seconds(run, device))
            before, graphs = graphs, counters["stats"]["unique_graphs"]
    if not graphs:
        raise NotCompiledError("torch.compile compiled nothing of the network: choose --compile no")
    return Compilation(max(0.0, sum(took) - len(took) * took[-1]), graphs, sum(counters["graph_break"].values()))


@cache
def start_compiler(device: str) -> None:
    """Compiles next to nothing, so that no network is charged for what a process, or a user, needs once."""
    torch.compile(torch.sin)(torch.ones(8, device=device))
