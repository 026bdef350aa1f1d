"""What one operator costs: multiply-adds by kind, other work, and bytes read and written."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
KINDS = ("matmul", "conv", "grouped", "attention")  # of multiply-adds: each runs at a rate of its own
TRAFFIC = ("plain", "heavy", "strided")  # of bytes that no multiply-add is about: each moves at a rate of its own


class Cost(NamedTuple):
    """What one call of an operator costs."""

    name: str
    kind: str  # one of KINDS
    macs: int
    traffic: str  # one of TRAFFIC, or "": its multiply-adds decide how long it takes
    moved_bytes: int  # read and written
    other_flops: int  # see Work


def work_of(func: Any) -> Work:
    """What is known of the operator."""
    return WORK.get(func) or WORK.setdefault(func, Work(func))


class Work:
    """What one operator costs.

    `other_flops` by convention: one for each number that a pointwise operator writes or a reduction reads, 3 for each
    that a softmax reads, 5 for a norm, 4 for each pixel of a bilinear enlargement; attention in one kernel 4 for each
    logit (scale and softmax), 5 with a mask; nothing for products (their biases included), copies and views.
    """

    def __init__(self, func: Any) -> None:
        self.name = func._schema.name.removeprefix("aten::")
        self.ignored = func.is_view or func.namespace in ("prim", "profiler") or self.name in VIEWS
        packet = FORMULA_OF.get(func._overloadpacket, func._overloadpacket)
        self.formula = convolution_backward if packet is aten.convolution_backward else flop_registry.get(packet)
        self.attention = self.name in ATTENTION
        self.per_output = PER_OUTPUT.get(self.name, 1 if torch.Tag.pointwise in func.tags else 0)
        self.per_input = PER_INPUT.get(self.name, 0)
        self.traffic = self._traffic()

    def cost(self, args: Any, kwargs: Any, out: Any) -> Cost:
        """Of the call that returned `out`."""
        inputs, outputs = [*tensors_of(args), *tensors_of([*kwargs.values()])], [*tensors_of(out)]
        moved = sum(t.numel() * t.itemsize for t in (*inputs, *outputs))
        macs = self.formula(*args, **kwargs, out_val=out) // 2 if self.formula else 0
        return Cost(self.name, self._kind(args), macs, self.traffic, moved, self._other_flops(inputs, outputs))

    def _kind(self, args: Any) -> str:
        """Which of KINDS its multiply-adds are of."""
        if self.name.startswith("avbench::"):
            return "grouped"  # a neighbourhood's products read as much for each multiply-add
        if self.name in CONVOLUTIONS:
            return "grouped" if args[-1 if self.name == "convolution" else -2] > 1 else "conv"
        return "attention" if self.name.startswith("_scaled_dot_product") else "matmul"

    def _traffic(self) -> str:
        """Which of TRAFFIC its bytes are, if they count. Batches of products are too small to hide their bytes."""
        if self.formula:
            return "plain" if self.name in BATCHED else ""
        if self.name.removesuffix("_backward") in STRIDED:
            return "strided"
        return "heavy" if self.per_input or self.name in HEAVY else "plain"

    def _other_flops(self, inputs: list[Tensor], outputs: list[Tensor]) -> int:
        """What is no multiply-add."""
        if self.formula:
            return self._attention_flops(inputs) if self.attention else 0
        flops = self.per_output * outputs[0].numel() if self.per_output else 0
        return flops + (self.per_input * inputs[0].numel() if self.per_input else 0)

    def _attention_flops(self, inputs: list[Tensor]) -> int:
        query, key = inputs[0].shape, inputs[1].shape
        return prod(query[:-1]) * key[-2] * (5 if len(inputs) > 3 else 4)


def convolution_backward(gradient: Tensor, x: Tensor, weight: Tensor, *args: Any, out_val: Any) -> int:
    """Floating-point operations for the gradients that are wanted; torch's own formula overlooks groups."""
    *_, transposed, _, _, wanted = args
    outputs = x if transposed else gradient
    return 2 * sum(wanted[:2]) * outputs.numel() * prod(weight.shape[1:])


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
BATCHED = {"bmm", "baddbmm"}
HEAVY = set("gelu gelu_backward exp exp_ tanh sigmoid silu silu_backward softplus softplus_backward erf".split())
HEAVY |= set("native_layer_norm_backward native_group_norm_backward native_batch_norm_backward".split())
STRIDED = set("clone cat stack flip roll constant_pad_nd index index_select slice select unfold masked_fill".split())
STRIDED |= {"copy_", "_to_copy", "im2col", "col2im"}
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
