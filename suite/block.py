"""BlockPass: a pass of one block by itself, whose input, output and gradient nobody else holds unless it is said."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function

from suite.account import Account, Segment
from suite.form import Form
from suite.step import state_bytes


class Held(NamedTuple):
    """Which tensors somebody else holds while a block's backward pass runs, so that it does not free them."""

    input: bool
    output: bool
    gradient: bool


@dataclass(frozen=True)
class Back:
    """What a backward pass does, and the gradient that it gives the input, if any."""

    segment: Segment
    gradient: Form | None


class Block:
    """A module for which profiles stand in."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.run = module, module.forward
        self.weights = [*module.parameters()]
        storages = [t.untyped_storage() for t in (*self.weights, *module.buffers())]
        self.resting = {s._cdata: (weakref.ref(s), s.nbytes(), "parameters") for s in storages}  # for an account
        parts = (*every(module.named_parameters), *every(module.named_buffers))
        self.resting_bytes = sum(t.nbytes for t in parts)
        self.state_bytes = sum(state_bytes(t) for t in parts if t.requires_grad)


def every(named: Callable[..., Iterator[tuple[str, Tensor]]]) -> Iterator[Tensor]:
    """The parameters, or the buffers, as often as a module uses the part that they belong to."""
    return (tensor for _, tensor in named(remove_duplicate=False))


class BlockPass:
    """Runs forward when it is made, then backward, once, when it is asked to. The account sees the block only."""

    def __init__(self, block: Block, input: Form, needs_gradient: bool, account: Account) -> None:
        """`needs_gradient`: whether the input does."""
        self.weights, self.account, self.mail = block.weights, account, Mail(account)
        account.held.update(block.resting)
        leaf = torch.empty(0, device="meta", requires_grad=needs_gradient)
        x: Tensor = Begin.apply(leaf, input, self.mail)
        account.hold([x], "activations")
        account.cut()
        with account:
            y = block.run(x)
        self.forward = account.cut()
        self.is_view = y.untyped_storage()._cdata == x.untyped_storage()._cdata
        self.output = Form.of(y)
        self.end: Tensor | None = End.apply(y, self.mail) if y.requires_grad else None
        self.passes_gradient = leads(y.grad_fn, x.grad_fn)
        self.storages = [weakref.ref(t.untyped_storage()) for t in (x, y)]

    def backward(self, gradient: Form, held: Held) -> Back:
        """Runs backward from a gradient of this form."""
        assert self.end is not None, "only what has a gradient runs backward"
        kept = [storage() for storage, keep in zip(self.storages, held[:2], strict=True) if keep]
        self.mail.gradient, self.mail.keeps = gradient, held.gradient
        hooks = [w.register_post_accumulate_grad_hook(self.account.hold_gradient) for w in self.weights]
        self.account.enter_phase("temporary")
        with self.account:
            torch.autograd.backward([self.end], [torch.empty(0, device="meta")])
        for weight, hook in zip(self.weights, hooks, strict=True):
            hook.remove()
            weight.grad = None
        del kept
        return self.mail.back or Back(self.account.cut(), None)


def leads(node: Any, to: Any) -> bool:
    """Whether a backward pass that begins at the node comes to the other one. None is no node."""
    seen, ahead = {None}, [node]
    while ahead:
        if (node := ahead.pop()) is to:
            return node is not None
        if node not in seen:
            seen.add(node)
            ahead += [following for following, _ in node.next_functions]
    return False


class Mail:
    """What the two ends of a block's graph tell and are told."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.gradient: Form | None = None  # arrives at the output
        self.keeps = False  # whether somebody else holds it
        self.kept: Tensor | None = None
        self.back: Back | None = None


class Begin(Function):
    """The block's input, which is no leaf; backward, the end of the block's segment."""

    @staticmethod
    def forward(ctx: Any, leaf: Tensor, input: Form, mail: Mail) -> Tensor:
        ctx.mail = mail
        return input.make()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        ctx.mail.back = Back(ctx.mail.account.cut(), Form.of(gradient))
        return None, None, None


class End(Function):
    """Behind the block's output; backward, the gradient that arrives there, and the beginning of the segment."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, mail: Mail) -> Tensor:
        ctx.mail = mail
        return torch.empty(0, device="meta")

    @staticmethod
    def backward(ctx: Any, nothing: Tensor) -> Any:
        gradient = ctx.mail.gradient.make()
        ctx.mail.kept = gradient if ctx.mail.keeps else None
        ctx.mail.account.cut()
        return gradient, None
