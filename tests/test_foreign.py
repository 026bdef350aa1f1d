"""Models of timm beside our designs: measured as they are, and refused in one sentence where they cannot be."""

from __future__ import annotations

import importlib

import pytest
import timm
import torch

from avbench.find import find
from suite.count import count
from variants.contract import Grid


def test_a_model_of_timm_is_counted_as_it_is() -> None:
    reference = timm.create_model("resnet18", num_classes=7)
    found = count(find("timm:resnet18"), "classification", 7, Grid(64, 64))
    assert found.params == sum(p.numel() for p in reference.parameters())
    assert found.params_head == 512 * 7 + 7
    assert found.macs > 10**8


def test_a_model_of_a_fixed_size_is_built_for_each_resolution() -> None:
    network = find("timm:deit_tiny_patch16_224").build("classification", 3, Grid(64, 96))
    assert network(torch.randn(2, 3, 64, 96)).shape == (2, 3)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda d: d.in_layout("pyramid"), "keeps its own layout"),
        (lambda d: d.with_position("rotary"), "keeps its own positions"),
        (lambda d: d.build("segmentation", 3, Grid(64, 64)), "classification only"),
    ],
)
def test_what_it_cannot_be_is_refused(act: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        act(find("timm:resnet18"))  # type: ignore[operator]  # a function of a design


def test_an_unknown_model_brings_near_names() -> None:
    with pytest.raises(ValueError, match=r"timm has no model resnet81: try resnet\d+"):
        find("timm:resnet81").build("classification", 3, Grid(64, 64))


def test_without_timm_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    from variants.foreign import imported_timm

    with pytest.raises(ValueError, match=r"pip install avbench\[timm\]"):
        imported_timm()
