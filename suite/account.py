"""An account of every tensor that operators allocate and free, and of the work they do, as torch dispatches them.

It sees explicit operators only: what a kernel allocates inside itself (its workspace) is hidden from it. Real and fake
tensors are alike to it, so the same account simulates a pass and gives the second opinion on a measured one.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
RESTING = ("parameters", "input")  # categories that lie there before the pass and are not part of its peak
KINDS = ("matmul", "conv", "grouped", "attention")  # of multiply-adds: each runs at a rate of its own
CATEGORIES = ("gradients", "optimiser", "activations", "temporary")


class Account(TorchDispatchMode):
    """Counts while it is entered. Tensors made before have to be told by `hold`, or an in-place update would count."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = "activations"  # the category of what is allocated next
        self.live = dict.fromkeys((*RESTING, *CATEGORIES), 0)  # bytes
        self.held: dict[int, tuple[weakref.ref[Any], int, str]] = {}  # by address of the storage
        self.resting_bytes = 0
        self.live_bytes = self.peak_bytes = self.moved_bytes = self.other_flops = self.kernels = 0
        self.at_peak = dict(self.live)
        self.operators: Counter[str] = Counter()
        self.macs_by: Counter[str] = Counter()  # by KINDS

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

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = self.run(func, args, kwargs or {})
        work = WORK.get(func) or WORK.setdefault(func, Work(func))
        if not work.ignored:
            self._note(work, args, kwargs or {}, out)
        return out

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What the operator returns."""
        return func(*args, **kwargs)

    def _note(self, work: Work, args: Any, kwargs: Any, out: Any) -> None:
        inputs, outputs = [*tensors_of(args), *tensors_of([*kwargs.values()])], [*tensors_of(out)]
        for tensor in outputs:
            if not self._knows(tensor.untyped_storage()):
                self._enter(tensor, self.phase)
        if self.live_bytes > self.peak_bytes:
            self.peak_bytes, self.at_peak = self.live_bytes, dict(self.live)
        self.kernels += 1
        self.operators[work.name] += 1
        self.moved_bytes += sum(t.numel() * t.itemsize for t in inputs) + sum(t.numel() * t.itemsize for t in outputs)
        self.macs_by[work.kind(args)] += work.macs(args, kwargs, out)
        self.other_flops += work.other_flops(inputs, outputs)

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
        self.live[category] += size
        if category not in RESTING:
            self.live_bytes += size


def watch(
    account: Account, network: nn.Module, batch: Iterable[Tensor], state: Iterable[Tensor], run: Callable[[], object]
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


def hold_resting(account: Account, network: nn.Module, batch: Iterable[Tensor], state: Iterable[Tensor]) -> None:
    """Tells the account what is there before a pass."""
    account.hold([*network.parameters(), *network.buffers()], "parameters")
    account.hold(batch, "input")
    account.hold(state, "optimiser")
    account.resting_bytes = sum(account.live[category] for category in RESTING)
    account.at_peak = dict(account.live)


class Work:
    """What one operator costs.

    `other_flops` by convention: one for each number that a pointwise operator writes or a reduction reads, 3 for each
    that a softmax reads, 5 for a norm, 4 for each pixel of a bilinear enlargement; attention in one kernel 4 for each
    logit (scale and softmax), 5 with a mask; nothing for products (their biases included), copies and views.
    """

    def __init__(self, func: Any) -> None:
        self.name = func._schema.name.removeprefix("aten::")
        self.ignored = func.is_view or func.namespace in ("prim", "profiler") or self.name in VIEWS
        self.formula = flop_registry.get(FORMULA_OF.get(func._overloadpacket, func._overloadpacket))
        self.attention = self.name in ATTENTION
        self.per_output = PER_OUTPUT.get(self.name, 1 if torch.Tag.pointwise in func.tags else 0)
        self.per_input = PER_INPUT.get(self.name, 0)

    def kind(self, args: Any) -> str:
        """Which of KINDS its multiply-adds are of."""
        if self.name in CONVOLUTIONS:
            return "grouped" if args[-1 if self.name == "convolution" else -2] > 1 else "conv"
        return "attention" if self.name.startswith("_scaled_dot_product") else "matmul"

    def macs(self, args: Any, kwargs: Any, out: Any) -> int:
        """Multiply-adds, by the formula that torch keeps for the operator."""
        return self.formula(*args, **kwargs, out_val=out) // 2 if self.formula else 0

    def other_flops(self, inputs: list[Tensor], outputs: list[Tensor]) -> int:
        """What is no multiply-add."""
        if self.formula:
            return self._attention_flops(inputs) if self.attention else 0
        flops = self.per_output * outputs[0].numel() if self.per_output else 0
        return flops + (self.per_input * inputs[0].numel() if self.per_input else 0)

    def _attention_flops(self, inputs: list[Tensor]) -> int:
        query, key = inputs[0].shape, inputs[1].shape
        return prod(query[:-1]) * key[-2] * (5 if len(inputs) > 3 else 4)


def tensors_of(values: Any) -> Iterator[Tensor]:
    """The tensors among the arguments or results of an operator, in order, out of lists too."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_of(value)


WORK: dict[Any, Work] = {}
VIEWS = {"_unsafe_view", "detach", "lift_fresh", "_local_scalar_dense", "is_same_size"}
ATTENTION = {f"_scaled_dot_product_{kind}_attention" for kind in ("efficient", "flash", "cudnn")}
ATTENTION |= {"_scaled_dot_product_flash_attention_for_cpu"}
CONVOLUTIONS = {"convolution", "convolution_backward"}
FORMULA_OF = {
    aten._scaled_dot_product_flash_attention_for_cpu: aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: aten._scaled_dot_product_flash_attention_backward,
}
PER_OUTPUT = {"upsample_bilinear2d": 4, "upsample_bicubic2d": 16, "fill": 0, "copy_": 0, "_to_copy": 0, "clone": 0}
PER_INPUT = dict.fromkeys("sum mean amax amin max min var var_mean std prod logsumexp cumsum argmax norm".split(), 1)
PER_INPUT |= dict.fromkeys("_adaptive_avg_pool2d avg_pool2d max_pool2d_with_indices linalg_vector_norm".split(), 1)
PER_INPUT |= dict.fromkeys("_softmax _log_softmax _safe_softmax".split(), 3)
PER_INPUT |= dict.fromkeys("native_layer_norm native_group_norm native_batch_norm _fused_rms_norm".split(), 5)
PER_INPUT |= {"_native_batch_norm_legit_no_training": 5, "_native_batch_norm_legit": 5, "cudnn_batch_norm": 5}
