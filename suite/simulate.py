"""One pass of a network without running it: peak memory, work and traffic, for any size, in a fraction of a second.

Tensors lie on the meta device: they have shapes and no memory. Attention takes the kernel that it would on the CPU.

    peak_bytes      the most that is allocated beyond what rests before the pass
    resting_bytes   parameters, buffers, the input batch (and its labels)

In a training step (forward, loss, backward, AdamW; not the first one) the peak holds gradients, optimiser state,
activations and temporary tensors; the state counts although it outlives the step. suite/memory.py measures the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from suite.account import CATEGORIES, Account, watch
from suite.shapes import run_on_meta
from suite.step import DTYPES, attention_backend, forward_backward, infer, random_inputs, random_targets
from variants.contract import Buildable, Grid


@dataclass(frozen=True)
class Simulated:
    """What one pass would take."""

    peak_bytes: int
    resting_bytes: int
    by_category: Mapping[str, int]  # bytes at the peak, whose sum it is: gradients, optimiser, activations, temporary
    operators: Mapping[str, int]  # calls by name, views left out
    macs_by: Mapping[str, int]  # multiply-adds, by suite.account.KINDS
    other_flops: int  # see suite/account.py
    moved_bytes: int  # read and written, summed over operators
    kernels: int  # calls of operators

    @property
    def macs(self) -> int:
        """All multiply-adds."""
        return sum(self.macs_by.values())


def simulate(
    design: Buildable, task: str, classes: int, size: Grid,
    batch: int = 1, mode: str = "inference", dtype: str = "float32", backend: str = "sdpa",
) -> Simulated:  # fmt: skip
    """Simulates inference or a training step (`mode`) of the design on images of this size in pixels."""
    with torch.device("meta"):
        network = design.build(task, classes, size).to(DTYPES[dtype])
        images = random_inputs(network, size, batch, dtype, "meta")
        targets = random_targets(task, classes, size, batch, "meta")
    with torch.device("meta"), attention_backend(backend), Attention(backend == "math"):
        if mode == "inference":
            return result(pass_over(network, images))
        return result(training_step(network, images, targets))


def pass_over(network: nn.Module, images: Tensor) -> Account:
    """The account of one inference."""
    return watch(MetaAccount(), network.eval(), [images], [], lambda: infer(network, images))


def training_step(network: nn.Module, images: Tensor, targets: Tensor) -> Account:
    """The account of one training step, but for AdamW, whose state is there from a step before."""
    network.train()
    weights = [p for p in network.parameters() if p.requires_grad]
    state = [t for p in weights for t in (torch.empty_like(p), torch.empty_like(p), torch.empty(()))]  # and step counts
    account = MetaAccount()
    run = partial(forward_backward, network, images, targets, account.enter_phase)
    return watch(account, network, [images, targets], state, run)


class MetaAccount(Account):
    """The account of a pass over meta tensors."""

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        return run_on_meta(func, args, kwargs)


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
        moved_bytes=account.moved_bytes + 7 * state // 2,  # AdamW: reads weight, gradient, 2 moments, writes 3
        kernels=sum(operators.values()),
    )


class Attention(TorchFunctionMode):
    """Gives attention on the meta device the kernel that it takes on the CPU; torch gives it the plain form."""

    def __init__(self, plain: bool) -> None:
        super().__init__()
        self.plain = plain

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention or self.plain or not fuses(*args, **kwargs):
            return func(*args, **kwargs)
        return fused_attention(*args, **kwargs)


def fused_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """The signature of scaled_dot_product_attention, by the kernel of the CPU, which shares keys by itself."""
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.where(attn_mask, 0.0, torch.full((), -torch.inf, dtype=query.dtype))
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]


def fuses(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **options: Any
) -> bool:
    """Whether torch takes the fused kernel on the CPU for arguments of these shapes."""
    tensors = (query, key, value) if attn_mask is None else (query, key, value, attn_mask)
    kinds = tuple((tuple(t.shape), t.stride(), t.dtype, t.requires_grad) for t in tensors)
    return takes_fused_kernel(kinds, torch.is_grad_enabled(), args, tuple(sorted(options.items())))


@cache
def takes_fused_kernel(kinds: tuple[Any, ...], grad: bool, args: tuple[Any, ...], options: tuple[Any, ...]) -> bool:
    """Asks torch, with fake CPU tensors of these (shape, strides, dtype, needs gradient)."""
    account = Account()
    with _disable_current_modes(), FakeTensorMode(), torch.set_grad_enabled(grad):
        tensors: list[Any] = [
            torch.empty_strided(shape, stride, dtype=dtype, device="cpu").requires_grad_(needs)
            for shape, stride, dtype, needs in kinds
        ]
        mask = [None] if len(tensors) == 3 else []
        with account:
            F.scaled_dot_product_attention(*tensors, *mask, *args, **dict(options))
    return "_scaled_dot_product_flash_attention_for_cpu" in account.operators
