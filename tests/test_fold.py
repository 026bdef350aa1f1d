"""A pass in which profiles stand in for equal blocks is, number by number, the pass in which every block runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import fakes
import pytest
import torch
from torch import Tensor, nn

from avbench.find import find, names
from suite.fold import Fold
from suite.simulate import Simulated, simulate
from variants.contract import Grid, Made
from variants.vit import RECIPE as VIT

SIZE = Grid(44, 60)  # divides into no patches and no windows


def shallow(name: str, depths: tuple[int, ...] = ()) -> Any:
    """The design with few blocks, as narrow as can be; inner widths differ within the stages of several blocks."""
    recipe: Any = find(name)
    layout = recipe.layout
    depths = depths or (5,) if len(layout.depths) == 1 else (2, 1, 5, 1)[: len(layout.depths)]
    small = replace(layout, depths=depths).scaled(0.2)
    return replace(recipe, layout=replace(small, extra=tuple(depth // 2 for depth in depths)))


def both(design: Any, fold: Fold, **work: Any) -> tuple[Simulated, Simulated]:
    """In full, and with profiles."""
    work = {"classes": 3, "size": SIZE} | work
    return simulate(design, **work), simulate(design, **work, fold=fold)


@pytest.mark.parametrize("name", names())
def test_every_design_folded_is_what_it_is_in_full(name: str) -> None:
    design, fold = shallow(name), Fold()
    for task, mode in (("classification", "inference"), ("classification", "train"), ("segmentation", "train")):
        full, folded = both(design, fold, task=task, mode=mode)
        assert folded == full


def test_equal_blocks_are_built_and_seen_once() -> None:
    fold = Fold()
    for mode in ("inference", "train"):
        simulate(shallow("vit", (12,)), "classification", 3, SIZE, mode=mode, fold=fold)
    blocks = [type(block.module).__name__ for block in fold.blocks.values()]
    assert sorted(blocks) == ["Attention", "Patches", "Transformer", "Transformer"], "six blocks have more channels"
    seen = len(fold.profiles)
    simulate(shallow("vit", (12,)), "segmentation", 3, SIZE, fold=fold)
    assert len(fold.profiles) == seen == 8, "each in two modes, whatever the task"


@pytest.mark.parametrize("work", [{"batch": 3}, {"dtype": "bfloat16"}, {"backend": "math"}])
def test_whatever_the_work_is(work: dict[str, Any]) -> None:
    for name in ("swin", "sasa_resnet"):
        full, folded = both(
            shallow(name), Fold(work.get("backend", "sdpa")), task="classification", mode="train", **work
        )
        assert folded == full


@pytest.mark.parametrize("decoder", ["pup", "mla", "uper"])
def test_features_in_the_midst_of_a_stage_are_held(decoder: str) -> None:
    full, folded = both(shallow("vit").with_decoder(decoder), Fold(), task="segmentation", mode="train")
    assert folded == full


class Odd(nn.Module):
    """Blocks of each kind that is not simply an operator: `kind` names it."""

    def __init__(self, kind: str, dim: int) -> None:
        super().__init__()
        self.kind, self.to_out = kind, nn.Linear(dim, dim)
        self.kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "nothing":
            return x
        if self.kind == "a view":
            return x.transpose(1, 2)
        if self.kind == "a part":
            return self.to_out(x)[:, 1:]  # the rest of its memory stays
        if self.kind == "keeps":
            self.kept = self.kept if self.kept is not None else torch.zeros(x.shape[1:], device=x.device)
            return x + self.to_out(x) * self.kept
        if self.kind == "output":
            return self.to_out(x).relu()  # needs its output backward
        return x.detach() + self.to_out(x.detach())  # gives its input no gradient


class Row(nn.Module):
    """A stem, the same block several times, a head."""

    def __init__(self, blocks: list[nn.Module], dim: int, classes: int) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = nn.Conv2d(3, dim, 4, 4), nn.ModuleList(blocks), nn.Linear(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images).flatten(2).transpose(1, 2)  # b n d
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


@dataclass(frozen=True)
class Folding(fakes.Fake):
    """A fake whose blocks are equal."""

    def build(self, task: str, classes: int, size: Grid) -> nn.Module:
        return Row([Odd(self.name, 16) for _ in range(4)], 16, classes)

    def folded(self, task: str, classes: int, size: Grid, made: Made) -> nn.Module:
        block = made.setdefault("block", Odd(self.name, 16))
        return Row([block] * 4, 16, classes)


@pytest.mark.parametrize("kind", ["nothing", "a view", "a part", "keeps", "output", "no gradient"])
@pytest.mark.parametrize("mode", ["inference", "train"])
def test_odd_blocks_are_seen_as_they_are(kind: str, mode: str) -> None:
    full, folded = both(Folding(kind), Fold(), task="classification", mode=mode, size=Grid(64, 64))
    assert folded == full


def test_what_cannot_fold_is_simulated_in_full() -> None:
    full, folded = both(fakes.find("tiny"), fold := Fold(), task="classification", mode="train")
    assert folded == full and not fold.blocks


def test_the_profiles_of_one_design_hold_for_two_sizes_apart() -> None:
    """A fold is for one size: another size's blocks would carry other positions."""
    for size in (Grid(32, 32), Grid(64, 64)):
        full, folded = both(VIT.sized((32,), (0,)), Fold(), task="classification", mode="train", size=size)
        assert folded == full
