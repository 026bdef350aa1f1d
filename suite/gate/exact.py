"""The exact tier: parameters, multiply-adds, operators by name, peak and workspace bytes, each equal or not.

Multiply-adds are those of torch's counter on the meta device, or with plain attention where a module does not run
there. Operators, peak and workspace are those of one warm pass at one thread, as suite/memory.py measures it; the
output of a module is taken for logits, so that a training step has a loss.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from suite import memory
from suite.account import Account
from suite.gate.probe import build, first_tensor
from suite.gate.target import Target
from suite.step import attention_backend, forward_backward, infer

Figures = dict[str, Any]
"""params, macs, peak_bytes, workspace_bytes: whole numbers; operators: calls by name."""


@dataclass(frozen=True)
class Difference:
    """One figure of one case that is not what it was."""

    case: str
    what: str
    expected: int | None  # None: the case, or the operator, is new
    found: int | None  # None: it is gone

    def __str__(self) -> str:
        if self.expected is None or self.found is None:
            return f"{self.case}: {self.what} is {'new' if self.expected is None else 'gone'}"
        return f"{self.case}: {self.what} was {self.expected:,}, is {self.found:,} ({self.found - self.expected:+,})"


class Logits(nn.Module):
    """A module whose output, whatever its shape, becomes logits `b k`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        out = first_tensor(self.module(x))
        return out.flatten(1) if out.dim() > 1 else out[None]


def machine() -> str:
    """What decides exact figures beside the code: a baseline is good for one of these."""
    torch_ = torch.__version__.split("+")[0]
    return f"torch {torch_}, {platform.machine()} {torch.backends.cpu.get_cpu_capability()}, 1 thread"


def importable(root: Path, path: Sequence[str]) -> None:
    """Puts the folders `path` of a repository first among the places of modules, so that no installed copy is measured.

    Ours are imported before, so that none of its folders is taken for one of them.
    """
    for ours in ("avbench", "reports", "suite", "variants"):
        import_module(ours)
    sys.path[:0] = [place for part in path if (place := str((root / part).resolve())) not in sys.path]


def figures(target: Target, module: nn.Module | None = None) -> Figures:
    """The figures of a target, or of a module in its place. Raises whatever the module raises."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _figures(target, build(target.make, target.input, target.params) if module is None else module)
    finally:
        torch.set_num_threads(before)


def _figures(target: Target, module: nn.Module) -> Figures:
    dtype = getattr(torch, target.dtype)
    network = Logits(module).to(target.device, dtype)
    x = torch.randn(target.input, dtype=dtype, device=target.device)
    answer = infer(network.eval(), x)
    labels = torch.zeros(len(answer), dtype=torch.int64, device=target.device)
    targets = labels if target.mode == "train" else None
    macs = counted(network, x)
    taken = memory.measure(network, x, targets, target.mode, target.device)
    return {
        "params": sum(p.numel() for p in network.parameters()),
        "macs": macs,
        "peak_bytes": taken.peak_bytes,
        "workspace_bytes": taken.workspace_bytes,
        "operators": operators(network, x, targets),
    }


def counted(network: nn.Module, x: Tensor) -> int:
    """Multiply-adds of one pass forward."""
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as mode:
            deepcopy(network).to("meta")(torch.empty_like(x, device="meta"))
    except Exception:  # a module that makes tensors of its own on the CPU
        with torch.no_grad(), attention_backend("math"), FlopCounterMode(display=False) as mode:
            network(x)
    return mode.get_total_flops() // 2


def operators(network: nn.Module, x: Tensor, targets: Tensor | None) -> dict[str, int]:
    """How often each operator is called in one pass, views left out; sorted by name."""
    account = Account()
    network.train(targets is not None)
    with account:
        if targets is None:
            infer(network, x)
        else:
            forward_backward(network, x, targets)
    network.zero_grad(set_to_none=True)
    return dict(sorted(account.operators.items()))


def differences(expected: dict[str, Figures], found: dict[str, Figures]) -> list[Difference]:
    """Every figure that differs, in either direction; cases that are missing or extra too."""
    result = []
    for case in sorted({*expected, *found}):
        if case not in found or case not in expected:
            result.append(Difference(case, "the case", *((0, None) if case not in found else (None, 0))))
            continue
        before, after = flat(expected[case]), flat(found[case])
        for what in sorted({*before, *after}):
            if before.get(what) != after.get(what):
                result.append(Difference(case, what, before.get(what), after.get(what)))
    return result


def flat(figures: Figures) -> dict[str, int]:
    """The figures by name, an operator's calls as `calls of NAME`."""
    calls = {f"calls of {name}": count for name, count in figures["operators"].items()}
    return {key: value for key, value in figures.items() if key != "operators"} | calls
