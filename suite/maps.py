"""Maps: from where each place takes what it becomes, mixer by mixer and head by head, found by differentiation.

Attention multiplies values by weights. While the weights are held (cut off from the derivative), a mixer is linear,

    out_i = Σ_j A_ij V x_j        map_ij = |∂ (u · out_i) / ∂ x_j| / Σ_k |∂ (u · out_i) / ∂ x_k|

u being a random direction: the map is A itself, whatever windows, blocks or lines the mixer cuts the grid into, where
A ≥ 0 and a value is made of one token. Where signs differ or values are made of several tokens, it is the share of
each token, whatever its sign. The map of one head holds the values of the others too.

Held are: q, k and bias of torch's fused attention; the weights of our own operators `avbench::*_mix`; q and k that
come out of `to_qkv`, and q out of a `to_q` beside `to_kv` (see variants.contract.Mixer). A mixer in which nothing is
held has no weights over places: its map is the gradient field, and is called so. The network itself runs as ever, by
its fused kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from variants.contract import Mixer

ATTENTION, GRADIENT = "attention", "gradient"
AT_ONCE = 32  # places, each with its own copy of the tokens


@dataclass(frozen=True)
class Map:
    """From where some places take their output of one mixer."""

    mixer: int  # counted from 0, in the order in which an image passes them
    name: str  # of the mixer's class
    head: int | None  # None: all of them together
    kind: str  # attention, or gradient where the mixer has no weights over places
    weights: Tensor  # `places y x`, the sum of each is 1


def maps(network: nn.Module, image: Tensor, places: Sequence[tuple[float, float]]) -> Iterator[Map]:
    """The maps of every mixer for an image `3 Y X`: of each head, where there are weights and several heads.

    `places` are rows and columns as shares of the image's sides, from 0 to below 1: they lie in the grid of any mixer.
    """
    for i, (mixer, tokens, out) in enumerate(met(network, image)):
        grid = [(int(row * out.shape[1]), int(column * out.shape[2])) for row, column in places]
        heads = getattr(mixer, "heads", 1)
        whole = map_of(mixer, tokens, grid)
        if heads == 1 or whole[0] == GRADIENT:
            yield Map(i, type(mixer).__name__, None, *whole)
            continue
        for head in range(heads):
            yield Map(i, type(mixer).__name__, head, *map_of(mixer, tokens, grid, head))


def met(network: nn.Module, image: Tensor) -> list[tuple[Mixer, Tensor, Tensor]]:
    """Every mixer in the order in which an image `3 Y X` passes them, its tokens and its output, `1 y x d` each."""
    found: list[tuple[Mixer, Tensor, Tensor]] = []

    def look(mixer: nn.Module, inputs: tuple[Any, ...], out: Tensor) -> None:
        if isinstance(mixer, Mixer):
            found.append((mixer, inputs[0], out))

    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, Mixer)]
    try:
        with torch.no_grad():
            network.eval()(image[None])
    finally:
        for hook in hooks:
            hook.remove()
    return found


def map_of(
    mixer: Mixer, tokens: Tensor, places: Sequence[tuple[int, int]], head: int | None = None
) -> tuple[str, Tensor]:
    """The kind of a mixer's map, and the map `places y x` for tokens `1 y x d`, of all heads together or of one."""
    hold = Held(mixer, head)
    rows = [hold.masses(tokens, places[i : i + AT_ONCE]) for i in range(0, len(places), AT_ONCE)]
    mass = torch.cat(rows)  # places y x
    return ATTENTION if hold.met else GRADIENT, mass / mass.sum((1, 2), keepdim=True)


class Held(TorchFunctionMode):
    """A copy of a mixer whose weights over places are held, and with a `head` the values of the other heads too."""

    def __init__(self, mixer: Mixer, head: int | None) -> None:
        super().__init__()
        self.head, self.met = head, False  # whether there was anything to hold
        self.mixer = deepcopy(mixer).requires_grad_(False).eval()
        to_qkv = getattr(self.mixer, "to_qkv", None)
        if isinstance(to_qkv, nn.Linear) and to_qkv.out_features == 3 * to_qkv.in_features:
            to_qkv.register_forward_hook(lambda module, args, out: self.values_of(out))
        if hasattr(self.mixer, "to_kv"):
            self.mixer.to_q.register_forward_hook(lambda module, args, out: out.detach())  # type: ignore[union-attr]

    def masses(self, tokens: Tensor, places: Sequence[tuple[int, int]]) -> Tensor:
        """`1 y x d` -> `places y x`: the mass of the derivative of each place's output at each token."""
        x = tokens.expand(len(places), -1, -1, -1).clone().requires_grad_()
        with torch.enable_grad(), self:
            out = self.mixer(x)  # places y x d
        rows, columns = (torch.tensor(side, device=x.device) for side in zip(*places, strict=True))
        picked = out[torch.arange(len(places), device=x.device), rows, columns]  # places d
        (slope,) = torch.autograd.grad((picked @ torch.randn_like(picked[0])).sum(), x)
        return slope.abs().sum(-1)

    def values_of(self, qkv: Tensor) -> Tensor:
        """The output of `to_qkv`, of which all but the values are held."""
        self.met = True
        third = qkv.shape[-1] // 3
        each = third // self.mixer.heads  # type: ignore[operator]  # a number
        channel = torch.arange(3 * third, device=qkv.device)
        if self.mixer.packs == "heads":
            kept, owner = channel % (3 * each) >= 2 * each, channel // (3 * each)
        else:
            kept, owner = channel >= 2 * third, channel % third // each
        return torch.where(kept if self.head is None else kept & (owner == self.head), qkv, qkv.detach())

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.met = True
            q, k, v, *rest = args
            kwargs = {name: detached(value) for name, value in kwargs.items()}
            return func(q.detach(), k.detach(), self.of_head(v), *map(detached, rest), **kwargs)
        if getattr(func, "namespace", "") == "avbench" and func._schema.name.endswith("_mix"):
            self.met = True
            weights, values, *rest = args
            return func(weights.detach(), self.of_head(values), *rest, **kwargs)
        return func(*args, **kwargs)

    def of_head(self, values: Tensor) -> Tensor:
        """`b h ...`, of which all but one head are held."""
        if self.head is None or values.shape[1] == 1:
            return values
        heads = torch.arange(values.shape[1], device=values.device).view(-1, *[1] * (values.dim() - 2))
        return torch.where(heads == self.head, values, values.detach())


def detached(value: Any) -> Any:
    """A tensor cut off from its graph; anything else as it is."""
    return value.detach() if isinstance(value, Tensor) else value


def divergence(weights: Tensor) -> float:
    """How unlike the maps of several heads are, `h places y x`: the mean Jensen-Shannon divergence of pairs, in bits.

    0 where all heads have one map, 1 where no two of them look at a common place.
    """
    p = weights.flatten(2)  # h places n
    first, second = torch.triu_indices(len(p), len(p), 1)
    between = entropy((p[first] + p[second]) / 2) - (entropy(p[first]) + entropy(p[second])) / 2
    return float(between.mean())


def entropy(p: Tensor) -> Tensor:
    """`... n` -> `...`, in bits."""
    return -torch.xlogy(p, p).sum(-1) / torch.log(torch.tensor(2.0, dtype=p.dtype))


def variation(a: Tensor, b: Tensor) -> float:
    """By what share two maps `places y x` differ: half the sum of absolute differences, the mean over places."""
    return float((a - b).abs().sum((1, 2)).mean() / 2)
