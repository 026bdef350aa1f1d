"""`avbench data`: every source is listed with what is known of it, and scenes are shown."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avbench import sheet
from avbench.cli import main
from avbench.datasets import listing
from avbench.request import data_of
from suite.data.source import names_in
from suite.data.sources.scenes import FAMILIES


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `avbench data`."""
    with pytest.raises(SystemExit) as ended:
        main(["data", *arguments])
    out, error = capsys.readouterr()
    return int(ended.value.code or 0), out, error


def picture(path: Path, light: int = 0, mode: str = "RGB") -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, (4, 4), light).save(path)


def test_every_source_and_family_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--json")
    rows = json.loads(out)
    names = [row["name"] for row in rows]
    assert code == 0 and all(row["about"] for row in rows)
    assert [name for name in names if name.startswith("scenes")] == [f"scenes:{f}" for f in names_in(FAMILIES)]
    assert {name.partition(":")[0] for name in names} == set(names_in("suite.data.sources"))
    assert all(row["about"][-1] not in ".:" and len(row["about"]) > 15 for row in rows)


def test_a_row_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    (grating,) = listing("scenes:grating")
    assert grating["task"] == "classification" and grating["classes"] == 4 and grating["chance"] == 0.25
    assert grating["ceiling_224"] == pytest.approx(0.749, abs=5e-4)
    assert listing("scenes:relation")[0]["tests"] == "moved25 moved50 moved100"
    folder = next(row for row in listing() if row["name"] == "folder:PATH")
    assert folder["task"] is folder["classes"] is folder["ceiling_64"] is None
    code, out, _ = call(capsys, "digits", "--csv")
    (digits,) = csv.DictReader(io.StringIO(out))
    assert code == 0 and digits["classes"] == "10" and digits["ceiling_64"] == ""
    code, out, _ = call(capsys, "scenes")
    assert code == 0 and len(out.splitlines()) == 1 + len(names_in(FAMILIES)) and "0.749" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("scene",), "unknown data scene: take scenes"),
        (("scenes:cues",), "unknown family of scenes cues: take cue"),
        (("digits", "--show"), "digits cannot be shown on a sheet: take scenes, or one family, scenes:cue"),
        (("folder:nowhere",), "nowhere is not a folder"),
        (("--json", "--csv"), "--json and --csv exclude each other"),
    ],
)
def test_refusals(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str) -> None:
    code, out, error = call(capsys, *arguments)
    assert (code, out) == (2, "") and error.startswith(f"avbench: {sentence}")


@pytest.mark.parametrize("mode", ["I;16", "RGBA", ""])
def test_a_broken_mask_is_named_whatever_the_other_task_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    for place in range(2):
        picture(tmp_path / "images" / f"{place}.png")
        picture(tmp_path / "masks" / f"{place}.png", place, mode="L")
    if mode:
        picture(tmp_path / "masks" / "0.png", mode=mode)
    else:
        (tmp_path / "masks" / "0.png").write_bytes(b"")
    code, _, error = call(capsys, f"folder:{tmp_path}")
    assert code == 2 and error.startswith(f"avbench: {tmp_path}/masks/0.png ")
    with pytest.raises(ValueError, match=f"^{tmp_path}/masks/0.png "):
        data_of(f"folder:{tmp_path}", ("classification", "segmentation"))


def test_a_sheet_shows_images_masks_boxes_and_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sheet.png"
    code, printed, _ = call(capsys, "scenes:cue", "--show", "--out", str(out))
    assert code == 0 and printed.strip() == str(out)
    with Image.open(out) as image:
        page = np.asarray(image.convert("RGB"))
    assert page.shape == (sheet.GAP + sheet.HEIGHT, sheet.WIDTH, 3)
    first = next(sheet.samples("cue"))
    top, left = sheet.GAP + sheet.HEAD, sheet.GAP
    shown = page[top : top + sheet.TILE, left : left + sheet.TILE].astype(int)
    assert np.abs(shown - first.image).max() <= 48  # 256 colours for the whole page
    assert np.abs(shown - first.image).mean() < 3
    assert len(first.boxes) == 5 and first.text[0].startswith("a ")


def test_further_splits_are_shown_and_named() -> None:
    text = [sample.text[0] for sample in sheet.samples("relation")]
    assert [line.partition(",")[0] for line in text[1:]] == ["split moved25", "split moved50", "split moved100"]
    assert next(sheet.samples("legend")).text[0].startswith("group keys")


def test_the_committed_sheet_is_small_and_of_every_family() -> None:
    path = Path(__file__).resolve().parent.parent / "docs" / "scenes.png"
    assert path.stat().st_size < 300_000
    with Image.open(path) as page:
        assert page.height == sheet.GAP + sheet.HEIGHT * len(names_in(FAMILIES))
