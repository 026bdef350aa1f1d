"""Decoders: on every layout, at every size, exact in cost, true to their formulas; auxiliary heads only to train."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from suite.count import agreed_macs, parameters
from suite.step import loss_of
from variants.contract import AUXILIARY, Grid
from variants.conv import RECIPE as CONV
from variants.parts.decoder import Convolved
from variants.parts.norm import BatchNorm1d, BatchNorm2d
from variants.parts.setr import MLA, PUP, Naive
from variants.parts.uper import UPer
from variants.recipe import DECODERS, LAYOUTS, Recipe
from variants.swin import RECIPE as SWIN
from variants.vit import RECIPE as VIT

WIDTH, CLASSES = 8, 3
SIZES = [Grid(64, 64), Grid(33, 47), Grid(97, 32), Grid(1, 1)]
AUXILIARIES = {  # how many auxiliary heads: on an isotropic backbone, and on a pyramid of four stages
    "linear": (0, 0), "naive": (3, 3), "pup": (4, 4), "mla": (4, 4), "uper": (1, 1),
}  # fmt: skip
cases = pytest.mark.parametrize(("layout", "decoder"), [(o, d) for o in LAYOUTS for d in DECODERS])


def small(layout: str, decoder: str) -> Recipe:
    """A narrow, shallow design of that layout under the decoder."""
    recipe = {"isotropic": VIT, "pyramid": SWIN, "bottleneck": CONV}[layout]
    shape = recipe.layout.scaled(32 / recipe.widths[0])
    depths = (4,) if layout == "isotropic" else (1, 1, 1, 1)  # a block for each tap, a stage for each grid
    return replace(recipe, layout=replace(shape, depths=depths)).with_decoder(f"{decoder}:{WIDTH}")


def built(layout: str, decoder: str, size: Grid) -> Any:
    return small(layout, decoder).build("segmentation", CLASSES, size)


def images(b: int, size: Grid) -> Tensor:
    return torch.randn(b, 3, size.y, size.x)


@cases
def test_inference_answers_with_a_class_for_every_pixel(layout: str, decoder: str) -> None:
    network = built(layout, decoder, Grid(64, 64)).eval()
    for size in SIZES:
        with torch.no_grad():
            logits = network(images(2, size))
        assert logits.shape == (2, CLASSES, size.y, size.x)
        assert logits.isfinite().all()


@cases
def test_training_answers_with_auxiliary_logits_too_and_reaches_every_parameter(layout: str, decoder: str) -> None:
    size = Grid(33, 47)
    network = built(layout, decoder, size).train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    answer = network(images(2, size))
    count = AUXILIARIES[decoder][layout != "isotropic"]
    assert isinstance(answer, tuple) == (count > 0)
    if count:
        assert [t.shape for t in answer] == [(2, CLASSES, 33, 47)] * (1 + count)
    loss_of(answer, torch.randint(CLASSES, (2, 33, 47))).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


@cases
def test_the_stated_cost_is_what_both_counters_count(layout: str, decoder: str) -> None:
    for size in (Grid(33, 47), Grid(130, 40)):
        with torch.device("meta"):
            network = built(layout, decoder, size).eval()
        assert agreed_macs(network, size) == network.macs(size)
        assert parameters(network)[1] == sum(p.numel() for p in network.head.parameters())


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_single_image_of_a_single_place_is_learnt_from(decoder: str) -> None:
    """Batch norm has nothing to deviate from there, and takes its running values."""
    network = built("pyramid", decoder, Grid(4, 4)).train()
    loss_of(network(images(1, Grid(4, 4))), torch.zeros(1, 4, 4, dtype=torch.int64)).backward()
    assert all(p.grad.isfinite().all() for p in network.head.parameters())
    assert all(b.isfinite().all() for b in network.buffers())


def test_batch_norm_is_batch_norm_wherever_there_is_a_batch() -> None:
    for ours, theirs, shapes in (
        (BatchNorm2d(5), nn.BatchNorm2d(5), [(2, 5, 1, 1), (1, 5, 3, 1), (4, 5, 2, 6)]),
        (BatchNorm1d(5), nn.BatchNorm1d(5), [(2, 5), (1, 5, 3), (4, 5, 2)]),
    ):
        for x in map(torch.randn, shapes):
            assert torch.equal(ours(x), theirs(x)) and torch.equal(ours.running_var, theirs.running_var)


def test_the_features_of_one_stage_are_those_of_the_published_blocks() -> None:
    large = replace(VIT, layout=replace(VIT.layout, widths=(16,), depths=(24,)))
    for decoder, blocks in {"naive": (10, 15, 20, 24), "pup": (10, 15, 20, 24), "mla": (6, 12, 18, 24)}.items():
        assert large.with_decoder(decoder).build("segmentation", 2, Grid(32, 32)).backbone.taps == blocks
    with torch.device("meta"):
        assert VIT.with_decoder("uper").build("segmentation", 2, Grid(32, 32)).backbone.taps == (3, 6, 9, 12)
        assert VIT.with_decoder("uper").build("classification", 2, Grid(32, 32)).backbone.taps == ()


def test_each_tap_is_what_its_block_gives() -> None:
    network, x = built("isotropic", "mla", Grid(32, 32)).eval(), images(1, Grid(32, 32))
    features = network.backbone(x)
    x = network.backbone.place(network.backbone.stem(x))
    for block, feature in zip(network.backbone.stages[0], features, strict=True):
        x = block(x)
        assert torch.equal(feature, x)


# ------------------------------------------------------------------------- the formulas, written as the papers say them


def convolved(part: Convolved, x: Tensor) -> Tensor:
    norm, side = part.norm, part.conv.kernel_size[0]
    x = F.conv2d(x, part.conv.weight, padding=side // 2)
    return F.relu(F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias))


def normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """`b y x d` -> `b d y x`."""
    return norm(x).permute(0, 3, 1, 2)


def classified(pixels: Any, x: Tensor) -> Tensor:
    """A 1 x 1 convolution to the classes."""
    return F.conv2d(x, pixels.to_logits.weight[..., None, None], pixels.to_logits.bias)


def up(x: Tensor, times: int) -> Tensor:
    return F.interpolate(x, scale_factor=times, mode="bilinear")


def naive(head: Naive, features: list[Tensor]) -> list[Tensor]:
    """Classes come last, on the enlarged grid: a linear layer and bilinear upsampling commute."""
    heads = [(head.head, features[-1]), *zip(head.auxiliary, features[:-1], strict=True)]
    return [classified(h.pixels, up(convolved(h.steps[0], normed(h.norm, x)), 16)) for h, x in heads]


def pup(head: PUP, features: list[Tensor]) -> list[Tensor]:
    """Four times a convolution and twice the grid, then the classes of all pixels."""
    x = normed(head.head.norm, features[-1])
    for step in head.head.steps:
        x = up(convolved(step, x), 2)
    others = zip(head.auxiliary, features, strict=True)
    return [
        classified(head.head.pixels, x),
        *(up(classified(h.pixels, convolved(h.steps[0], normed(h.norm, f))), 16) for h, f in others),
    ]


def mla(head: MLA, features: list[Tensor]) -> list[Tensor]:
    """Streams are added from the last layer to the first, each convolved, reduced, enlarged four times and joined."""
    p2, p3, p4, p5 = (convolved(c, normed(n, x)) for n, c, x in zip(head.norms, head.to_width, features, strict=True))
    sums = [p5 + p4 + p3 + p2, p5 + p4 + p3, p5 + p4, p5]
    streams = [convolved(c, x) for c, x in zip(head.mixed, sums, strict=True)]
    halves = [convolved(d, convolved(c, x)) for c, d, x in zip(head.first, head.second, streams, strict=True)]
    logits = classified(head.pixels, torch.cat([up(x, 4) for x in halves], 1))
    return [up(logits, 4), *(up(classified(h, x), 16) for h, x in zip(head.auxiliary, streams, strict=True))]


@pytest.mark.parametrize(("make", "oracle"), [(Naive, naive), (PUP, pup), (MLA, mla)])
def test_setr_is_its_formula(make: Any, oracle: Any) -> None:
    """On an image that 16 divides, in float64, main and auxiliary logits alike."""
    torch.set_default_dtype(torch.float64)
    head = make((8, 12, 20, 16), CLASSES, WIDTH)
    torch.set_default_dtype(torch.float32)
    for tensor in head.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if tensor.dim() == 1 else torch.randn_like(tensor))
    head.eval().training = True  # answers with all logits, while norms take their running values
    features = [torch.randn(2, 3, 2, d, dtype=torch.float64) for d in (8, 12, 20, 16)]
    answer, expected = head(features, Grid(48, 32)), oracle(head, features)
    assert len(answer) == len(expected)
    for ours, theirs in zip(answer, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_levels_of_a_transformer_without_stages() -> None:
    """UPerNet takes features of one grid to a 4th, 8th, 16th and 32nd: the same as if they came so."""
    head = UPer((8, 8, 8, 8), CLASSES, WIDTH).eval()
    features = [torch.randn(1, 4, 6, 8) for _ in range(4)]
    with torch.no_grad():
        for norm in head.norms:
            norm.weight.fill_(1.0)
        logits = head(features, Grid(64, 96))
        head.norms = nn.ModuleList(nn.Identity() for _ in features)
        first, second, third, fourth = (F.layer_norm(x, (8,)).permute(0, 3, 1, 2) for x in features)
        levels = [up(first, 4), up(second, 2), third, F.avg_pool2d(fourth, 2)]
        torch.testing.assert_close(logits, head([x.permute(0, 2, 3, 1) for x in levels], Grid(64, 96)))


# ------------------------------------------------------------------------------------------------------ names and loss


def test_a_decoder_is_called_by_its_name_and_its_channels() -> None:
    assert VIT.decoder_name == "linear" and VIT.with_decoder("linear") is VIT
    assert VIT.with_decoder("uper").decoder_name == "uper"
    narrow = VIT.with_decoder("uper:128")
    assert narrow.decoder_name == "uper:128" and narrow.with_decoder("uper").decoder_name == "uper"
    assert str(narrow) != str(VIT.with_decoder("uper"))


@pytest.mark.parametrize("name", ["fcn", "uper:", "uper:wide", "uper:1", ""])
def test_a_decoder_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^no decoder is called .* choose one of linear, naive, pup, mla, uper, or"):
        VIT.with_decoder(name)


def test_auxiliary_heads_enter_the_loss_with_their_weight() -> None:
    logits, other = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    targets = torch.randint(3, (2, 4, 4))
    expected = F.cross_entropy(logits, targets) + AUXILIARY * F.cross_entropy(other, targets)
    torch.testing.assert_close(loss_of((logits, other), targets), expected)
    assert torch.equal(loss_of(logits, targets), F.cross_entropy(logits, targets))
