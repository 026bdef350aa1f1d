"""Equal blocks are simulated once, alone; in a pass, their profiles stand in for them.

A network holds the same block many times, and the networks for all tasks hold the same blocks. What a block does to a
pass is decided by its input (shape, strides, whether it needs a gradient) and, backward, by the gradient that arrives
and by who else holds the tensors that it would free. So each block runs once for each of these, in a pass of its own,
and what the account sees of it is its profile: a Segment forward, and one backward. The pass of a network then meets a
block as one operator of known cost, and everything else as it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.utils._python_dispatch import _disable_current_modes

from suite.account import Account
from suite.block import Back, Block, BlockPass, Held
from suite.form import Form
from suite.meta import MetaAccount, on_meta
from variants.contract import Made


class Fold:
    """The blocks of one design, at one size, in one dtype and memory format, with one backend of attention."""

    def __init__(self, backend: str = "sdpa") -> None:
        self.backend = backend
        self.made: Made = {}
        self.blocks: dict[nn.Module, Block] = {}
        self.account: Account = MetaAccount()  # of the pass that is going on
        self.profiles: dict[Any, Profile] = {}
        self.warm: set[Any] = set()  # blocks that made what they keep for an input like this, a mask perhaps

    def take(self) -> None:
        """From now on, profiles stand in for the blocks that were made."""
        for module in self.made.values():
            if module not in self.blocks:
                block = self.blocks[module] = Block(module)
                module.forward = partial(self.stand_in, block)

    @contextmanager
    def watched_by(self, account: Account) -> Iterator[None]:
        """Meanwhile, this account hears of blocks, and the others of nothing."""
        before, self.account = self.account, account
        try:
            with _disable_current_modes():
                yield
        finally:
            self.account = before

    def stand_in(self, block: Block, x: Tensor) -> Tensor:
        """What the block returns for x, its work counted as if it ran."""
        profile, account = self.profile(block, x), self.account
        if profile.is_view:
            return block.run(x)
        if profile.differentiable:
            visit = Visit(profile, account)
            with account.mute():
                token = torch.empty(0, requires_grad=True, device="meta")
                x = x if profile.passes_gradient else x.detach()
            return Leave.apply(Enter.apply(x, token, visit), visit)
        with account.mute():
            y = profile.output.make()
        account.play(profile.forward)
        return y

    def profile(self, block: Block, x: Tensor) -> Profile:
        """The block's profile for inputs like x, in passes like this one."""
        form, grad = Form.of(x), torch.is_grad_enabled()
        key = (block, form, x.requires_grad, grad, block.module.training)
        if key not in self.profiles:
            see = partial(Profile, self, block, form)
            if (block, form) not in self.warm:
                self.warm.add((block, form))
                with torch.no_grad():
                    cold = see(False)
                if not grad and not cold.leaves:
                    self.profiles[key] = cold
            if key not in self.profiles:
                self.profiles[key] = see(x.requires_grad)
        return self.profiles[key]


class Profile:
    """What a block does to a pass. Each backward pass is seen when it is first asked for."""

    def __init__(self, fold: Fold, block: Block, input: Form, needs_gradient: bool) -> None:
        """`needs_gradient`: whether the input does."""
        self.fold, self.start = fold, partial(BlockPass, block, input, needs_gradient)
        self.backs: dict[tuple[Form, Held], Back] = {}
        seen = self._run()
        self.forward, self.output, self.is_view = seen.forward, seen.output, seen.is_view
        self.differentiable, self.passes_gradient = seen.end is not None, seen.passes_gradient
        self.keeps = [storage() is not None for storage in seen.storages]  # input and output, until the backward pass
        self.leaves = seen.account.leaves
        self.ready: BlockPass | None = seen if self.differentiable else None  # to run backward

    def backward(self, gradient: Form, held: Held) -> Back:
        """What the backward pass does where a gradient of this form arrives."""
        key = gradient, held
        if key not in self.backs:
            ready, self.ready = self.ready or self._again(), None
            with self.fold.watched_by(ready.account):
                self.backs[key] = ready.backward(gradient, held)
        return self.backs[key]

    def _again(self) -> BlockPass:
        """Runs forward once more, amid a backward pass, which is without the modes of the forward pass."""
        with torch.enable_grad(), on_meta(self.fold.backend):
            return self._run()

    def _run(self) -> BlockPass:
        account = MetaAccount()
        with self.fold.watched_by(account):
            return self.start(account)


class Visit:
    """A block met in a pass that goes backward too."""

    def __init__(self, profile: Profile, account: Account) -> None:
        self.profile, self.account = profile, account
        self.kept: list[Any] = []  # storages that the block keeps until its backward pass
        self.refs: list[Any] = []  # to the storages of its input, its output and the gradient that arrives
        self.gradient: Form | None = None

    def meet(self, tensor: Tensor, keep: bool) -> None:
        """Takes note of the input, then of the output, then of the gradient."""
        storage = tensor.untyped_storage()
        self.refs.append(weakref.ref(storage))
        if keep:
            self.kept.append(storage)

    def back(self) -> Back:
        """The profile of the backward pass, now that nobody but others holds the tensors."""
        assert self.gradient is not None, "it arrived where the visit ended"
        self.kept.clear()
        matters = (*self.profile.keeps, True)
        held = (ref() is not None and matter for ref, matter in zip(self.refs, matters, strict=True))
        return self.profile.backward(self.gradient, Held(*held))


class Enter(Function):
    """Where a visit begins, and its backward pass ends."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, token: Tensor, visit: Visit) -> Tensor:
        ctx.visit = visit
        visit.meet(x, visit.profile.keeps[0])
        with visit.account.mute():
            return torch.empty(0, device="meta")

    @staticmethod
    def backward(ctx: Any, nothing: Tensor) -> Any:
        back, account = ctx.visit.back(), ctx.visit.account
        gradient = back.gradient and back.gradient.make()
        account.muted = False
        account.play(back.segment)
        return gradient, None, None


class Leave(Function):
    """Where a visit ends, and its backward pass begins; who else holds the gradient is seen after it has returned."""

    @staticmethod
    def forward(ctx: Any, nothing: Tensor, visit: Visit) -> Tensor:
        ctx.visit = visit
        with visit.account.mute():
            y: Tensor = visit.profile.output.make()
        visit.account.play(visit.profile.forward)
        visit.meet(y, visit.profile.keeps[1])
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        visit = ctx.visit
        visit.account.muted = True  # until the profile has told all
        visit.gradient = Form.of(gradient)
        visit.meet(gradient, False)
        return torch.empty(0, device="meta"), None
