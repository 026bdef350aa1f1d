"""What a pattern of sizes says of an operator's outputs is what torch says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from suite import alike
from suite.form import Form, described

aten = torch.ops.aten
Made = Callable[..., Tensor]


def empty(*shape: int, dtype: torch.dtype = torch.float32, last: bool = False) -> Tensor:
    """On the meta device; `last`: b d y x with the channels innermost."""
    t = torch.empty(shape, dtype=dtype, device="meta")
    return t.contiguous(memory_format=torch.channels_last) if last else t


def calls(b: int, n: int, d: int) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """A call of each kind of operator, at these sizes."""
    x, image, w = empty(b, n, d), empty(b, d, n, n + 1, last=True), empty(d)
    yield "alone", aten.gelu.default, (x,)
    yield "two of one form", aten.mul.Tensor, (x, x)
    yield "two dtypes", aten.add.Tensor, (x, empty(b, n, d, dtype=torch.bfloat16))
    yield "spread", aten.add.Tensor, (x, w)
    yield "spread from within", aten.mul.Tensor, (image, empty(b, d, 1, 1))
    yield "a number", aten.mul.Tensor, (x, 2.0)
    yield "a comparison", aten.ge.Scalar, (x, 0)
    yield "transposed", aten.add.Tensor, (x.mT, x.mT)
    yield "a slice, whose rows leave gaps", aten.relu.default, (empty(b, n, d + 3)[..., :d],)
    yield "expanded", aten.mul.Tensor, (x, w.expand(b, n, d))
    yield "gradient", aten.gelu_backward.default, (x, x)
    yield "product", aten.mm.default, (x[0], empty(d, 4 * d))
    yield "product and bias", aten.addmm.default, (w, x[0], empty(d, d))
    yield "products", aten.bmm.default, (x, x.mT)
    yield "softmax", aten._softmax.default, (x, -1, False)
    yield "layer norm", aten.native_layer_norm.default, (x, [d], w, w, 1e-5)
    yield "batch norm", aten.native_batch_norm.default, (image, w, w, w, w, True, 0.1, 1e-5)
    yield "batch norm, evaluated", aten.native_batch_norm.default, (image, w, w, w, w, False, 0.1, 1e-5)


KINDS = [kind for kind, _, _ in calls(2, 3, 5)]


@pytest.mark.parametrize("kind", KINDS)
def test_other_sizes_in_the_same_pattern(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "SEEN", {})
    for sizes in ((2, 7, 5), (3, 11, 8), (3, 11, 11), (1, 9, 1), (4, 4, 4), (2, 0, 5), (1, 196, 176)):
        func, args = next((func, args) for found, func, args in calls(*sizes) if found == kind)
        assert alike.copies_sizes(func)
        for _ in range(2):
            assert described(alike.alike(func, args, {})) == described(func(*args)), sizes


def test_a_pattern_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "SEEN", {})
    for n in (5, 7, 9):
        alike.alike(aten.mm.default, (empty(n, 3), empty(3, 4)), {})
    assert len(alike.SEEN) == 1
    alike.alike(aten.mm.default, (empty(3, 3), empty(3, 4)), {})
    assert len(alike.SEEN) == 2, "where two sizes are equal, they may not be so by chance"


def test_a_form_makes_what_it_was_taken_of() -> None:
    whole = empty(4, 6, 8)
    for tensor in (whole, whole.mT, whole[:, 2:], whole[..., ::2], whole[1:2].expand(3, 6, 8), empty(0, 3)):
        again = Form.of(tensor).make()
        assert Form.of(again) == Form.of(tensor)
        assert again.untyped_storage().nbytes() == tensor.untyped_storage().nbytes()


def test_operators_that_do_not_copy_sizes_are_left_to_torch() -> None:
    for func in (aten.sum.dim_IntList, aten.convolution.default, aten.view.default, aten.cat.default):
        assert not alike.copies_sizes(func)
    assert alike.alike(aten.sum.dim_IntList, (empty(3, 4), [1]), {}).shape == (3,)
