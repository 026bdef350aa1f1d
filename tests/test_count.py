"""Three independent counts of multiply-adds agree to the unit, and an error planted in any one of them is found."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from fakes import ConvNet, Transformer, find
from narrow import shrunk
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import flop_registry, register_flop_formula

from avbench import find as designs
from avbench.find import names
from suite import trace
from suite.account import Account
from suite.count import CountError, agreed_macs, count, formula_macs, fvcore_macs, parameters, torch_macs
from suite.fold import Fold
from suite.simulate import simulate
from suite.work import WORK
from variants.contract import Grid

SIZE = Grid(32, 48)


def on_meta(make: Any, *args: Any) -> Any:
    with torch.device("meta"):
        return make(*args).eval()


@pytest.mark.parametrize("task", ["classification", "segmentation"])
@pytest.mark.parametrize("size", [SIZE, Grid(37, 50), Grid(1024, 1024)], ids=str)
def test_counts_of_a_transformer_agree(task: str, size: Grid) -> None:
    network = on_meta(Transformer, 32, 2, task, 7)
    assert fvcore_macs(network, size) == torch_macs(network, size) == formula_macs(network, size)


@pytest.mark.parametrize(("turn", "name"), [*enumerate(names())])
def test_counts_of_every_design_agree_on_large_images(turn: int, name: str) -> None:
    """Either task in turn; narrow networks, since all that matters is what grows with the image."""
    design: Any = designs.find(name)
    layout = design.layout.scaled(32 / design.widths[0])
    depths = tuple(min(depth, len(design.mixers)) for depth in layout.depths)
    task, size = (("classification", Grid(1024, 1024)), ("segmentation", Grid(1056, 1536)))[turn % 2]
    network = on_meta(replace(design, layout=replace(layout, depths=depths)).build, task, 5, size)
    assert fvcore_macs(network, size) == torch_macs(network, size) == formula_macs(network, size) > 0


@pytest.mark.parametrize("name", names())
def test_every_operator_of_every_design_has_a_cost_or_is_free(name: str) -> None:
    design, fold, called = shrunk(designs.find(name)), Fold(), set[str]()
    for task, mode in product(("classification", "segmentation"), ("inference", "train")):
        called |= simulate(design, task, 5, Grid(64, 64), mode=mode, fold=fold).operators.keys()
    assert not {work.name for work in WORK.values() if work.name in called and not work.known}


@pytest.mark.parametrize(
    ("run", "each"),
    [
        (F.hardswish, 1),
        (F.logsigmoid, 1),
        (lambda x: x.clone().masked_fill_(x > 0, 0.0), 2),
        (lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True), 4),
        (lambda x: F.pad(x, (1, 1)).roll(1, 2), 0),
    ],
)
def test_what_torch_does_not_call_pointwise_is_counted_too(run: Any, each: int) -> None:
    images, account = torch.zeros(1, 3, 8, 8), Account()
    with account:
        run(images)
    assert account.other_flops == each * images.numel()


def test_counts_of_a_convolutional_network_agree() -> None:
    network = on_meta(ConvNet, 16, 7)
    assert agreed_macs(network, SIZE) == 9 * SIZE.n * (3 * 16 + 3 * 16**2) + 16 * 7


def test_everything_about_a_design_is_counted() -> None:
    counts = count(find("tiny"), "classification", 10, SIZE)
    network = on_meta(find("tiny").build, "classification", 10, SIZE)
    n, d = 96, 32
    assert counts.params == sum(p.numel() for p in network.parameters())
    assert (counts.params_head, counts.params_grid) == (10 * (d + 1), 0)
    assert counts.macs == network.macs(SIZE)
    attention, norms, gelu, residuals, pool = 4 * 2 * n * n, 2 * 5 * n * d, 4 * n * d, 2 * n * d, n * d
    assert counts.other_flops == attention + norms + gelu + residuals + pool


def test_an_error_in_the_formula_is_found() -> None:
    with pytest.raises(CountError) as caught:
        count(find("miscounted"), "classification", 10, SIZE)
    right = find("tiny").build("classification", 10, SIZE).macs(SIZE)
    assert f"the formula {right + 1}, fvcore {right}, torch {right}" in str(caught.value)


def test_an_error_in_a_handle_of_fvcore_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = trace.HANDLES["aten::linear"]
    monkeypatch.setitem(trace.HANDLES, "aten::linear", lambda inputs, outputs: linear(inputs, outputs) - 1)
    with pytest.raises(CountError, match=r"formula \d+, fvcore \d+, torch \d+"):
        count(find("tiny"), "classification", 10, SIZE)


def test_an_error_in_the_formulas_of_torch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    bmm = torch.ops.aten.bmm
    right = flop_registry[bmm]
    monkeypatch.setitem(flop_registry, bmm, lambda *args, **kwargs: right(*args, **kwargs) + 2)
    with pytest.raises(CountError, match="disagree"):
        count(find("tiny"), "classification", 10, SIZE)


class Operators(nn.Module):
    """Every operator that has a handle, in forms that are easy to get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Conv2d(3, 8, 3, padding="same")
        self.uneven = nn.Conv2d(8, 8, (3, 2), padding="same", groups=4, dilation=(1, 2))
        self.up = nn.ConvTranspose2d(8, 4, 2, 2, groups=2)
        self.valid = nn.Conv2d(4, 6, 3, stride=2, padding="valid")

    def forward(self, images: Tensor) -> Tensor:
        a = self.valid(self.up(self.uneven(self.same(images)))).flatten(2)  # b e n
        gram = torch.einsum("b e n, b f n -> b e f", a, a)
        alone = torch.einsum("bef,ben->bn", gram, a)  # f is in one factor only: summed away before the product
        pointwise = torch.einsum("ben,ben->ben", a, a)  # nothing is summed: no multiply-adds
        t = a[:, None]
        mixed = F.scaled_dot_product_attention(t, t, t[..., :5], attn_mask=t.new_zeros(6, 6))  # narrow values
        return torch.baddbmm(gram, gram, gram).sum() + alone.sum() + pointwise.sum() + mixed.sum()


