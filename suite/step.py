"""One pass of a network, as every instrument runs it: inference, or a training step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import AdamW, Optimizer

from suite.flex import flex
from variants.contract import AUXILIARY, Grid

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

Answer = Tensor | tuple[Tensor, ...]
"""Of a network in training: its logits, perhaps followed by those of auxiliary heads."""
Loss = Callable[[Tensor, Tensor], Tensor]


class NotFiniteError(ArithmeticError):
    """A network answered with numbers that are not finite."""


def finite(answer: Tensor, what: str) -> Tensor:
    """The answer. NotFiniteError if any of it is not a finite number."""
    if not torch.isfinite(answer).all():
        raise NotFiniteError(f"{what} of the network is not finite")
    return answer


def attention_backend(name: str) -> AbstractContextManager[None]:
    """`sdpa`: torch chooses the kernel; `math`: the plain form; `flex`: flex_attention. ValueError on another name."""
    if name not in ("sdpa", "math", "flex"):
        raise ValueError(f"no attention backend is called {name}: choose sdpa, math or flex")
    if name == "flex":
        return flex()
    return sdpa_kernel(SDPBackend.MATH) if name == "math" else nullcontext()


def random_images(size: Grid, batch: int, dtype: str, device: str = "cpu", memory_format: str = "contiguous") -> Tensor:
    """Normal noise, `b 3 Y X`, at a new address. Never zeros, whose products may cost less."""
    images = torch.randn(batch, 3, size.y, size.x, dtype=DTYPES[dtype], device=device)
    return images.to(memory_format=FORMATS[memory_format])


def random_inputs(
    network: nn.Module, size: Grid, batch: int, dtype: str, device: str = "cpu", memory_format: str = "contiguous"
) -> Tensor:
    """Normal noise as the network takes it: images, or tokens `b y x d` if it says how wide they are."""
    width = getattr(network, "token_width", None)
    if width is None:
        return random_images(size, batch, dtype, device, memory_format)
    return torch.randn(batch, size.y, size.x, width, dtype=DTYPES[dtype], device=device)


def random_targets(task: str, classes: int, size: Grid, batch: int, device: str = "cpu") -> Tensor:
    """Labels: `b`, or `b Y X` for segmentation."""
    shape = (batch,) if task == "classification" else (batch, size.y, size.x)
    return torch.randint(classes, shape, device=device)


def losses_of(answer: Answer, targets: Tensor, wrong: Loss = F.cross_entropy) -> list[Tensor]:
    """The loss of the logits, then AUXILIARY times that of each auxiliary head; see `variants.contract.Network`."""
    logits, *others = answer if isinstance(answer, tuple) else (answer,)
    return [wrong(logits, targets), *(AUXILIARY * wrong(other, targets) for other in others)]


def loss_of(answer: Answer, targets: Tensor) -> Tensor:
    """What a training step differentiates: the sum of all losses."""
    own, *auxiliary = losses_of(answer, targets)
    return sum(auxiliary, own)


def lay_out(network: nn.Module, memory_format: str) -> None:
    """Gives the weights of convolutions this format; `network.to` would turn tables of places `1 y x d` over too."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.data = module.weight.data.to(memory_format=FORMATS[memory_format])


def infer(network: nn.Module, images: Tensor) -> Tensor:
    """Images `b 3 Y X` -> logits, without a graph."""
    with torch.no_grad():
        return network(images)


def optimiser_of(network: nn.Module) -> Optimizer:
    """AdamW as the instruments use it: one fused kernel, which allocates nothing but its state."""
    return AdamW(network.parameters(), lr=1e-4, fused=True)


def forward_backward(
    network: nn.Module, images: Tensor, targets: Tensor, entering: Callable[[str], None] = lambda phase: None
) -> Tensor:
    """The loss; its gradients are left in the parameters. `entering` hears of `activations`, then of `temporary`."""
    entering("activations")
    loss = loss_of(network(images), targets)
    entering("temporary")
    loss.backward()
    return loss.detach()


def train(
    network: nn.Module, optimiser: Optimizer, images: Tensor, targets: Tensor,
    entering: Callable[[str], None] = lambda phase: None,
) -> Tensor:  # fmt: skip
    """Forward, loss, backward, AdamW: returns the loss, leaves no gradients."""
    loss = forward_backward(network, images, targets, entering)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss


def state_tensors(optimiser: Optimizer) -> list[Tensor]:
    """Moments and step counts of all parameters."""
    return [value for state in optimiser.state.values() for value in state.values() if isinstance(value, Tensor)]


def state_bytes(weight: Tensor) -> int:
    """What AdamW keeps of a weight: two moments and a count of steps."""
    return 2 * weight.nbytes + 4
