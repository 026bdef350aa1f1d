"""A trained network at other sizes: built for them, with its weights, which are interpolated where they grow."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import fakes
import pytest
import torch
from sweeps import CALIBRATIONS, DATA, EXAMINED, axes, pretend
from torch import Tensor, nn

from avbench.find import find, names
from avbench.request import Request
from suite.axes import Learning, Limits
from suite.case import Case
from suite.measure import Bench
from suite.plan import plan
from suite.predict import RENDER_SECONDS
from suite.record import Record, rows
from suite.training import elsewhere
from suite.training.elsewhere import examine_in_parts, take_over
from suite.training.exam import examine
from variants.axial import HeightThenWidth
from variants.contract import Grid, Position

CASE = Case(
    "accuracy", "tiny", "isotropic", "none", "classification", 10, 16, 16, mode="train", batch=16,
    data="digits", train_images=16, lr=3e-3, tests=("24x16", "32"),
)  # fmt: skip


class Table(nn.Module):
    """A learned number for each token, added to a fake's tokens."""

    grows = True

    def __init__(self, size: Grid) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(size.y // fakes.PATCH, size.x // fakes.PATCH))

    def stretched(self, table: Tensor, shape: tuple[int, ...]) -> Tensor:
        return nn.functional.interpolate(table[None, None], shape, mode="bilinear")[0, 0]


class Placed(nn.Module):
    """A fake that runs at the size it was built for, and at no other."""

    def __init__(self, size: Grid, table: bool) -> None:
        super().__init__()
        self.inner, self.size = fakes.Transformer(32, 1, "classification", 10), size
        self.table = Table(size) if table else nn.Linear(size.x, 1)

    def forward(self, images: Tensor) -> Tensor:
        assert Grid(*images.shape[2:]) == self.size
        return self.inner(images)


def measured(**changes: Any) -> Record:
    return Bench(fakes.find).measure(replace(CASE, **changes))


@pytest.mark.parametrize("name", names())
def test_a_network_for_another_size_answers_as_the_trained_one_does_there(name: str) -> None:
    """Both interpolate what grows: one of them once, the other whenever it runs."""
    torch.manual_seed(0)
    design = find(name).fitted(300_000)
    trained, network = (design.build("classification", 5, size).eval() for size in (Grid(64, 64), Grid(48, 32)))
    take_over(network, trained.state_dict())
    images = torch.randn(1, 3, 48, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), trained(images), rtol=1e-4, atol=1e-5)


def test_positions_along_the_axes_are_taken_over() -> None:
    trained, mixer = (HeightThenWidth(16, 2, grid, Position).eval() for grid in (Grid(4, 6), Grid(7, 3)))
    take_over(mixer, trained.state_dict())
    x = torch.randn(2, 7, 3, 16)
    torch.testing.assert_close(mixer(x), trained(x))


def test_a_weight_that_is_not_interpolated_is_refused_by_its_name() -> None:
    trained, network = Placed(Grid(16, 16), table=False), Placed(Grid(32, 32), table=False)
    with pytest.raises(ValueError, match=r"its weights do not fit another size: size mismatch for table\.weight"):
        take_over(network, trained.state_dict())


def test_a_record_holds_the_scores_at_every_size() -> None:
    record = measured(data="scenes:relation", classes=8)
    names = {name for name in record.metrics if "@" not in name}
    for size in ("24x16", "32"):
        there = {name.partition("@")[0] for name in record.metrics if name.endswith(f"@{size}")}
        assert there == {n for n in names if n.startswith(("top1", "test_"))} | {"chance", "ceiling", "image_macs"}
    assert {"top1_moved50@32", "test_img_s@32", "test_batch@24x16"} <= set(record.metrics)
    assert record.metrics["top1@32"].n == record.metrics["top1"].n == 400
    network = fakes.find("tiny").build("classification", 8, Grid(32, 32))
    assert record.metrics["image_macs@32"].value == network.macs(Grid(32, 32))  # type: ignore[operator]  # a Network
    assert record.notes.get("untested") is None
    tested = {row["tested_at"]: row["resolution"] for row in rows([record])}
    assert tested == {"": "16", "24x16": "16", "32": "16"}


def test_further_tests_change_nothing_of_the_training() -> None:
    assert measured(tests=()).metrics["top1"] == measured().metrics["top1"]


