"""Chain: how many operators of a pass must wait for one another, whatever the number of processors.

Each tensor made from the input has a depth: one more than the deepest that its operator reads. The chain is the depth
of the output. A product counts one, however large; so does a kernel that fuses several steps. Views count nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from suite.meta import OnMeta
from suite.shapes import run_on_meta
from suite.step import random_inputs
from suite.work import Work, tensors_of
from variants.contract import Grid


def sequential_steps(network: nn.Module, size: Grid) -> int:
    """The chain of a network, or of a mixer alone, whose parameters lie on the meta device, for one input."""
    x = random_inputs(network, size, 1, "float32", "meta")
    with torch.no_grad(), OnMeta(plain=False), Depths(x) as depths:
        out = network.eval()(x)
    return depths.of(out)


class Depths(TorchDispatchMode):
    """Counts while it is entered, from an input on."""

    def __init__(self, source: Tensor) -> None:
        super().__init__()
        self.source = source
        self.depths: dict[int, int] = {}  # by address of a storage, which is kept, so that no address comes twice
        self.kept: list[Any] = []
        self.set(source, 0)

    def of(self, tensor: Tensor) -> int:
        """The depth of a tensor; -1 of one that does not depend on the input."""
        return self.depths.get(tensor.untyped_storage()._cdata, -1)

    def set(self, tensor: Tensor, depth: int) -> None:
        storage = tensor.untyped_storage()
        self.depths[storage._cdata] = depth
        self.kept.append(storage)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = run_on_meta(func, args, kwargs)
        deepest = max((self.of(t) for t in tensors_of([*args, *kwargs.values()])), default=-1)
        if deepest >= 0 and not Work(func).ignored:
            for tensor in tensors_of(out):
                self.set(tensor, deepest + 1)
        return out
