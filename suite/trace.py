"""fvcore's count of multiply-adds, on the meta device, with handles of our own.

fvcore walks a graph that torch.jit traces. Three things stand in its way on the meta device, where an image of any
size costs nothing: sizes become traced tensors, on which meta kernels written in Python stumble; those kernels run
below `aten::_convolution`, which is what a trace records of a convolution; and fvcore's own handles pass over
attention and round einsum to four digits. `Recorder` and `Aside` answer the first two, `HANDLES` the third.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from suite.shapes import recalled, run_on_meta
from suite.step import random_inputs
from variants.contract import Grid

with warnings.catch_warnings():  # fvcore scripts a function that we never call, which torch deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from fvcore.nn import FlopCountAnalysis

Handle = Callable[[Sequence[Any], Sequence[Any]], int]  # (inputs, outputs) of a traced node -> multiply-adds


class CountError(RuntimeError):
    """The counts of one network do not agree, or an operator cannot be counted."""


def fvcore_macs(network: nn.Module, size: Grid) -> int:
    """Multiply-adds for one image of this size; the network's parameters lie on the meta device."""
    return traced_macs(network, random_inputs(network, size, 1, "float32", "meta"))


def traced_macs(module: nn.Module, x: Tensor) -> int:
    """Multiply-adds of any module for its input; both lie on the meta device.

    CountError if the trace holds an operator that multiplies and has no handle.
    """
    analysis = FlopCountAnalysis(module, x).uncalled_modules_warnings(False).unsupported_ops_warnings(False)
    analysis.tracer_warnings("none").clear_op_handles().set_op_handle(**HANDLES, **our_handles())
    with torch.no_grad(), warnings.catch_warnings(), ThreadPoolExecutor(1) as thread, Aside(thread), Recorder():
        warnings.simplefilter("ignore")
        total = analysis.total()
    if unknown := [name for name in analysis.unsupported_ops() if multiplies(name)]:
        raise CountError(f"fvcore has no rule for {', '.join(unknown)}: give it a handle in suite/trace.py")
    return int(total)


def multiplies(name: str) -> bool:
    """Whether passing over this operator might lose multiply-adds: it is known to have them, or not torch's own."""
    return not name.startswith("aten::") or name.removeprefix("aten::") in WITHOUT_RULE


class Aside(TorchDispatchMode):
    """Runs kernels on a thread that is not tracing, where sizes are plain numbers; most of them are remembered."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        super().__init__()
        self.thread = thread
        thread.submit(torch.set_grad_enabled, False)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.is_view:  # keeps its base, and its kernel is not written in Python
            return func(*args, **(kwargs or {}))
        if func is torch.ops.aten._convolution.default:
            func, args = torch.ops.aten.convolution.default, args[:9]
        if (known := recalled(func, args, kwargs or {})) is not None:
            return known[0]
        return self.thread.submit(run_on_meta, func, args, kwargs or {}).result()


class Recorder(TorchFunctionMode):
    """Gives sizes as plain numbers, and makes the trace record each convolution as `aten::_convolution`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in SIZES:
            return untraced(func, *args, **(kwargs or {}))
        if func in CONVOLUTIONS:
            return convolution(*args, **(kwargs or {}))
        if func in TRANSPOSED:
            return transposed_convolution(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


SIZES = {Tensor.shape.__get__, Tensor.size, Tensor.numel, Tensor.nelement, Tensor.__len__}  # type: ignore[attr-defined]
CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
TRANSPOSED = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}


