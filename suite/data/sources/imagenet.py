"""`imagenet:PATH`: ImageNet, or any data set laid out like it.

train/n01440764/*.JPEG    a folder for each class; classes are numbered in alphabetical order
val/n01440764/*.JPEG      tested on
"""

from __future__ import annotations

from suite.data.labelled import Labelled, in_class_folders
from suite.data.layout import root_of
from suite.data.pictures import pictures_in
from suite.data.source import OtherTask, Source


def source(detail: str, task: str, seed: int) -> Source:
    """The pictures and classes; the seed changes nothing. ValueError says what is missing."""
    if task != "classification":
        raise OtherTask(f"imagenet has classes but no masks for {task}: take classification")
    root = root_of("imagenet", detail, ("train", "val"))
    train, val = root / "train", root / "val"
    if flat := pictures_in(val):
        raise ValueError(f"{flat[0]} lies in no class folder: sort the pictures of val/ into the folders of train/")
    names, items = in_class_folders([train, val])
    return Labelled(f"imagenet:{root}", names, {"train": items[train], "test": items[val]})
