"""What every mixer must keep by itself: on any grid, for any images, whatever it pads with."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.count import dispatched_macs
from suite.trace import traced_macs
from variants.contract import Grid, Mixer

GRIDS = (Grid(1, 1), Grid(1, 7), Grid(5, 3), Grid(9, 8), Grid(13, 11))
COUNTED = (*GRIDS, Grid(32, 24))
LARGE = (Grid(9, 8), Grid(13, 11))  # large enough that every parameter has a use


@dataclass(frozen=True)
class Met:
    """A mixer that was met in a network, every number of it drawn anew, and the channels that it was given."""

    mixer: Mixer
    dim: int

    def __str__(self) -> str:
        stride = getattr(self.mixer, "stride", 1)
        return type(self.mixer).__name__ + (f" with stride {stride}" if stride != 1 else "")

    def run(self, grid: Grid, batch: int) -> tuple[Tensor, Tensor]:
        """Input and output for random images."""
        x = torch.randn(batch, grid.y, grid.x, self.dim, dtype=torch.float64)
        with torch.no_grad():
            return x, self.mixer(x)

    def wanted(self, grid: Grid, batch: int) -> tuple[int, ...]:
        """The shape of the output. A mixer that strides or widens itself states `stride` and `out` as numbers."""
        stated = {key: getattr(self.mixer, key, None) for key in ("stride", "out")}
        after = grid.reduced(stated["stride"]) if isinstance(stated["stride"], int) else grid
        return batch, after.y, after.x, stated["out"] if isinstance(stated["out"], int) else self.dim


def meet(network: nn.Module, size: Grid) -> list[Met]:
    """The mixers of a network for images of this size, one of each class and stride."""
    met: dict[str, Met] = {}

    def look(mixer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(mixer, Mixer):
            one = Met(mixer, inputs[0].shape[-1])
            met.setdefault(str(one), one)

    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, Mixer)]
    with torch.no_grad():
        network.eval()(torch.randn(1, 3, size.y, size.x))
    for hook in hooks:
        hook.remove()
    return [Met(redrawn(one.mixer), one.dim) for one in met.values()]


def redrawn(mixer: Mixer) -> Mixer:
    """A copy in float64 in which no gate is shut and no bias is zero."""
    mixer = deepcopy(mixer).double().eval()
    for parameter in mixer.parameters():
        nn.init.normal_(parameter, std=0.3)
    return mixer


def keeps_shape(met: Met, grids: Sequence[Grid] = GRIDS) -> str:
    """Whether the output has the right shape, is finite, and that of an image depends on no other image."""
    for i, grid in enumerate(grids):
        x, out = met.run(grid, batch := 3 - i % 3)
        if tuple(out.shape) != met.wanted(grid, batch):
            return f"on the grid {grid} it made {tuple(out.shape)} of {tuple(x.shape)}: it must return the same shape"
        if not out.isfinite().all():
            return f"on the grid {grid} its output is not finite"
        with torch.no_grad():
            alone = torch.cat([met.mixer(image[None]) for image in x])
        if not torch.allclose(alone, out, 1e-7, 1e-9):
            return f"on the grid {grid} the output of an image changes with the rest of the batch"
    return ""


def reaches_all(met: Met, grids: Sequence[Grid]) -> str:
    """Whether a finite gradient that is not zero reaches the input and every parameter, on grids where none is idle.

    On a single row, say, what a mixer says of columns of one place changes nothing.
    """
    learnt = {name: p for name, p in met.mixer.named_parameters() if p.requires_grad}
    for grid in grids:
        x = torch.randn(1, grid.y, grid.x, met.dim, dtype=torch.float64, requires_grad=True)
        out = met.mixer(x)
        slopes = torch.autograd.grad((out * torch.randn_like(out)).sum(), (x, *learnt.values()), allow_unused=True)
        for name, slope in zip(("its input", *learnt), slopes, strict=True):
            if slope is None or not slope.any():
                return f"on the grid {grid} no gradient reaches {name}"
            if not slope.isfinite().all():
                return f"on the grid {grid} the gradient of {name} is not finite"
    return ""


def keeps_padding_out(met: Met, grids: Sequence[Grid] = GRIDS) -> str:
    """Whether the output is the same whatever F.pad fills in, unless zeros are part of what the mixer is."""
    if met.mixer.pads_with_zeros:
        return ""
    for grid in grids:
        x, out = met.run(grid, 1)
        with torch.no_grad(), patch.object(F, "pad", lambda t, pads, *_, **__: torch.constant_pad_nd(t, pads, 7.0)):
            other = met.mixer(x)
        if not torch.allclose(out, other, 1e-7, 1e-9):
            return f"on the grid {grid} the output changes with what it is padded with: mask what is padded"
    return ""


def is_its_formula(met: Met, grids: Sequence[Grid] = COUNTED) -> str:
    """Whether `macs(grid)` is what torch counts on each grid, and what fvcore counts on the last one."""
    mixer = deepcopy(met.mixer).to("meta")
    for grid in grids:
        x = torch.empty(1, grid.y, grid.x, met.dim, device="meta", dtype=torch.float64)
        counts = {"torch": dispatched_macs(mixer, x)} | ({"fvcore": traced_macs(mixer, x)} if grid is grids[-1] else {})
        for counter, counted in counts.items():
            if counted != (stated := mixer.macs(grid)):
                return f"on the grid {grid} it states {stated} multiply-adds, {counter} counts {counted}"
    return ""
