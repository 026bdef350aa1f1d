"""Each planted change is found by the exact tier in every design: in the figure that must tell, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from narrow import shrunk
from torch import Tensor, nn

from avbench.find import find, names
from suite.gate import exact
from suite.gate.target import Target
from suite.step import attention_backend
from variants.contract import Grid, Mixer

IMAGE = (1, 3, 32, 32)
FUSED = "calls of _scaled_dot_product_flash_attention_for_cpu"
PLAIN = "calls of _safe_softmax"


@pytest.mark.parametrize("name", names())
def test_each_planted_change_is_found(name: str) -> None:
    network = shrunk(find(name)).build("classification", 10, Grid(*IMAGE[2:])).eval()
    x, target = torch.randn(IMAGE), Target(name, input=IMAGE)
    before = exact.figures(target, network)

    with one_matmul_and_a_negation(network) as planted:
        assert exact.counted(network, x) == before["macs"] + planted["macs"]
        assert told(before, operators=exact.operators(network, x, None))["calls of neg"] == 1
    with one_byte_an_element(network), one_parameter(network):
        after = told(before, **exact.figures(target, network))
    assert (after["peak_bytes"], after["params"]) == (x.numel(), 1)
    assert FUSED in exact.flat(before) or name != "vit"
    if FUSED in exact.flat(before):
        with attention_backend("math"):
            after = told(before, operators=exact.operators(network, x, None))
        assert after[FUSED] < 0 < after[PLAIN]


def told(before: exact.Figures, **after: Any) -> dict[str, int]:
    """What the exact tier says of each figure that differs: by how much."""
    return {
        one.what: (one.found or 0) - (one.expected or 0)
        for one in exact.differences({"case": before}, {"case": before | after})
    }


@contextmanager
def one_matmul_and_a_negation(network: nn.Module) -> Iterator[dict[str, int]]:
    """Of the last mixer's output, by a matrix that is made for it; yields the multiply-adds of a pass that was made."""
    planted = {"macs": 0}

    def change(mixer: nn.Module, given: Any, out: Tensor) -> Tensor:
        planted["macs"] = out.numel() * out.shape[-1]
        return (out @ torch.eye(out.shape[-1], device=out.device)).neg()

    handle = [module for module in network.modules() if isinstance(module, Mixer)][-1].register_forward_hook(change)
    yield planted
    handle.remove()


@contextmanager
def one_byte_an_element(network: nn.Module) -> Iterator[None]:
    """As many bytes as the input has numbers, held for as long as the network works."""
    held: list[Tensor] = []
    handles = [
        network.register_forward_pre_hook(lambda _, given: held.append(torch.empty_like(given[0], dtype=torch.int8))),
        network.register_forward_hook(lambda *_: held.clear()),
    ]
    yield
    for handle in handles:
        handle.remove()


@contextmanager
def one_parameter(network: nn.Module) -> Iterator[None]:
    network.register_parameter("more", nn.Parameter(torch.ones(1)))
    yield
    del network.more
