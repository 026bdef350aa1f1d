"""`hf:NAME`: a data set of the library `datasets` that is on this machine: a folder written by its `save_to_disk`, or
a NAME of the Hugging Face Hub that was loaded before. Nothing is downloaded unless HF_HUB_OFFLINE=0 asks for it.

    classification   the first column of pictures, and the first of type ClassLabel
    segmentation     the first column of pictures, and the second, whose pictures are masks

The split `train` is learnt from. Tested is on `test` or `validation`, the first that has both columns, and a target in
every row; where there is neither, a fifth of each class (for segmentation, of all pictures) is held out by row.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from suite.data.labelled import Labelled
from suite.data.masked import Masked
from suite.data.source import OtherTask, Source
from suite.data.split import divided

HELD_OUT = ("test", "validation", "val")
UNKNOWN = -1  # the label of a picture whose class is not published
Item = TypeVar("Item")


@dataclass(frozen=True)
class Cell:
    """A picture in a row of a table; a Picture."""

    data: str = field(repr=False)  # hf:NAME, which may be a folder of this machine
    split: str
    row: int
    column: str
    table: Any = field(repr=False, compare=False)

    def read_bytes(self) -> bytes:
        cell = self.table[self.row][self.column]
        content: bytes = Path(cell["path"]).read_bytes() if cell["bytes"] is None else cell["bytes"]
        return content

    def __str__(self) -> str:
        return f"{self.data}, {self.split}, row {self.row}, {self.column}"


def source(detail: str, task: str, seed: int) -> Source:
    """The data set for the task; the seed changes nothing. ValueError says what is missing."""
    name, tables = f"hf:{detail}", loaded(detail)
    if "train" not in tables:
        raise ValueError(f"{name} has the splits {', '.join(tables)} but no train: save it with one")
    features = tables["train"].features
    images = [column for column, kind in features.items() if type(kind).__name__ == "Image"]
    if task == "classification":
        labels = [column for column, kind in features.items() if type(kind).__name__ == "ClassLabel"]
        both = columns(name, images, labels, "no column of type ClassLabel")
        return classified(name, having(tables, both), *both)
    both = columns(name, images, images[1:], f"no masks for {task}")
    return segmented(name, having(tables, both), *both)


def columns(name: str, images: Sequence[str], targets: Sequence[str], lacks: str) -> tuple[str, str]:
    """The columns of pictures and of targets. ValueError if there is none of either."""
    if not images or not targets:
        raise OtherTask(f"{name} has {lacks if images else 'no column of type Image'}: take another data set or task")
    return images[0], targets[0]


def having(tables: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """The tables that have all these columns; others, such as a test set without its answers, count for none."""
    return {split: table for split, table in tables.items() if set(columns) <= set(table.features)}


def classified(name: str, tables: Mapping[str, Any], image: str, label: str) -> Labelled:
    """Pictures with a class each."""
    labels = {split: list(table[label]) for split, table in tables.items()}
    known = {split for split, found in labels.items() if UNKNOWN not in found and None not in found}
    if "train" not in known:
        raise ValueError(f"{name} has rows in train without a class: take them out")
    items = {split: list(zip(cells(name, split, tables[split], image), labels[split], strict=True)) for split in known}
    return Labelled(name, tables["train"].features[label].names, halved(items, labels["train"]))


def segmented(name: str, tables: Mapping[str, Any], image: str, mask: str) -> Masked:
    """Pictures with a mask each."""
    known = {split: table for split, table in tables.items() if not table.data.column(mask).null_count}
    if "train" not in known:
        raise ValueError(f"{name} has rows in train without a mask: take them out")
    items = {
        split: list(zip(cells(name, split, table, image), cells(name, split, table, mask), strict=True))
        for split, table in known.items()
    }
    return Masked(name, halved(items, [0] * len(items["train"])))


def halved(items: Mapping[str, Sequence[Item]], groups: Sequence[int]) -> dict[str, list[Item]]:
    """What to train and to test with; `groups` are those within which a split without another is divided."""
    train = items["train"]
    for split in HELD_OUT:
        if split in items:
            return {"train": list(train), "test": list(items[split])}
    learnt, held_out = divided([f"train/{row}" for row in range(len(train))], groups)
    return {"train": [train[row] for row in learnt], "test": [train[row] for row in held_out]}


def cells(name: str, split: str, table: Any, column: str) -> list[Cell]:
    """The pictures of a column, undecoded."""
    raw = table.cast_column(column, type(table.features[column])(decode=False)).select_columns([column])
    return [Cell(name, split, row, column, raw) for row in range(len(raw))]


def loaded(detail: str) -> Mapping[str, Any]:
    """The tables by split. ValueError if the library or the data set is not on this machine."""
    if not detail:
        raise ValueError("hf: names no data set: write hf:NAME, or hf:PATH with a folder of save_to_disk")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the library reads it once, when it is imported
    try:
        import datasets
    except ImportError:
        raise ValueError("hf:NAME needs the library datasets: pip install datasets") from None
    if os.environ["HF_HUB_OFFLINE"] == "1" and not datasets.config.HF_HUB_OFFLINE:
        raise ValueError("the library datasets may download here: set HF_HUB_OFFLINE=1 before it is imported")
    try:
        found = datasets.load_from_disk(detail) if Path(detail).is_dir() else datasets.load_dataset(detail)
    except Exception as error:  # of many kinds, some of other libraries
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        how = "name a folder of save_to_disk, or load it once with HF_HUB_OFFLINE=0"
        raise ValueError(f"hf:{detail} is not on this machine ({why}): {how}") from None
    return found if isinstance(found, datasets.DatasetDict) else {"train": found}