def test_the_network_that_is_tested_was_built_for_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes.Fake, "build", lambda self, task, classes, size: Placed(size, table=True))
    record = measured()
    assert "top1@32" in record.metrics and "untested" not in record.notes


def test_a_size_that_does_not_apply_takes_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: fakes.Fake, task: str, classes: int, size: Grid) -> nn.Module:
        if size == Grid(24, 24):
            raise ValueError("24 pixels are no multiple of 16: choose 32")
        return Placed(size, table=size != Grid(32, 32))

    monkeypatch.setattr(fakes.Fake, "build", build)
    record = measured(tests=("24", "32", "48"))
    assert record.status == "ok" and {"top1", "top1@48"} < set(record.metrics)
    assert not any(name.endswith(("@24", "@32")) for name in record.metrics)
    assert list(record.notes["untested"]) == ["24", "32"]
    assert "24 pixels are no multiple of 16: choose 32" in record.notes["untested"]["24"]
    assert "its weights do not fit another size" in record.notes["untested"]["32"]


def test_what_does_not_fit_is_tested_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(network: nn.Module, source: Any, split: str, size: Grid, images: int, batch: int, device: Any) -> Any:
        if batch * size.n > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate too much")
        return examine(network, source, split, size, images, batch, device)

    monkeypatch.setattr(elsewhere, "examine", scarce)
    most = 5 * 32**2
    metrics = measured().metrics
    assert [metrics[f"test_batch{at}"].value for at in ("", "@32")] == [16, 4]
    most = 16 * 16**2
    record = measured(tests=("32", "128"))
    assert list(record.notes["untested"]) == ["128"] and "the memory ran out" in record.notes["untested"]["128"]
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        examine_in_parts(nn.Identity(), None, "test", Grid(128, 128), 1, 4, torch.device("cpu"))  # type: ignore[arg-type]  # nothing is read


def test_networks_learn_at_one_size_whatever_else_is_measured() -> None:
    learning = Learning((DATA,), size=Grid(48, 48), tests=(Grid(32, 32), Grid(48, 48), Grid(64, 32)), seeds=2)
    asked = replace(axes(32, 64, metrics="macs,accuracy"), learning=learning)
    found = [p.case for p in plan([fakes.find("tiny")], asked, CALIBRATIONS, Limits(), pretend).cases]
    assert [c.resolution for c in found if c.quantity == "static"] == ["32", "64"]
    learnt = [(c.resolution, c.seed, c.tests) for c in found if c.quantity == "accuracy"]
    assert learnt == [("48", seed, ("32", "64x32")) for seed in (0, 1)]
    without = replace(asked, learning=replace(learning, size=None, seeds=1))
    found = [p.case for p in plan([fakes.find("tiny")], without, CALIBRATIONS, Limits(), pretend).cases]
    learnt_at = {c.resolution: c.tests for c in found if c.quantity == "accuracy"}
    assert learnt_at == {"32": ("48", "64x32"), "64": ("32", "48", "64x32")}


def test_a_plan_counts_the_time_of_every_test() -> None:
    planned = partial(plan, [fakes.find("tiny")], calibrations=CALIBRATIONS, limits=Limits())

    def simulate(design: Any, **work: Any) -> Any:
        if work["size"] == Grid(80, 80):
            raise ValueError("80 pixels do not apply: choose 64")
        return pretend(design, **work)

    def seconds(*tests: Grid) -> float:
        asked = replace(axes(32, metrics="accuracy"), learning=Learning((DATA,), tests=tests))
        return planned(axes=asked, simulate=simulate).seconds

    alone, at_64 = seconds(), seconds(Grid(64, 64))
    forward = planned(axes=axes(64, metrics="memory"), simulate=simulate).cases[0].pass_seconds or 0
    assert at_64 - alone == pytest.approx(EXAMINED * (forward + RENDER_SECONDS * 64**2))
    assert seconds(Grid(64, 64), Grid(80, 80)) == at_64, "what does not apply takes no time"


def test_the_options_are_sizes() -> None:
    learning = Request(train_res="64", test_res="32,224x320", data="digits").learning(("classification",))
    assert (learning.size, learning.tests) == (Grid(64, 64), (Grid(32, 32), Grid(224, 320)))
    with pytest.raises(ValueError, match="'64,128' is no resolution"):
        Request(train_res="64,128", data="digits").learning(("classification",))
