"""avbench view: maps of real networks over real photographs and over scenes, as a page and as pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from chromium import needed, ran
from PIL import Image
from report_fakes import save
from sklearn.datasets import load_sample_image

from avbench.find import find
from avbench.viewing import SIDE, pointed, trained, view
from reports.attention.look import Look, distance, no_rollout, reduced, rollout
from reports.attention.page import BYTES, packed, render
from suite.case import Case
from suite.data import source
from suite.measure import Bench
from suite.training.checkpoint import read
from suite.training.keep import Keep
from variants.contract import Grid

PLACES = [((row + 0.5) / 2, (column + 0.5) / 2) for row in range(2) for column in range(2)]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A real photograph, under a name that a page must not obey."""
    path = tmp_path / "<b>china&.png"
    Image.fromarray(load_sample_image("china.jpg")).save(path)
    return path


def data_of(page: Path) -> dict[str, list[dict[str, object]]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    made: dict[str, list[dict[str, object]]] = json.loads(found[1])
    return made


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A scene of `cue`, as a file."""
    image, _ = source.load("scenes:cue", "segmentation", 0).batch("test", [0], Grid(64, 64))
    mean, std = (torch.tensor(of)[:, None, None] for of in (source.MEAN, source.STD))
    path = tmp_path / "scene.png"
    pixels = ((image[0] * std + mean).clamp(0, 1) * 255).round().byte()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)
    return path


def test_a_page_of_a_scene(scene: Path, tmp_path: Path) -> None:
    view("window", scene, None, "64", "0.3M", tmp_path / "out")
    found = data_of(tmp_path / "out/index.html")
    assert len(found["places"]) == SIDE**2 and found["maps"]
    with Image.open(tmp_path / "out/image.png") as shown, Image.open(scene) as drawn:
        assert np.abs(np.asarray(shown.resize((64, 64)), float) - np.asarray(drawn, float)).mean() < 3


@pytest.mark.parametrize(("name", "kind"), [("vit", "attention"), ("conv", "gradient"), ("linear", "attention")])
def test_a_page_of_a_photograph(name: str, kind: str, photo: Path, tmp_path: Path) -> None:
    view(name, photo, None, "32", "0.3M", tmp_path / "out")
    page = (tmp_path / "out/index.html").read_text()
    assert "&lt;b&gt;china&amp;.png" in page and "<b>china" not in page and "http" not in page.replace("http-equiv", "")
    assert ("gradient field" in page) == (kind == "gradient")
    assert (tmp_path / "out" / f"{kind}.png").is_file() and (tmp_path / "out/image.png").is_file()
    found = data_of(tmp_path / "out/index.html")
    assert found["places"] and len(found["maps"]) == page.count("<canvas")


def test_a_rollout_end_to_end_where_layers_share_a_grid_and_else_why_there_is_none(photo: Path, tmp_path: Path) -> None:
    """At a size that is neither 224 nor square."""
    view("vit", photo, None, "48x64", "0.3M", tmp_path / "shared")
    page = (tmp_path / "shared/index.html").read_text()
    assert len(data_of(tmp_path / "shared/index.html")["places"]) == 3 * 4
    assert "rollout to layer 12" in page and "<b>No rollout</b>" not in page
    assert (tmp_path / "shared/rollout.png").is_file()
    view("pvt", photo, None, "64", "0.3M", tmp_path / "several")
    page = (tmp_path / "several/index.html").read_text()
    assert len(data_of(tmp_path / "several/index.html")["places"]) == SIDE**2
    assert "rollout to layer" not in page and "the layers attend over different grids (16 x 16, " in page


def test_all_tokens_are_pointed_at_unless_they_are_too_many() -> None:
    network = find("vit").fitted(300_000).build("classification", 10, Grid(64, 64))
    assert [pointed(network, torch.zeros(3, side, side)) for side in (256, 272)] == [Grid(16, 16), Grid(SIDE, SIDE)]


def test_weights_that_a_sweep_kept_are_shown_at_any_size(photo: Path, tmp_path: Path) -> None:
    design = find("vit").fitted(300_000)
    case = Case(
        "accuracy", "vit", design.layout_name, design.position_name, "classification", 10, 32, 32, mode="train",
        widths=design.widths, extra=design.extra, batch=16, data="digits", train_images=16, lr=1e-3,
    )  # fmt: skip
    run = tmp_path / "run"
    record = Bench(find).measure(case, keep=Keep(str(run), weights=True))
    kept = save(run, [record]) / "checkpoints" / f"{record.id}.final.pt"
    network, about = trained("vit", kept, Grid(32, 32))
    weights = read(kept)
    assert weights and about == "trained on digits at 32 pixels"
    assert all(torch.equal(weights["network"][name], w) for name, w in network.state_dict().items())
    view("vit", photo, kept, "48x64", "5M", tmp_path / "out")
    assert "trained on digits at 32 pixels" in (tmp_path / "out/index.html").read_text()
    with pytest.raises(ValueError, match="holds the weights of vit, not of linear"):
        trained("linear", kept, Grid(32, 32))


@needed
def test_pointing_moves_every_tile_and_a_click_holds_them(tmp_path: Path) -> None:
    """Two rows and three columns; one tile shows the place itself, the other the opposite one."""
    places = [((row + 0.5) / 2, (column + 0.5) / 3) for row in range(2) for column in range(3)]
    here = np.eye(6, dtype=np.float32).reshape(6, 2, 3)
    looks = [Look(0, "m", i, "attention", maps) for i, maps in enumerate((here, here[::-1]))]
    page = render("t", "a", np.zeros((200, 300, 3), np.uint8), places, looks)
    found, console = ran(Path(__file__).with_name("view_driver.js").read_text(), tmp_path, PAGE=page)
    assert found == {
        "moved": ["row 25 %, column 83 %", 2, 3],
        "held": ["row 75 %, column 17 %, held", 3, 2],
        "still": ["row 75 %, column 17 %, held", 3, 2],
        "right": ["row 75 %, column 50 %, held", 4, 1],
        "up": ["row 25 %, column 50 %, held", 1, 4],
        "freed": ["row 75 %, column 83 %", 5, 0],
        "overflow": 0,
    }
    assert "CONSOLE" not in console


@pytest.mark.parametrize(
    ("name", "checkpoint", "said"),
    [("nothing", None, "no design"), ("vit", "run/checkpoints/x.final.pt", "holds no records")],
)
def test_refusals(name: str, checkpoint: str | None, said: str, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        view(name, photo, Path(checkpoint) if checkpoint else None, "32", "0.3M", tmp_path)


def test_distance_is_in_sides_of_the_image() -> None:
    here = np.eye(4, dtype=np.float32).reshape(4, 2, 2)
    there = here[:, ::-1].copy()
    assert distance(Look(0, "m", None, "attention", here), PLACES) == 0
    assert distance(Look(0, "m", None, "attention", there), PLACES) == pytest.approx(0.5)


def test_an_identity_reaches_nowhere_on_a_grid_coarser_than_the_places() -> None:
    whole = np.ones((4, 1, 1), np.float32)
    assert distance(Look(0, "m", None, "attention", whole), PLACES) == 0


def test_a_rollout_is_the_product_of_the_layers() -> None:
    chance = np.random.default_rng(0)
    maps = [chance.dirichlet(np.ones(4), 4).astype(np.float32) for _ in range(4)]
    looks = [Look(i // 2, "m", i % 2, "attention", m.reshape(4, 2, 2)) for i, m in enumerate(maps)]
    layers = [(maps[0] + maps[1]) / 4 + np.eye(4) / 2, (maps[2] + maps[3]) / 4 + np.eye(4) / 2]
    found = rollout(looks)
    np.testing.assert_allclose(found[1].weights.reshape(4, 4), layers[1] @ layers[0], rtol=1e-5)
    np.testing.assert_allclose(found[1].weights.sum((1, 2)), 1, rtol=1e-5)


def test_no_rollout_through_layers_of_different_grids_or_without_attention_or_with_too_many_tokens() -> None:
    fine, coarse = np.full((4, 2, 2), 0.25, np.float32), np.ones((4, 1, 1), np.float32)
    for looks, said in (
        ([Look(0, "m", None, "attention", fine), Look(1, "m", None, "attention", coarse)], "grids (2 x 2, 1 x 1)"),
        ([Look(0, "m", None, "gradient", fine)], "m has no weights over places"),
        ([Look(0, "m", None, "attention", fine[:3])], "2 x 2 tokens, and 3 were looked at: choose a smaller --res"),
    ):
        assert rollout(looks) == [] and said in no_rollout(looks)
    assert not no_rollout([Look(0, "m", None, "attention", fine)])


def test_coarser_maps_keep_their_mass() -> None:
    maps = np.random.default_rng(0).random((3, 29, 13)).astype(np.float32)
    small = reduced(maps, 7)
    assert small.shape == (3, 7, 7)
    np.testing.assert_allclose(small.sum((1, 2)), maps.sum((1, 2)), rtol=1e-5)


def test_a_page_never_outgrows_what_a_browser_likes() -> None:
    maps = np.random.default_rng(0).random((196, 56, 56)).astype(np.float32)
    looks = [Look(i, "m", None, "attention", maps) for i in range(30)]
    places = [(0.5, 0.5)] * 196
    assert sum(len(str(m["bytes"])) for m in packed(looks, places)["maps"]) < 1.5 * BYTES
    assert len(render("t", "a", np.zeros((8, 8, 3), np.uint8), places, looks)) < 5_000_000
