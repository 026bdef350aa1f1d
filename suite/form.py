"""Forms: what operators may see of a meta tensor, as something that can be kept and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

META = torch.device("meta")


class Form(NamedTuple):
    """All that operators may see of a meta tensor, and the bytes of its storage."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    offset: int = 0
    nbytes: int = -1  # as many as it needs

    @classmethod
    def of(cls, tensor: Tensor) -> Form:
        """The tensor's form."""
        shape, stride, nbytes = tensor.shape, tensor.stride(), tensor.untyped_storage().nbytes()
        if (offset := int(tensor.storage_offset())) == 0 and nbytes == tensor.itemsize * needed(shape, stride):
            return cls(shape, stride, tensor.dtype)
        return cls(shape, stride, tensor.dtype, offset, nbytes)

    def make(self) -> Tensor:
        """A tensor of this form, in memory of its own."""
        if self.nbytes < 0:
            return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=META)
        whole = torch.empty(self.nbytes // self.dtype.itemsize, dtype=self.dtype, device=META)
        return whole.as_strided(self.shape, self.stride, self.offset)


def needed(shape: torch.Size, stride: tuple[int, ...]) -> int:
    """How many numbers lie between the first and the last one of a tensor, with both."""
    return 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) if shape.numel() else 0


def signature(value: Any) -> Any:
    """Something hashable that is equal for arguments which lead to the same shapes."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.is_meta
    if type(value) in (list, tuple):
        return tuple([signature(v) for v in value])
    return type(value), value


def described(out: Any) -> Any:
    """What operators return, with forms in the place of tensors."""
    return mapped(out, Tensor, Form.of)


def made(description: Any) -> Any:
    """New meta tensors from what `described` returned."""
    return mapped(description, Form, Form.make)


def mapped(value: Any, kind: type, turn: Callable[[Any], Any]) -> Any:
    """The value, lists and tuples of it included, with everything of this kind turned."""
    if isinstance(value, kind):
        return turn(value)
    return type(value)(mapped(v, kind, turn) for v in value) if isinstance(value, list | tuple) else value
