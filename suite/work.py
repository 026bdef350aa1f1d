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
    that a softmax reads, 5 for a norm, 4 for each pixel of a bilinear enlargement, a backward pass as many as its
    forward; attention in one kernel 4 for each logit (scale and softmax), 5 with a mask; nothing for products (their
    biases included), views, and what is in FREE.
    """

    def __init__(self, func: Any) -> None:
        self.name = func._schema.name.removeprefix("aten::")
        self.ignored = func.is_view or func.namespace in ("prim", "profiler") or self.name in VIEWS
        packet = FORMULA_OF.get(func._overloadpacket, func._overloadpacket)
        self.formula = convolution_backward if packet is aten.convolution_backward else flop_registry.get(packet)
        self.attention = self.name in ATTENTION
        self.free = self.name in FREE
        pointwise = torch.Tag.pointwise in func.tags and not self.free
        self.per_output = PER_OUTPUT.get(self.name, int(pointwise))
        self.per_input, self.per_largest = PER_INPUT.get(self.name, 0), PER_LARGEST.get(self.name, 0)
        self.traffic = self._traffic()

    @property
    def known(self) -> bool:
        """Whether anything says what it costs."""
        return bool(self.formula or self.free or self.per_output or self.per_input or self.per_largest)

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
        flops += self.per_input * inputs[0].numel() if self.per_input else 0
        largest = max(t.numel() for t in (*inputs, *outputs)) if self.per_largest else 0
        return flops + self.per_largest * largest

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
# copies and fills, and a loss, which picks one number a label
FREE = set("cat clone constant_pad_nd copy_ flip gather im2col index index_select roll slice_backward stack".split())
FREE |= set(
    "triu select_backward _to_copy upsample_nearest2d as_strided_ arange empty empty_like eye fill fill_".split()
)
FREE |= set("new_empty_strided new_ones new_zeros ones ones_like scalar_tensor zeros zeros_like zero_".split())
FREE |= {f"nll_{loss}_{way}" for loss in ("loss", "loss2d") for way in ("forward", "backward")}
PER_OUTPUT = {"upsample_bilinear2d": 4, "upsample_bicubic2d": 16}
PER_OUTPUT |= dict.fromkeys("hardswish hardswish_ log_sigmoid_forward masked_fill masked_fill_ gelu_ glu".split(), 1)
PER_OUTPUT |= {f"{name}_backward": 1 for name in "elu hardswish hardsigmoid hardtanh leaky_relu log_sigmoid".split()}
PER_OUTPUT |= {f"{name}_backward": 1 for name in "glu mish softplus".split()}
PER_INPUT = dict.fromkeys("sum mean amax amin max min var var_mean std prod logsumexp cumsum argmax norm".split(), 1)
PER_INPUT |= dict.fromkeys("_adaptive_avg_pool2d avg_pool2d max_pool2d_with_indices linalg_vector_norm".split(), 1)
PER_INPUT |= dict.fromkeys("_softmax _log_softmax _safe_softmax".split(), 3)
PER_INPUT |= dict.fromkeys("native_layer_norm native_group_norm native_batch_norm _fused_rms_norm".split(), 5)
PER_INPUT |= {"_native_batch_norm_legit_no_training": 5, "_native_batch_norm_legit": 5, "cudnn_batch_norm": 5}
PER_LARGEST = dict.fromkeys("scatter_add index_add unfold_backward col2im max_pool2d_with_indices_backward".split(), 1)
PER_LARGEST |= dict.fromkeys("avg_pool2d_backward _adaptive_avg_pool2d_backward".split(), 1)
PER_LARGEST |= dict.fromkeys("_softmax_backward_data _log_softmax_backward_data".split(), 3)
PER_LARGEST |= dict.fromkeys("_upsample_bilinear2d_aa upsample_bilinear2d_backward".split(), 4)
PER_LARGEST |= {f"{name}_backward": 5 for name in PER_INPUT if name.endswith(("_norm", "_training"))}
PER_LARGEST |= {"_upsample_bilinear2d_aa_backward": 4, "_upsample_bicubic2d_aa": 16}
