"""Data sets of the library `datasets`: what is on this machine is read, and nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from suite.data.labelled import Labelled
from suite.data.source import MEAN, STD, load
from variants.contract import Grid

SIZE = Grid(8, 8)


def light(images: torch.Tensor) -> torch.Tensor:
    """The first channel, from 0 to 255."""
    return 255 * (images[:, 0] * STD[0] + MEAN[0])


def saved(root: Path, *splits: str, masks: bool = False, unknown: str = "", lacking: str = "") -> Path:
    """A data set of the library `datasets`, ten rows a split; `unknown` is a split whose classes and masks are not
    published, `lacking` one that has no columns for them.
    """

    def rows(split: str) -> datasets.Dataset:
        grey = [Image.new("RGB", (16, 12), (20 * i, 0, 0)) for i in range(10)]
        content = {
            "id": list(range(10)),
            "image": grey,
            "label": [-1 if split == unknown else i % 2 for i in range(10)],
        }
        kinds = {"id": datasets.Value("int64"), "image": datasets.Image(), "label": datasets.ClassLabel(2, ["a", "b"])}
        if masks:
            mask = Image.fromarray(np.array([[0] * 8 + [1] * 8] * 12, np.uint8))
            content["mask"] = [None if split == unknown and i == 7 else mask for i in range(10)]
            kinds["mask"] = datasets.Image()
        for column in {"label", "mask"} & set(content) if split == lacking else ():
            del content[column], kinds[column]
        return datasets.Dataset.from_dict(content, features=datasets.Features(kinds))

    datasets.disable_progress_bars()
    found = {split: rows(split) for split in splits}
    (datasets.DatasetDict(found) if len(splits) > 1 else found[splits[0]]).save_to_disk(root)
    return root


def test_hf_classes(tmp_path: Path) -> None:
    source = load(f"hf:{saved(tmp_path, 'train')}", "classification")
    assert isinstance(source, Labelled)
    assert (source.names, source.count("train"), source.count("test")) == (["a", "b"], 8, 2)
    assert source.native("train") == 12
    images, labels = source.batch("train", range(8), SIZE)
    rows = (light(images)[:, 0, 0] / 20).round().long()
    assert torch.equal(rows % 2, labels) and len(set(rows.tolist())) == 8


def test_hf_tests_on_a_split_with_classes(tmp_path: Path) -> None:
    root = saved(tmp_path, "train", "validation", "test", unknown="test")
    source = load(f"hf:{root}", "classification")
    assert (source.count("train"), source.count("test")) == (10, 10)
    assert "validation" in str(source.items["test"][0][0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("task", ["classification", "segmentation"])
@pytest.mark.parametrize("without", [{"lacking": "test"}, {"unknown": "test"}])
def test_hf_tests_on_the_first_split_that_has_all_targets(tmp_path: Path, task: str, without: dict[str, str]) -> None:
    root = saved(tmp_path, "train", "test", "validation", masks=True, **without)  # type: ignore[arg-type]
    source = load(f"hf:{root}", task)
    assert {str(item[0]).split(", ")[1] for item in source.items["test"]} == {"validation"}  # type: ignore[attr-defined]


def test_hf_masks(tmp_path: Path) -> None:
    source = load(f"hf:{saved(tmp_path, 'train', 'test', masks=True)}", "segmentation")
    assert (source.classes, source.count("test"), source.chance(SIZE)) == (2, 10, 0.25)
    assert source.batch("test", [3], Grid(12, 16))[1][0, 0].tolist() == [0] * 8 + [1] * 8


def test_hf_downloads_nothing_and_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^hf:nobody/nothing is not on this machine \(.*HF_HUB_OFFLINE=0$"):
        load("hf:nobody/nothing", "classification")
    with pytest.raises(ValueError, match=r"^hf: names no data set: write hf:NAME, or hf:PATH"):
        load("hf:", "classification")
    with pytest.raises(ValueError, match=r"has no masks for segmentation: take another data set or task$"):
        load(f"hf:{saved(tmp_path / 'a', 'train')}", "segmentation")
    with pytest.raises(ValueError, match=r"has the splits test, validation but no train: save it with one$"):
        load(f"hf:{saved(tmp_path / 'b', 'test', 'validation')}", "classification")
    with pytest.raises(ValueError, match=r"has rows in train without a class: take them out$"):
        load(f"hf:{saved(tmp_path / 'c', 'train', unknown='train')}", "classification")
    with pytest.raises(ValueError, match=r"has rows in train without a mask: take them out$"):
        load(f"hf:{saved(tmp_path / 'd', 'train', masks=True, unknown='train')}", "segmentation")
