"""Parameters and multiply-adds, exact: three independent counts that must agree to the unit.

One multiply-accumulate is one MAC. The counts are the network's own formula, fvcore with our handles (suite/trace.py)
and torch's FlopCounterMode, all on the meta device, where an image of any size costs no memory. What is not a
multiply-add (norms, activations, softmax) is `other_flops`, counted by suite/simulate.py, and never added to `macs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from suite.shapes import Remembered
from suite.simulate import simulate
from suite.step import random_inputs
from suite.trace import CountError, fvcore_macs
from variants.contract import Buildable, Grid

__all__ = ["CountError", "Counts", "agreed_macs", "count", "formula_macs", "fvcore_macs", "parameters", "torch_macs"]


@dataclass(frozen=True)
class Counts:
    """What a network weighs, and what one image costs it."""

    params: int
    params_head: int
    params_grid: int  # those of the body that grow with the resolution
    macs: int
    other_flops: int


def count(design: Buildable, task: str, classes: int, size: Grid) -> Counts:
    """The counts of the design for images of this size in pixels. CountError if they do not agree."""
    with torch.device("meta"):
        network = design.build(task, classes, size).eval()
    other = simulate(design, task, classes, size).other_flops
    return Counts(*parameters(network), agreed_macs(network, size), other)


def parameters(network: Any) -> tuple[int, int, int]:
    """All parameters, those of the head, those that grow with the grid. CountError if the stated ones do not add up."""
    total = sum(p.numel() for p in network.parameters())
    if not hasattr(network, "parameter_count"):
        return total, 0, 0
    stated = network.parameter_count()
    if stated["body"] + stated["head"] != total:
        raise CountError(f"parameter_count() states body {stated['body']} + head {stated['head']}, there are {total}")
    return total, stated["head"], stated["grid"]


def agreed_macs(network: nn.Module, size: Grid) -> int:
    """The multiply-adds on which all counts agree. CountError, with every number, if they do not.

    A network without `macs(size)` has two counts instead of three.
    """
    counts = {"fvcore": fvcore_macs(network, size), "torch": torch_macs(network, size)}
    if hasattr(network, "macs"):
        counts = {"the formula": formula_macs(network, size)} | counts
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {number}" for name, number in counts.items())
        raise CountError(f"the counts of multiply-adds at {size} disagree: {told}; correct the one that is wrong")
    return counts["torch"]


def formula_macs(network: Any, size: Grid) -> int:
    """What the network states of itself."""
    return int(network.macs(size))


def torch_macs(network: nn.Module, size: Grid) -> int:
    """What FlopCounterMode counts for one image; the network's parameters lie on the meta device."""
    return dispatched_macs(network, random_inputs(network, size, 1, "float32", "meta"))


def dispatched_macs(module: nn.Module, x: Tensor) -> int:
    """What FlopCounterMode counts of any module for its input; both lie on the meta device."""
    with torch.no_grad(), Remembered(), FlopCounterMode(display=False) as mode:
        module(x)
    return mode.get_total_flops() // 2
