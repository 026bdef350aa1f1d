"""An account of every tensor that operators allocate and free, and of the work they do, as torch dispatches them.

It sees explicit operators only: what a kernel allocates inside itself (its workspace) is hidden from it. Real and fake
tensors are alike to it, so the same account simulates a pass and gives the second opinion on a measured one.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from suite.work import Cost, Work, tensors_of, work_of

RESTING = ("parameters", "input")  # categories that lie there before the pass and are not part of its peak
CATEGORIES = ("gradients", "optimiser", "activations", "temporary")


@dataclass(frozen=True)
class Segment:
    """A part of a pass: what it allocates and frees, and its work. Bytes are by category, over what was."""

    grown: Mapping[str, int]  # at its end
    high: Mapping[str, int]  # at its peak
    operators: Counter[str]
    macs_by: Counter[str]
    moved_by: Counter[str]
    other_flops: int


class Account(TorchDispatchMode):
    """Counts while it is entered. Tensors made before have to be told by `hold`, or an in-place update would count."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = "activations"  # the category of what is allocated next
        self.live = dict.fromkeys((*RESTING, *CATEGORIES), 0)  # bytes
        self.held: dict[int, tuple[weakref.ref[Any], int, str]] = {}  # by address of the storage
        self.resting_bytes = self.live_bytes = 0
        self.muted = False
        self._begin()

    def _begin(self) -> None:
        self.since, self.at_peak, self.peak_bytes = dict(self.live), dict(self.live), self.live_bytes
        self.operators: Counter[str] = Counter()
        self.macs_by: Counter[str] = Counter()  # by KINDS
        self.moved_by: Counter[str] = Counter()  # bytes, by TRAFFIC
        self.other_flops = 0

    def hold(self, tensors: Iterable[Tensor], category: str) -> None:
        """Enters tensors that exist already, each storage once; one held before only changes its category."""
        for tensor in tensors:
            self._enter(tensor, category)

    def hold_gradient(self, parameter: Tensor) -> None:
        """Enters the gradient of a parameter, which was a temporary tensor until now."""
        if parameter.grad is not None:
            self.hold([parameter.grad], "gradients")

    def enter_phase(self, category: str) -> None:
        """From now on allocations belong to this category."""
        self.phase = category

    def cut(self) -> Segment:
        """What was counted since the last cut, or the beginning. The account goes on with what is alive, all else 0."""
        grown, high = ({k: at[k] - self.since[k] for k in CATEGORIES} for at in (self.live, self.at_peak))
        segment = Segment(grown, high, self.operators, self.macs_by, self.moved_by, self.other_flops)
        self._begin()
        return segment

    def play(self, segment: Segment) -> None:
        """Counts the segment as if it happened now."""
        if self.live_bytes + sum(segment.high.values()) > self.peak_bytes:
            self.at_peak = self.live | {k: self.live[k] + size for k, size in segment.high.items()}
            self.peak_bytes = sum(self.at_peak[k] for k in CATEGORIES)
        for category, size in segment.grown.items():
            self._add(size, category)
        self.operators.update(segment.operators)
        self.macs_by.update(segment.macs_by)
        self.moved_by.update(segment.moved_by)
        self.other_flops += segment.other_flops

    @property
    def leaves(self) -> bool:
        """Whether activations or temporary tensors, even empty ones, are alive."""
        return any(category in ("activations", "temporary") for _, _, category in self.held.values())

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Meanwhile, nothing is counted. A tensor that is freed after it was made meanwhile counts all the same."""
        self.muted = True
        yield
        self.muted = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # its guard around each call would take as long as the rest, and nothing here is compiled

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():  # modes that are entered would hear of every size that is looked up
            return self.run(work_of(func), func, args, kwargs or {})

    def run(self, work: Work, func: Any, args: Any, kwargs: Any) -> Any:
        """What the operator returns, noted."""
        out = func(*args, **kwargs)
        if not work.ignored:
            self.note(work.cost(args, kwargs, out), out)
        return out

    def note(self, cost: Cost, out: Any) -> None:
        """An operator was called and returned `out`."""
        for tensor in tensors_of(out):
            if not self._knows(tensor.untyped_storage()):
                self._enter(tensor, self.phase)
        if self.muted:
            return
        if self.live_bytes > self.peak_bytes:
            self.peak_bytes, self.at_peak = self.live_bytes, dict(self.live)
        self.operators[cost.name] += 1
        self.macs_by[cost.kind] += cost.macs
        self.moved_by[cost.traffic] += cost.moved_bytes
        self.other_flops += cost.other_flops

    def _knows(self, storage: Any) -> bool:
        entry = self.held.get(storage._cdata)
        return entry is not None and entry[0]() is storage  # a new storage may lie at an old one's address

    def _enter(self, tensor: Tensor, category: str) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.held:
            self._leave(key)
        self.held[key] = (weakref.ref(storage, lambda ref: self._forget(key, ref)), size, category)
        self._add(size, category)

    def _forget(self, key: int, ref: weakref.ref[Any]) -> None:
        if key in self.held and self.held[key][0] is ref:
            self._leave(key)

    def _leave(self, key: int) -> None:
        _, size, category = self.held.pop(key)
        self._add(-size, category)

    def _add(self, size: int, category: str) -> None:
        if self.muted:
            return
        self.live[category] += size
        if category not in RESTING:
            self.live_bytes += size


class Weighted(Protocol):
    """A network, or a part of one."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def buffers(self) -> Iterator[Tensor]: ...


def watch(
    account: Account, network: Weighted, batch: Iterable[Tensor], state: Iterable[Tensor], run: Callable[[], object]
) -> Account:
    """The account, once it has seen `run`, a pass of the network over the batch; `state` is the optimiser's."""
    hold_resting(account, network, batch, state)
    weights = [p for p in network.parameters() if p.requires_grad]
    hooks = [p.register_post_accumulate_grad_hook(account.hold_gradient) for p in weights]
    try:
        with account:
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return account


def hold_resting(account: Account, network: Weighted, batch: Iterable[Tensor], state: Iterable[Tensor]) -> None:
    """Tells the account what is there before a pass."""
    account.hold([*network.parameters(), *network.buffers()], "parameters")
    account.hold(batch, "input")
    account.hold(state, "optimiser")
    account.resting_bytes = sum(account.live[category] for category in RESTING)
    account.at_peak = dict(account.live)
