"""Peak memory of one pass, measured.

The quantity is that of suite/simulate.py: the most that is allocated beyond parameters, buffers and the batch, by a
warm pass. In a training step the optimiser's state belongs to it.

On the CPU the peak is the running maximum of the profiler's memory events: exact, and it sees what kernels allocate
inside. An account of live tensors (suite/account.py) is the second opinion; what it misses is the workspace. On CUDA
the allocator keeps the peak itself; requested and reserved bytes stand beside it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile

from suite.account import CATEGORIES, Account, watch
from suite.step import finite, infer, optimiser_of, state_tensors, train

Pass = Callable[..., Tensor]  # takes `entering=`, see suite/step.py


@dataclass(frozen=True)
class Footprint:
    """What one pass took, in bytes."""

    peak_bytes: int
    resting_bytes: int
    workspace_bytes: int  # of the peak, what kernels allocated inside: peak_bytes - live_bytes
    live_bytes: int  # the peak by the second opinion: explicit tensors alone
    by_category: Mapping[str, int]  # its parts: gradients, optimiser, activations, temporary
    requested_bytes: int | None = None  # CUDA: the peak before the allocator rounds up
    reserved_bytes: int | None = None  # CUDA: what the allocator held of the device at most


class AccountError(RuntimeError):
    """Allocations and frees do not add up to what is alive."""


def measure(network: nn.Module, images: Tensor, targets: Tensor | None, mode: str, device: str) -> Footprint:
    """The footprint of inference or of a training step (`mode`), which needs targets. Runs three passes.

    NotFiniteError if the first gives no finite numbers.
    """
    run, state = prepared(network, images, targets, mode)
    finite(run(), "the answer" if mode == "inference" else "the loss")
    gc.collect()
    exact = measure_cuda(run) if device.startswith("cuda") else {"peak_bytes": profiled_peak(run)}
    exact["peak_bytes"] += sum(t.untyped_storage().nbytes() for t in state)
    batch = [images] if targets is None else [images, targets]
    account = Account()
    watch(account, network, batch, state, partial(run, entering=account.enter_phase))
    return Footprint(
        **exact,
        resting_bytes=account.resting_bytes,
        workspace_bytes=exact["peak_bytes"] - account.peak_bytes,
        live_bytes=account.peak_bytes,
        by_category={name: account.at_peak[name] for name in CATEGORIES},
    )


def prepared(network: nn.Module, images: Tensor, targets: Tensor | None, mode: str) -> tuple[Pass, list[Tensor]]:
    """The pass, and the optimiser's state that it will use."""
    if mode == "inference":
        network.eval()
        return lambda entering=None: infer(network, images), []
    if targets is None:
        raise ValueError("a training step needs targets: give labels for the images")
    network.train()
    optimiser = optimiser_of(network)
    train(network, optimiser, images, targets)
    return partial(train, network, optimiser, images, targets), state_tensors(optimiser)


def profiled_peak(run: Pass) -> int:
    """The running maximum of what the CPU's allocator gave out during the pass. AccountError if it does not close."""
    with profile(use_kineto=True, profile_memory=True) as profiler:
        out = run()
    events = [e for e in profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    if live != out.untyped_storage().nbytes():
        kept = out.untyped_storage().nbytes()
        raise AccountError(f"after the pass {live} bytes are alive, its result holds {kept}: the network keeps tensors")
    return peak


def measure_cuda(run: Pass) -> dict[str, int]:
    """What the CUDA allocator says of a pass, beyond what rests before it."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    resting = torch.cuda.memory_stats()
    run()
    torch.cuda.synchronize()
    stats = torch.cuda.memory_stats()
    requested = stats["requested_bytes.all.peak"] - resting["requested_bytes.all.current"]
    return {
        "peak_bytes": torch.cuda.max_memory_allocated() - resting["allocated_bytes.all.current"],
        "requested_bytes": requested,
        "reserved_bytes": stats["reserved_bytes.all.peak"],
    }
