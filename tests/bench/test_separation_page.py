"""separation.py on records that are known, and its page against the rows it was written from."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import separation as subject

from avbench.request import LEARNT_WITHOUT_GPU
from suite.case import Case
from suite.record import Metric, Record

CASE = Case("accuracy", "vit", "isotropic", "learned", "segmentation", 3, 64, 64, train_images=32000)
MACHINE = {"identity": {"cpu": "Some CPU"}, "conditions": {"commit": "0123456789ab", "dirty": True}}


def learnt(seed: int, miou: float, **more: float) -> Record:
    values = {"miou": miou, "chance": 0.5, "ceiling": 1.0, "foreground": 0.9} | more
    metrics = {name: Metric(value, "", value - 0.01, value + 0.01, 400) for name, value in values.items()}
    case = replace(CASE, seed=seed)
    return Record(case, "ok", metrics=metrics, machine=MACHINE, started="2026-11-27T10:00:00+00:00")


def failed(seed: int) -> Record:
    return Record(replace(CASE, seed=seed), "diverged", "the loss rose", machine=MACHINE, started="2026-11-26T17:00")


def kept(folder: Path, *records: Record) -> None:
    folder.mkdir(parents=True)
    (folder / "records.jsonl").write_text("".join(f"{record.to_json()}\n" for record in records), encoding="utf-8")


def cue(tmp_path: Path, *records: Record) -> pd.DataFrame:
    """The rows of `cue`, its first run trained again."""
    kept(tmp_path / "cue-0", *records)
    found = subject.gathered(subject.known(), tmp_path, {"cue-0", "cue-1"})
    return found[found.comparison == "cue"]


def test_the_page_is_what_its_rows_say() -> None:
    assert (subject.DOCS / "separation.md").read_text(encoding="utf-8") == subject.page(subject.known())


def test_an_interval_is_over_seeds_and_of_one_seed_over_its_images(tmp_path: Path) -> None:
    rows = cue(tmp_path, *(learnt(seed, 0.7 + 0.1 * seed) for seed in range(3)))
    assert subject.text_of(rows[rows.run == "cue-0"]) == "0.800 (0.552 to 1.048)"
    assert subject.text_of(rows[(rows.run == "cue-0") & (rows.seed == 0)]) == "0.700 (0.690 to 0.710)"


def test_a_training_that_failed_is_a_row(tmp_path: Path) -> None:
    rows = cue(tmp_path, learnt(0, 0.7), failed(1), failed(2))
    assert list(rows[rows.run == "cue-0"].status) == ["ok", "diverged", "diverged"]
    assert subject.text_of(rows[rows.run == "cue-0"]) == "0.700 (0.690 to 0.710), 2 diverged"
    page = subject.part_of(subject.COMPARISONS[1], rows)
    assert "| vit | 1 | 0.700 (0.690 to 0.710), 2 diverged | 0.500 | 1.000 |" in page
    alone = rows[rows.run == "cue-0"].query("status != 'ok'")
    assert "| vit | 0 | 2 diverged |  |  |" in subject.part_of(subject.COMPARISONS[1], alone)


def test_what_was_not_trained_again_stays(tmp_path: Path) -> None:
    rows, before = cue(tmp_path, learnt(0, 0.7)), subject.known()
    pd.testing.assert_frame_equal(
        rows[rows.run != "cue-0"].reset_index(drop=True),
        before[(before.comparison == "cue") & (before.run != "cue-0")].reset_index(drop=True),
        check_dtype=False,
    )
    origins = "\n".join(subject.origins(rows))
    assert (
        "* cue-0: Some CPU, 2026-11-27, commit 0123456789ab, edited; linear layers started by their width, as of ["
        in origins
    )
    assert "* cue-1: " in origins


def test_splits_and_the_start_of_weights_are_columns() -> None:
    rows = subject.rows_of(learnt(0, 0.7, miou_keys1=0.6))
    assert [(row["split"], row["score"], row["weights"]) for row in rows] == [
        ("test", 0.7, "by width"), ("keys1", 0.6, "by width")
    ]  # fmt: skip
    assert [(row["split"], row["score"], row["weights"]) for row in subject.rows_of(failed(0))] == [
        ("test", None, "0.02")
    ]


def test_how_long_a_plateau_took_is_told_where_it_is_known(tmp_path: Path) -> None:
    rows = cue(tmp_path, *(learnt(seed, 0.7, never_left=0, images_to_leave=5000 + 600 * seed) for seed in range(2)),
               learnt(2, 0.5, never_left=1))  # fmt: skip
    rows.loc[rows.run != "cue-0", ["never_left", "images_to_leave"]] = None
    page = subject.part_of(subject.COMPARISONS[1], rows)
    assert "| chance | ceiling | images to leave the plateau |" in page
    assert "| 0.500 | 1.000 | 5300, never in 1 of 3 |" in page
    assert "| 0.556 | 1.000 |  |" in page, "it was not asked when these were trained"
    assert "plateau" not in subject.part_of(subject.COMPARISONS[1], rows[rows.run != "cue-0"])


def test_every_size_is_learnt_at_itself_without_a_gpu_too() -> None:
    for command in (command for comparison in subject.COMPARISONS for command in comparison.commands().values()):
        (side,) = re.findall(r"--res (\d+)", command)
        assert int(side) <= int(LEARNT_WITHOUT_GPU) or f"--train-res {side} " in command


def test_a_sweep_that_is_refused_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert subject.train(tmp_path, {"cue-0": "vit", "cue-1": "swin"}, "cpu", 2) == ["cue-0", "cue-1"]
