"""One pass of a network without running it: peak memory, work and traffic, for any size, in a fraction of a second.

Tensors lie on the meta device: they have shapes and no memory. Attention takes the kernel that it would on the CPU.

    peak_bytes      the most that is allocated beyond what rests before the pass
    resting_bytes   parameters, buffers, the input batch (and its labels)

In a training step (forward, loss, backward, AdamW; not the first one) the peak holds gradients, optimiser state,
activations and temporary tensors; the state counts although it outlives the step. suite/memory.py measures the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from suite.account import CATEGORIES, Account, watch
from suite.block import Block
from suite.fold import Fold
from suite.meta import MetaAccount, on_meta
from suite.step import DTYPES, forward_backward, infer, lay_out, random_inputs, random_targets, state_bytes
from variants.contract import Buildable, Folds, Grid


@dataclass(frozen=True)
class Simulated:
    """What one pass would take."""

    peak_bytes: int
    resting_bytes: int
    by_category: Mapping[str, int]  # bytes at the peak, whose sum it is: gradients, optimiser, activations, temporary
    operators: Mapping[str, int]  # calls by name, views left out
    macs_by: Mapping[str, int]  # multiply-adds, by suite.work.KINDS
    other_flops: int  # see suite/work.py
    moved_by: Mapping[str, int]  # bytes read and written, by suite.work.TRAFFIC; under "" those of products
    kernels: int  # calls of operators

    @property
    def macs(self) -> int:
        """All multiply-adds."""
        return sum(self.macs_by.values())

    @property
    def needed_bytes(self) -> int:
        """All that the process holds at the peak."""
        return self.peak_bytes + self.resting_bytes


def simulate(
    design: Buildable, task: str, classes: int, size: Grid,
    batch: int = 1, mode: str = "inference", dtype: str = "float32", backend: str = "sdpa",
    memory_format: str = "contiguous", fold: Fold | None = None,
) -> Simulated:  # fmt: skip
    """Simulates inference or a training step (`mode`) of the design on images of this size in pixels.

    `fold` keeps what was seen of equal blocks, for simulations that differ in task, classes, batch or mode alone.
    """
    with torch.device("meta"):
        network = built(design, task, classes, size, fold)
        if DTYPES[dtype] != torch.get_default_dtype():
            network.to(DTYPES[dtype])
        lay_out(network, memory_format)
        if fold is not None:
            fold.take()
        images = random_inputs(network, size, batch, dtype, "meta", memory_format)
        targets = random_targets(task, classes, size, batch, "meta") if mode == "train" else None
    with on_meta(backend):
        account = pass_over(network, images, targets, fold)
        if account.leaves:  # a mask perhaps, which is there before the second pass
            account = pass_over(network, images, targets, fold)
    return result(account)


def built(design: Buildable, task: str, classes: int, size: Grid, fold: Fold | None) -> nn.Module:
    """The network; where the design can fold it and may, equal blocks are one."""
    if fold is None or not isinstance(design, Folds):
        return design.build(task, classes, size)
    network: nn.Module = design.folded(task, classes, size, fold.made)
    return network


def pass_over(network: nn.Module, images: Tensor, targets: Tensor | None, fold: Fold | None) -> Account:
    """The account of an inference; with targets, of a training step but for AdamW, whose state is there already."""
    account, rest = MetaAccount(), Resting(network, fold)
    if fold is not None:
        fold.account = account
    if targets is None:
        watch(account, rest, [images], [], lambda: infer(network.eval(), images))
    else:
        network.train().zero_grad()
        run = partial(forward_backward, network, images, targets, account.enter_phase)
        state = torch.empty(rest.state_bytes, dtype=torch.uint8, device="meta")
        watch(account, rest, [images, targets], [state], run)
    account.resting_bytes += rest.folded_bytes
    return account


class Resting:
    """What a network holds before a pass: what is around the blocks that profiles stand in for, and these."""

    def __init__(self, network: nn.Module, fold: Fold | None) -> None:
        self.modules: list[nn.Module] = []
        self.folded_bytes = self.state_bytes = 0  # in the blocks, as often as they are used; of AdamW, for all weights
        self._add(network, {} if fold is None else fold.blocks)
        self.state_bytes += sum(state_bytes(p) for p in self.parameters() if p.requires_grad)

    def _add(self, module: nn.Module, blocks: Mapping[nn.Module, Block]) -> None:
        self.modules.append(module)
        for child in filter(None, module._modules.values()):  # `children` would leave out equal ones
            if child in blocks:
                self.folded_bytes += blocks[child].resting_bytes
                self.state_bytes += blocks[child].state_bytes
            else:
                self._add(child, blocks)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those around the blocks."""
        yield from dict.fromkeys(chain.from_iterable(m.parameters(recurse=False) for m in self.modules))

    def buffers(self) -> Iterator[Tensor]:
        """Those around the blocks."""
        yield from chain.from_iterable(m.buffers(recurse=False) for m in self.modules)


def result(account: Account) -> Simulated:
    """What the account says once the pass is over. A training step ends with AdamW in one kernel."""
    state = account.at_peak["optimiser"]
    operators = dict(account.operators) | ({"_foreach_add_": 1, "_fused_adamw_": 1} if state else {})
    return Simulated(
        peak_bytes=account.peak_bytes,
        resting_bytes=account.resting_bytes,
        by_category={name: account.at_peak[name] for name in CATEGORIES},
        operators=operators,
        macs_by=dict(account.macs_by),
        other_flops=account.other_flops,
        moved_by=dict(
            account.moved_by + Counter(plain=7 * state // 2)
        ),  # AdamW reads weight, gradient, 2 moments, writes 3
        kernels=sum(operators.values()),
    )
