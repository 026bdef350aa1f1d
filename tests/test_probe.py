"""Probes: on mixers of which it is known what they must show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from mixers import built
from sweeps import CALIBRATIONS, axes, pretend
from torch import Tensor, nn

from avbench.find import find, names
from suite.alone import Alone, AloneMixer
from suite.axes import Axes, Limits
from suite.case import Case
from suite.chain import sequential_steps
from suite.measure import Bench
from suite.plan import plan
from suite.probe import data_dependence, probe, softmax_distance, tokens
from variants.contract import Grid, Mixer
from variants.conv import Conv
from variants.linear import Linear
from variants.linformer import Linformer
from variants.performer import Performer
from variants.recipe import part
from variants.vit import Attention

GRID = Grid(6, 5)


class Walk(Mixer):
    """Adds to each token what stands before it, one after the other."""

    def __init__(self, *context: object) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        found = [x.flatten(1, 2)[:, 0]]
        for token in x.flatten(1, 2).unbind(1)[1:]:
            found.append(found[-1] + token)
        return torch.stack(found, 1).view(x.shape)


def chain(make: Any, grid: Grid) -> int:
    return sequential_steps(AloneMixer(make, 8).to("meta"), grid)


def test_a_chain_is_counted_step_by_step() -> None:
    assert chain(Walk(), Grid(1, 4)) == 4, "three sums, and what joins them"
    assert chain(Walk(), Grid(10, 4)) == 40
    assert chain(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Flatten(0, 2)), GRID) == 2, "a view is no step"


def test_what_does_not_wait_for_the_input_is_no_step() -> None:
    class Constant(Mixer):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.ones(8, device=x.device).exp().exp().exp()

    assert chain(Constant(), GRID) == 1


def test_recurrence_waits_for_every_step_and_attention_for_none() -> None:
    """ReNet: five operators for each row and then for each column, since a step needs the one before it."""

    def steps(name: str, side: int) -> int:
        with torch.device("meta"):
            return sequential_steps(Alone(find(name)).build("classification", 1, Grid(side, side)), Grid(side, side))

    assert [steps("rnn", 2 * side) - steps("rnn", side) for side in (8, 16)] == [80, 160]
    assert len({steps("vit", side) for side in (8, 16, 32)}) == 1
    assert steps("vision_lstm", 32) < 2 * steps("vision_lstm", 8), "its states come in log n steps"


def test_a_linear_mixer_does_not_depend_on_the_data() -> None:
    conv, attention = (built(make, GRID).double() for make in (Conv, Attention))
    pair = tokens(GRID, 16), tokens(GRID, 16)
    assert data_dependence(conv, *pair) == 0
    assert data_dependence(attention, *pair) > 0.1
    assert data_dependence(attention, pair[0], pair[0]) == 0, "one image, one map"


def test_the_distance_to_softmax_is_none_of_itself_and_one_of_the_mean() -> None:
    attention = built(Attention, GRID).double()
    assert softmax_distance(attention, tokens(GRID, 16)) < 1e-12

    class Plain(Linear):
        """The same projections, but all values count alike."""

        def forward(self, x: Tensor) -> Tensor:
            return self.to_out(self.to_qkv(x)[..., -16:].mean((1, 2), keepdim=True).expand(x.shape))

    assert softmax_distance(built(Plain, GRID).double(), tokens(GRID, 16)) == pytest.approx(1)


def test_more_features_come_nearer_to_softmax() -> None:
    distances = []
    for features in (16, 256, 4096):
        torch.manual_seed(1)
        mixer = built(part(Performer, features=features), GRID).double()
        distances.append(softmax_distance(mixer, tokens(GRID, 16)))
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.5


def test_as_many_projected_keys_as_places_can_be_softmax() -> None:
    linformer: Any = built(part(Linformer, keys=GRID.n), GRID).double()
    with torch.no_grad():
        linformer.to_keys.table.copy_(torch.eye(GRID.n).view(linformer.to_keys.table.shape))
    assert softmax_distance(linformer, tokens(GRID, 16)) < 1e-12


def test_local_attention_with_fixed_projections_is_the_bilateral_filter() -> None:
    recipe: Any = find("bilateral")
    alone = Alone(recipe.sized((16, 16, 16, 16), ())).build("classification", 1, GRID)
    assert probe(alone, GRID)["twin_error"].value < 1e-13
    alone.mixer.nearness += torch.randn(49)
    mixer: Any = alone.mixer.double()
    x = torch.nn.functional.normalize(torch.randn(1, 6, 5, 16, dtype=torch.float64), dim=-1)
    torch.testing.assert_close(mixer.twin(GRID)(x), mixer(x))
    longer = x * torch.linspace(1, 3, 5, dtype=torch.float64)[:, None]
    assert not torch.allclose(mixer.twin(GRID)(longer), mixer(longer)), "it needs tokens of equal length"


WEIGHTLESS = {"conv", "convnext", "lambda", "mlp_mixer", "rnn", "vision_lstm"}


def test_weightless_are_designs() -> None:
    """A name that is gone, or misspelt, would excuse nothing."""
    assert set(names()) >= WEIGHTLESS


@pytest.mark.parametrize("name", [n for n in names() if n not in {"pixel", "downsample", "conv_stem", "hybrid_high"}])
def test_every_design_is_probed(name: str) -> None:
    recipe: Any = find(name)
    small = recipe.sized(recipe.layout.scaled(32 / recipe.widths[0]).widths, ())
    alone = Alone(small).build("classification", 1, GRID)
    found = probe(alone, GRID)
    assert {"sequential_steps", "data_dependence"} <= set(found)
    assert ("map_change" in found) == (name not in WEIGHTLESS)
    assert (found["data_dependence"].value > 0) == (name not in {"conv", "convnext"})
    assert all(metric.value >= 0 for metric in found.values())


def test_a_probe_is_a_record_of_the_mixer() -> None:
    case = Case("probe", "linear", "isotropic", "learned", "classification", 1, 6, 5, widths=(64,), scope="mixer")
    record = Bench(find).measure(case)
    assert record.status == "ok"
    assert set(record.metrics) == {
        "sequential_steps",
        "data_dependence",
        "map_change",
        "head_divergence",
        "softmax_distance",
    }
    assert record.metrics == Bench(find).measure(case).metrics


def test_probes_are_planned_for_mixers_of_two_tokens_or_more() -> None:
    asked = replace(axes(1, 32, metrics="field"), scopes=("network", "mixer"), metrics=("probe", "params"))
    cases = [p.case for p in plan([find("vit").fitted(300_000)], asked, CALIBRATIONS, Limits(), pretend).cases]
    assert [(c.scope, c.height) for c in cases if c.quantity == "probe"] == [("mixer", 32)]
    with pytest.raises(ValueError, match="add --scope mixer"):
        Axes(metrics=("probe",))