@pytest.mark.parametrize("size", [Grid(17, 19), Grid(401, 403)], ids=str)
def test_every_handle_agrees_with_torch(size: Grid) -> None:
    network = on_meta(Operators)
    assert agreed_macs(network, size) == fvcore_macs(network, size) > 0


def test_einsum_is_exact_where_fvcores_own_handle_rounds() -> None:
    class Product(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.einsum("bcyx,bcyz->bcxz", images, images)

    assert fvcore_macs(on_meta(Product), Grid(1013, 1009)) == 3 * 1013 * 1009**2


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.lstm(images[:, 0, :, :3])[0]


def test_an_operator_without_a_rule_is_an_error() -> None:
    with pytest.raises(CountError, match="no rule for aten::lstm"):
        fvcore_macs(on_meta(Recurrent), SIZE)


@torch.library.custom_op("avbench::probe_logits", mutates_args=())
def probe_logits(q: Tensor, k: Tensor) -> Tensor:
    return q.new_zeros(*q.shape[:-1], 9)


@torch.library.custom_op("avbench::probe_mix", mutates_args=())
def probe_mix(w: Tensor, v: Tensor) -> Tensor:
    return v.clone()


@torch.library.custom_op("avbench::probe_else", mutates_args=())
def probe_else(x: Tensor) -> Tensor:
    return x.clone()


probe_logits.register_fake(lambda q, k: q.new_empty(*q.shape[:-1], 9))
probe_mix.register_fake(lambda w, v: torch.empty_like(v))
probe_else.register_fake(torch.empty_like)


@register_flop_formula([torch.ops.avbench.probe_logits, torch.ops.avbench.probe_mix])
def probe_flops(first: torch.Size, second: torch.Size, **_: Any) -> int:
    return 2 * 9 * second.numel()


class Neighbours(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return probe_mix(probe_logits(images, images), images)


def test_operators_of_ours_are_counted_by_name() -> None:
    assert agreed_macs(on_meta(Neighbours), SIZE) == 2 * 9 * 3 * SIZE.n


def test_an_operator_of_ours_with_another_name_is_an_error() -> None:
    class Other(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return probe_else(images)

    with pytest.raises(CountError, match="no rule for avbench::probe_else"):
        fvcore_macs(on_meta(Other), SIZE)


def test_parameters_that_do_not_add_up_are_an_error() -> None:
    class Unsure(Transformer):
        def parameter_count(self) -> dict[str, int]:
            return {"body": 1, "head": 1, "grid": 0}

    with pytest.raises(CountError, match=r"states body 1 \+ head 1, there are"):
        parameters(on_meta(Unsure, 8, 1, "classification", 3))
