"""A mixer alone: the one that the card speaks of, counted by all counts, measured on a grid of tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from sweeps import CALIBRATIONS, axes, pretend

from avbench.find import find, names
from suite.alone import Alone
from suite.axes import Axes, Limits
from suite.case import Case
from suite.count import count
from suite.measure import Bench
from suite.plan import Plan, plan
from variants.contract import Grid

VIT = Case("static", "vit", "isotropic", "learned", "classification", 1, 6, 5, widths=(64,), scope="mixer")


@pytest.mark.parametrize("name", names())
def test_the_mixer_is_that_of_the_card_and_its_counts_agree(name: str) -> None:
    recipe: Any = find(name)
    for grid in (Grid(9, 8), Grid(16, 16)):
        with torch.device("meta"):
            mixer, width = recipe.alone(grid)
        assert mixer.card.title == recipe.card.title or recipe.given
        counts = count(Alone(recipe), "classification", 1, grid)  # raises where they do not agree
        assert counts.macs == mixer.macs(grid) > 0
        assert counts.params == sum(p.numel() for p in mixer.parameters())
        assert counts.params_head == 0
        assert width in recipe.dims


def test_the_stage_is_the_first_that_has_the_mixer() -> None:
    stages = {"vit": 0, "pvt": 0, "botnet": 3, "nonlocal": 1, "augmented": 1, "pixel": 0}
    for name, stage in stages.items():
        recipe: Any = find(name)
        assert recipe.alone(Grid(3, 3))[1] == recipe.dims[stage]


def test_a_mixer_in_its_network_is_the_mixer_alone() -> None:
    """All that a network of one block does besides mixing is known."""
    recipe: Any = find("vit").sized((64,), ())
    mixer, width = recipe.alone(Grid(4, 4))
    block = recipe.build("classification", 3, Grid(64, 64)).layers()[0]
    assert block.macs(Grid(4, 4)) - mixer.macs(Grid(4, 4)) == 2 * 16 * 64 * 256
    assert {n: p.shape for n, p in mixer.named_parameters()} == {n: p.shape for n, p in block.mix.named_parameters()}
    assert float(mixer.to_qkv.weight.detach().std()) == pytest.approx((2 / (64 + 192)) ** 0.5, rel=0.1), (
        "as in a network"
    )


@pytest.mark.parametrize("quantity", ["static", "memory", "latency"])
def test_each_quantity_of_a_mixer_alone(quantity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.latency.LATENCY_SECONDS", 0.05)
    record = Bench(find).measure(replace(VIT, quantity=quantity, batch=2), limit_s=2.0)
    assert record.status == "ok"
    assert (record.notes["stated_time"], record.notes["stated_memory"]) == ("n² d", "n d")
    if quantity == "static":
        assert record.metrics["macs"].value == 30 * 4 * 64**2 + 2 * 30**2 * 64
        assert record.metrics["params"].value == 4 * (64**2 + 64)
    if quantity == "memory":
        assert record.metrics["resting_bytes"].value == 4 * (4 * (64**2 + 64) + 2 * 30 * 64), "weights and tokens"
        assert record.metrics["predicted_bytes"].value == record.metrics["peak_bytes"].value


def made(name: str = "vit", **changes: Any) -> Plan:
    asked = replace(axes(32, tasks=("classification", "segmentation")), rounds=2, **changes)
    return plan([find(name).fitted(300_000)], asked, CALIBRATIONS, Limits(), pretend)


def test_a_mixer_is_planned_once_for_all_tasks_and_never_trained() -> None:
    cases = [p.case for p in made(scopes=("network", "mixer"), modes=("inference", "train")).cases]
    alone = [case for case in cases if case.scope == "mixer"]
    assert [(c.quantity, c.round) for c in alone] == [("static", 0), ("memory", 0), ("latency", 0), ("latency", 1)]
    assert {c.mode for c in alone} == {"inference"}
    assert {(c.task, c.classes, c.decoder) for c in alone} == {("classification", 1, "")}
    assert len({c.id for c in cases}) == len(cases)


def test_what_cannot_be_taken_apart_says_so() -> None:
    alone = replace(axes(32, metrics="memory"), scopes=("mixer",))
    with pytest.raises(ValueError, match="leave out --scope mixer for models of timm"):
        plan([find("timm:vit_tiny_patch16_224")], alone, CALIBRATIONS, Limits())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"scopes": ("layer",)}, "no scope layer"),
        ({"scopes": ("mixer",), "metrics": ("accuracy", "field")}, "add --scope network, or --metric macs"),
        ({"scopes": ("network", "mixer"), "modes": ("train",)}, "add --mode inference"),
    ],
)
def test_a_scope_that_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Axes(**values)