def untraced(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What func returns while nothing is traced."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        return func(*args, **kwargs)
    finally:
        torch._C._set_tracing_state(state)  # type: ignore[attr-defined]


def each(value: int | Sequence[int], dims: int) -> list[int]:
    """One number for each dimension, whether one was given for all or each its own."""
    return [value] * dims if isinstance(value, int) else [*value] * (dims // len(value))


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """The signature of torch.conv2d, recorded by the trace."""
    dims = len(untraced(weight.size)) - 2
    dilation, kernel = each(dilation, dims), untraced(weight.size)[2:]
    if padding == "same":
        both = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        input = F.pad(input, [p for total in reversed(both) for p in (total // 2, total - total // 2)])
    padding = 0 if isinstance(padding, str) else padding
    steps = each(stride, dims), each(padding, dims), dilation
    return torch._convolution(input, weight, bias, *steps, False, [0] * dims, groups, False, False, False, False)


def transposed_convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The signature of torch.conv_transpose2d, recorded by the trace."""
    dims = len(untraced(weight.size)) - 2
    steps = each(stride, dims), each(padding, dims), each(dilation, dims)
    beyond = each(output_padding, dims)
    return torch._convolution(input, weight, bias, *steps, True, beyond, groups, False, False, False, False)


def shape(value: Any) -> list[int]:
    """The sizes of a traced tensor."""
    return list(value.type().sizes())


def product(first: int) -> Handle:
    """A matrix product whose left factor is input `first`: each number of the output sums over its last axis."""
    return lambda inputs, outputs: prod(shape(outputs[0])) * shape(inputs[first])[-1]


def convolved(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Each number of the output (of the input if transposed) meets a kernel over the channels of its group."""
    transposed = inputs[6].toIValue()
    return prod(shape(inputs[0] if transposed else outputs[0])) * prod(shape(inputs[1])[1:])


def attention(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """`b h n e`, `b h m e`, `b h m f` -> b h n m (e + f), whatever a mask leaves out."""
    keys = shape(inputs[1])[-2]
    return keys * (prod(shape(inputs[0])) + prod(shape(outputs[0])))


def einsum(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """The product of the sizes of all letters that remain once those of a single factor are summed away.

    Without a letter to sum over, nothing is accumulated: zero. CountError unless there are two factors.
    """
    equation = inputs[0].toIValue().replace(" ", "")
    shapes = [shape(factor) for factor in inputs[1].node().inputs()]
    if len(shapes) != 2 or "->" not in equation or "." in equation:
        raise CountError(f"einsum {equation!r} cannot be counted: write it with two factors, `->` and no ellipsis")
    left, right, out = equation.replace("->", ",").split(",")
    sizes = dict(zip(left + right, shapes[0] + shapes[1], strict=True))
    summed = set(left) & set(right) - set(out)
    return prod(sizes[letter] for letter in summed | set(out)) if summed else 0


def logits(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Operators of ours named `..._logits(q, k, ...)`: each logit is a product over the channels of q."""
    return prod(shape(outputs[0])) * shape(inputs[0])[-1]


def mix(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Operators of ours named `..._mix(w, v, ...)`: each weight multiplies the channels of one value."""
    return prod(shape(inputs[0])) * shape(inputs[1])[-1]


def our_handles() -> dict[str, Handle]:
    """A handle for each operator of ours that is registered, by what its name says it does."""
    names = {name.split(".")[0] for name in torch._C._dispatch_get_all_op_names() if name.startswith("avbench::")}
    return {n: logits for n in names if n.endswith("_logits")} | {n: mix for n in names if n.endswith("_mix")}


HANDLES: dict[str, Handle] = {
    "aten::linear": product(0),
    "aten::matmul": product(0),
    "aten::mm": product(0),
    "aten::bmm": product(0),
    "aten::addmm": product(1),
    "aten::baddbmm": product(1),
    "aten::_convolution": convolved,
    "aten::scaled_dot_product_attention": attention,
    "aten::einsum": einsum,
}
WITHOUT_RULE = set(
    "addbmm addmv addr bilinear cdist chain_matmul dot gru gru_cell inner lstm lstm_cell linalg_multi_dot mv outer"
    " rnn_relu rnn_tanh tensordot vdot _native_multi_head_attention _transformer_encoder_layer_fwd".split()
)
