"""Every published configuration weighs and costs what acceptance.csv says, within the tolerance of its row."""

from __future__ import annotations

import csv
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from avbench.find import names
from suite.count import torch_macs
from variants.contract import Grid
from variants.recipe import Recipe

with (Path(__file__).parent / "acceptance.csv").open(newline="") as file:
    ROWS = {row["model"]: row for row in csv.DictReader(file)}
NO_CLASSIFIERS = {  # each with its own test, or for a later issue
    "Non-local block 512ch, 97x97, theta/phi 64",
    "DETR-R50",
    "ViT-S/16 backbone",
    "ViT-B/32 image | text",
}


def class_token(recipe: Recipe, size: Grid) -> tuple[int, int]:
    """What a class token adds to the last stage of a transformer with full attention: parameters and multiply-adds.

    The token and its place weigh d each. One token more costs its projections and its MLP, and n + 1 tokens mix
    (n + 1)² pairs instead of n², in each block.
    """
    network = on_meta(recipe, size)
    d, blocks, n = recipe.widths[-1], recipe.depths[-1], network.backbone.grids(size)[-1].n
    inner = recipe.layout.inner(len(recipe.widths) - 1)[0]
    return 2 * d, blocks * (4 * d * d + 2 * d * inner + 2 * d * ((n + 1) ** 2 - n**2))


SEGMENTS = {"UPerNet Swin-T": 150} | {f"SETR-{name} ViT-L/16": 19 for name in ("Naive", "PUP", "MLA")}  # classes
COUNTED_WITH_A_CLASS_TOKEN = {"ViT_C-4GF", "PVT-Tiny"}


def published(name: str) -> dict[str, Recipe]:
    return getattr(import_module(f"variants.{name}"), "PUBLISHED", {})


def size_of(row: dict[str, str]) -> Grid:
    y, _, x = row["resolution"].partition("x")
    return Grid(int(y), int(x or y))


def target(model: str, recipe: Recipe, column: str) -> float:
    """The number in the row, without a class token's share if it was counted with one."""
    share = class_token(recipe, size_of(ROWS[model])) if model in COUNTED_WITH_A_CLASS_TOKEN else (0, 0)
    return float(ROWS[model][column]) - share[column == "macs"]


def close(ours: int, model: str, recipe: Recipe, column: str) -> bool:
    """Whether ours is the row's number within its tolerance; an empty cell asks for nothing."""
    if not (ROWS[model][column] and ROWS[model][f"tolerance_{column}"]):
        return True
    aim = target(model, recipe, column)
    return abs(ours - aim) <= float(ROWS[model][f"tolerance_{column}"]) * aim


@pytest.mark.parametrize("name", names())
def test_published_configurations_weigh_and_cost_what_was_published(name: str) -> None:
    for model, recipe in published(name).items():
        assert model in ROWS, f"{model} is no row of acceptance.csv"
        size = size_of(ROWS[model])
        network = on_meta(recipe, size, SEGMENTS.get(model))
        params, macs = sum(p.numel() for p in network.parameters()), network.macs(size)
        assert close(params, model, recipe, "params"), f"{model}: {params} parameters"
        assert close(macs, model, recipe, "macs"), f"{model}: {macs} multiply-adds"
        assert torch_macs(network, size) == macs, f"{model} states a cost that is not counted"


def on_meta(recipe: Recipe, size: Grid, segments: int | None = None) -> Any:
    """The network for ImageNet, or for the segmentation of so many classes."""
    task = "segmentation" if segments else "classification"
    with torch.device("meta"):
        return recipe.build(task, segments or 1000, size).eval()


def test_every_row_that_is_a_classifier_is_published() -> None:
    found = {model for name in names() for model in published(name)}
    assert found | NO_CLASSIFIERS == set(ROWS)


def test_no_two_designs_publish_the_same_row() -> None:
    models = [model for name in names() for model in published(name)]
    assert len(models) == len(set(models))


def test_upernet_costs_what_was_published_at_another_size_too() -> None:
    recipe, size = published("swin")["UPerNet Swin-T"], Grid(512, 512)
    assert "236864792448 at 512x512" in ROWS["UPerNet Swin-T"]["note"]
    assert on_meta(recipe, size, 150).macs(size) == 236864792448


def test_the_share_of_a_class_token_is_what_a_reference_says() -> None:
    """DeiT-Ti is counted both ways in its row and the row's note."""
    row, recipe = ROWS["DeiT-Ti/16"], published("vit")["DeiT-Ti/16"]
    assert row["note"] == "with the class token: 5717416 and 1253683200"
    share = class_token(recipe, Grid(224, 224))
    assert (5717416 - int(row["params"]), 1253683200 - int(row["macs"])) == share
