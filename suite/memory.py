"""Peak memory of one pass, measured.

The quantity is that of suite/simulate.py: the most that is allocated beyond parameters, buffers and the batch, by a
warm pass. In a training step the optimiser's state belongs to it.

On the CPU the peak is the running maximum of the profiler's memory events: exact, and it sees what kernels allocate
inside, and which operator runs when it is reached. An account of live tensors (suite/account.py) is the second opinion,
which knows the parts; what it misses is the workspace, inside that operator. The pages that the kernel saw in use are a
cross-check of large peaks. On CUDA the allocator keeps the peak itself; requested and reserved bytes stand beside it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile

from suite.account import CATEGORIES, RESTING, Account, hold_resting, watch
from suite.process import give_back, reset_peak, status_bytes
from suite.step import finite, infer, optimiser_of, state_tensors, train
from suite.work import ATTENTION

LARGE = 100_000_000  # bytes: below, what the process holds besides hides the peak from the kernel's count

Pass = Callable[..., Tensor]  # takes `entering=`, see suite/step.py


@dataclass(frozen=True)
class Footprint:
    """What one pass took, in bytes."""

    peak_bytes: int
    resting_bytes: int  # parameters, buffers, the batch
    by_category: Mapping[str, int]  # parameters, input; of the live bytes: gradients, optimiser, activations, temporary
    live_bytes: int | None = None  # the peak by the second opinion: explicit tensors alone
    workspace_bytes: int | None = None  # by how much the two differ: what kernels allocated inside
    requested_bytes: int | None = None  # CUDA: the peak before the allocator rounds up
    reserved_bytes: int | None = None  # CUDA: what the allocator held of the device at most
    resident_bytes: int | None = None  # CPU: the peak by the kernel's count of pages, where that is large
    peak_inside: tuple[str, ...] = ()  # CPU: the operators that ran when the peak was reached, outermost first
    attention: tuple[str, ...] = ()  # the kernels that scaled_dot_product_attention chose, if any

    def in_bytes(self) -> dict[str, int]:
        """Every number that is known, but for the cross-check, by the name of its metric."""
        names = "peak resting live workspace requested reserved".split()
        known = {f"{name}_bytes": getattr(self, f"{name}_bytes") for name in names}
        known |= {f"{name}_bytes": value for name, value in self.by_category.items()}
        return {name: value for name, value in known.items() if value is not None}


class Peak(NamedTuple):
    """The most that was alive, and the operators that ran when it was reached, outermost first."""

    size: int  # in bytes
    inside: tuple[str, ...]


class AccountError(RuntimeError):
    """Allocations and frees do not add up to what is alive."""


def measure(
    network: nn.Module, images: Tensor, targets: Tensor | None, mode: str, device: str, compiled: bool = False
) -> Footprint:
    """The footprint of inference or of a training step (`mode`), which needs targets. Runs three passes, four if large.

    Where anything is compiled there is no second opinion: the account would see operators as written, not as compiled.
    NotFiniteError if the first pass gives no finite numbers.
    """
    run, state = prepared(network, images, targets, mode)
    finite(run(), "the answer" if mode == "inference" else "the loss")
    gc.collect()
    told, inside = profiled(run) if device == "cpu" else (allocated(run), ())
    kept = bytes_of(state)
    taken: dict[str, Any] = {n: value + (0 if n == "reserved_bytes" else kept) for n, value in told.items()}
    taken["peak_inside"] = inside
    account, batch = Account(), [images] if targets is None else [images, targets]
    if compiled:
        hold_resting(account, network, batch, state)
        return Footprint(**taken, resting_bytes=account.resting_bytes, by_category=parts(account, known=True))
    watch(account, network, batch, state, partial(run, entering=account.enter_phase))
    exact = taken.get("requested_bytes", taken["peak_bytes"])
    return Footprint(
        **taken,
        resting_bytes=account.resting_bytes,
        by_category=parts(account),
        live_bytes=account.peak_bytes,
        workspace_bytes=exact - account.peak_bytes,
        attention=tuple(sorted(ATTENTION & set(account.operators))),
    )


def parts(account: Account, known: bool = False) -> dict[str, int]:
    """Bytes by category at the peak; or those alone that are known before any pass."""
    return {name: account.at_peak[name] for name in (*RESTING, *(("optimiser",) if known else CATEGORIES))}


def bytes_of(tensors: list[Tensor]) -> int:
    """What they hold."""
    return sum(t.untyped_storage().nbytes() for t in tensors)


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


def profiled_peak(run: Pass) -> Peak:
    """The running maximum of what the CPU's allocator gave out during the pass. AccountError if it does not close."""
    with profile(use_kineto=True, profile_memory=True) as profiler:
        out = run()
    events = sorted(profiler.kineto_results.events(), key=lambda e: e.start_ns())
    live = peak = reached = 0
    for event in (e for e in events if e.name() == "[memory]"):
        live += event.nbytes()
        if live > peak:
            peak, reached = live, event.start_ns()
    if live != out.untyped_storage().nbytes():
        kept = out.untyped_storage().nbytes()
        raise AccountError(f"after the pass {live} bytes are alive, its result holds {kept}: the network keeps tensors")
    return Peak(peak, running(events, reached))


def running(events: Iterable[Any], moment: int) -> tuple[str, ...]:
    """The operators in whose time the moment (ns) lies, but for those that only allocate."""
    at = (e for e in events if e.start_ns() <= moment <= e.start_ns() + e.duration_ns())
    names = (e.name().removeprefix("aten::") for e in at if "::" in e.name() and "autograd::" not in e.name())
    return tuple(name for name in names if not name.startswith(("empty", "resize_")))


def profiled(run: Pass) -> tuple[dict[str, int], tuple[str, ...]]:
    """The peak on the CPU, and inside what; of a large one also the resident set's growth, by an unwatched pass."""
    peak = profiled_peak(run)
    resident = resident_growth(run) if peak.size >= LARGE else None
    return {"peak_bytes": peak.size} | ({} if resident is None else {"resident_bytes": resident}), peak.inside


def resident_growth(run: Pass) -> int | None:
    """By how much the pages that this process holds grew at most during a pass; None where the system cannot say."""
    give_back()
    if not reset_peak():
        return None
    before = status_bytes("VmRSS")
    run()
    return status_bytes("VmHWM") - before


def allocated(run: Pass) -> dict[str, int]:
    """What the allocator of the current CUDA device says of a pass, beyond what rests before it."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_stats()
    run()
    torch.cuda.synchronize()
    stats = torch.cuda.memory_stats()
    return {
        "peak_bytes": stats["allocated_bytes.all.peak"] - before["allocated_bytes.all.current"],
        "requested_bytes": stats["requested_bytes.all.peak"] - before["requested_bytes.all.current"],
        "reserved_bytes": stats["reserved_bytes.all.peak"],
    }
