"""`folder:PATH`: a user's own pictures, read where they lie.

    classification   PATH/CLASS/ holds the pictures of each class: PNG, JPEG, WebP, BMP, GIF, TIFF, PPM
    segmentation     PATH/images/ and PATH/masks/ hold files of the same stems, see suite/data/masked.py;
                     PATH/classes.txt may name the classes, one a line

Where PATH holds train/ and test/ (or val/), each laid out like this, that is the split; otherwise a fifth of each class
(for segmentation, of all pictures) is held out by file name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from suite.data.labelled import Labelled, in_class_folders
from suite.data.layout import root_of
from suite.data.masked import Masked, paired
from suite.data.source import Source
from suite.data.split import divided

Item = TypeVar("Item")


def source(detail: str, task: str, seed: int) -> Source:
    """The folder's pictures for the task; the seed changes nothing. ValueError says what is wrong with the folder."""
    root = root_of("folder", detail)
    return classified(root) if task == "classification" else segmented(root)


def classified(root: Path) -> Labelled:
    """Class folders."""
    parts = split_folders(root)
    names, items = in_class_folders(parts)
    keys = [f"{path.parent.name}/{path.name}" for path, _ in items[parts[0]]]
    labels = [label for _, label in items[parts[0]]]
    held = splits(parts, items, keys, labels)
    return Labelled(f"folder:{root}", names, held)


def segmented(root: Path) -> Masked:
    """`images/` and `masks/`."""
    parts = split_folders(root)
    items = {part: paired(part / "images", part / "masks") for part in parts}
    keys = [image.stem for image, _ in items[parts[0]]]
    listed = root / "classes.txt"
    names = [name for line in listed.read_text().splitlines() if (name := line.strip())] if listed.is_file() else []
    stands_for = {number: number for number in range(len(names))} or None
    held = splits(parts, items, keys, [0] * len(keys))
    return Masked(f"folder:{root}", held, stands_for)


def split_folders(root: Path) -> list[Path]:
    """[train, test] where the folder is split already, else the one folder that holds everything."""
    held_out = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if (root / "train").is_dir():
        return [root / "train", *held_out[:1]]
    if held_out:
        raise ValueError(f"{root} holds {held_out[0].name}/ but no train/: add train/, or put all classes side by side")
    return [root]


def splits(
    parts: list[Path], items: Mapping[Path, Sequence[Item]], keys: list[str], groups: list[int]
) -> dict[str, list[Item]]:
    """The items to train and to test with: by folder if there are two, else divided by their keys within groups."""
    if len(parts) == 2:
        return {"train": list(items[parts[0]]), "test": list(items[parts[1]])}
    train, test = divided(keys, groups)
    return {"train": [items[parts[0]][place] for place in train], "test": [items[parts[0]][place] for place in test]}
