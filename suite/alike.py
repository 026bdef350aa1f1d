"""Operators that give their outputs the sizes of their inputs do so whatever these sizes are.

What such an operator returns for `1 196 176` it returns for `1 1024 176` too, with 1024 in the place of 196. Torch
takes up to milliseconds to work out one shape; here it is worked out once for each pattern, which says which sizes are
equal and how the axes lie in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from suite.form import Form, described, made, mapped, signature

SAME_SIZES = set("mm addmm bmm baddbmm relu threshold_backward _softmax _softmax_backward_data".split())
SAME_SIZES |= set("native_layer_norm native_layer_norm_backward native_batch_norm native_batch_norm_backward".split())
SEEN: dict[Any, Any] = {}  # (operator, arguments as patterns) -> what it returned, as patterns


def alike(func: Any, args: Any, kwargs: Any) -> Any:
    """What `func(*args, **kwargs)` returns for meta tensors."""
    if not copies_sizes(func):
        return func(*args, **kwargs)
    sizes = Sizes()
    try:
        call = func, signature(mapped(args, Tensor, sizes.pattern)), signature(tuple(kwargs.items()))
        if call not in SEEN:
            out = func(*args, **kwargs)
            SEEN[call] = mapped(described(out), Form, sizes.known_pattern)
            return out
    except (TypeError, ValueError):  # what cannot be hashed; sizes that are not copied, axes without an order
        return func(*args, **kwargs)
    return made(mapped(SEEN[call], Pattern, sizes.form))


def copies_sizes(func: Any) -> bool:
    """Whether each size of each output is that of some axis of an input, the same one for all sizes."""
    return torch.Tag.pointwise in func.tags or func._schema.name.removeprefix("aten::") in SAME_SIZES


class Pattern(NamedTuple):
    """A form but for its sizes."""

    names: tuple[int, ...]  # of the size of each axis: 0 and 1 are themselves, -1 is the first other one that was met
    order: tuple[int, ...]  # the axes, from the outermost in memory to the innermost
    dtype: torch.dtype


class Sizes:
    """The sizes of a call's arguments, in the order in which they were met."""

    def __init__(self) -> None:
        self.met: list[int] = []

    def pattern(self, tensor: Tensor) -> Pattern:
        """Of an argument, whose sizes are met. ValueError if its strides follow from no order of its axes."""
        self.met += [size for size in dict.fromkeys(tensor.shape) if size > 1 and size not in self.met]
        return self.known_pattern(Form(tensor.shape, tensor.stride(), tensor.dtype))

    def known_pattern(self, form: Form) -> Pattern:
        """Of what was returned. ValueError as before, and if a size was not met."""
        order = sorted(range(len(form.shape)), key=lambda axis: -form.stride[axis])
        if strides(form.shape, order) != form.stride or form.nbytes >= 0:
            raise ValueError("numbers that overlap or leave gaps")
        names = (size if size < 2 else -1 - self.met.index(size) for size in form.shape)
        return Pattern(tuple(names), tuple(order), form.dtype)

    def form(self, pattern: Pattern) -> Form:
        """The form with these sizes."""
        shape = torch.Size(name if name >= 0 else self.met[-1 - name] for name in pattern.names)
        return Form(shape, strides(shape, pattern.order), pattern.dtype)


def strides(shape: torch.Size, order: Iterable[int]) -> tuple[int, ...]:
    """Those of a dense tensor whose axes lie in this order."""
    found, step = [0] * len(shape), 1
    for axis in reversed([*order]):
        found[axis], step = step, step * max(shape[axis], 1)
    return tuple(found)
