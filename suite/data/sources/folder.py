"""`folder:PATH`: a user's own pictures, read where they lie.

    classification   PATH/CLASS/ holds the PNG and JPEG files of each class
    segmentation     PATH/images/ and PATH/masks/ hold files of the same stems, see suite/data/masked.py;
                     PATH/classes.txt may name the classes, one a line

Where PATH holds train/ and test/ (or val/), each laid out like this, that is the split; otherwise a fifth of each class
(for segmentation, of all pictures) is held out by file name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from suite.data.labelled import Labelled, class_pictures
from suite.data.masked import Masked, pairs
from suite.data.source import Source
from suite.data.split import divided

Item = TypeVar("Item")


def source(detail: str, task: str, seed: int) -> Source:
    """The folder's pictures for the task; the seed changes nothing. ValueError says what is wrong with the folder."""
    root = Path(detail)
    if not detail or not root.is_dir():
        raise ValueError(f"{detail or 'folder:'} is not a folder: give the data as folder:PATH with an existing PATH")
    return classified(root) if task == "classification" else segmented(root)


def classified(root: Path) -> Labelled:
    """Class folders."""
    first, *others = parts = split_folders(root)
    found = {part: class_pictures(part) for part in parts}
    names = sorted({name for _, name in found[first]})
    for part in others:
        if strange := sorted({name for _, name in found[part]} - set(names)):
            raise ValueError(
                f"{part / strange[0]} is a class that {first} does not hold: add it there, or take it away"
            )
    items = {part: [(path, names.index(name)) for path, name in found[part]] for part in parts}
    keys = [f"{path.parent.name}/{path.name}" for path, _ in items[first]]
    return Labelled(f"folder:{root}", names, splits(parts, items, keys, [label for _, label in items[first]]))


def segmented(root: Path) -> Masked:
    """`images/` and `masks/`."""
    parts = split_folders(root)
    items = {part: pairs(part) for part in parts}
    keys = [image.stem for image, _ in items[parts[0]]]
    listed = root / "classes.txt"
    names = [line.strip() for line in listed.read_text().splitlines() if line.strip()] if listed.is_file() else None
    return Masked(f"folder:{root}", names, splits(parts, items, keys, [0] * len(keys)))


def split_folders(root: Path) -> list[Path]:
    """[train, test] where the folder is split already, else the one folder that holds everything."""
    held_out = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if (root / "train").is_dir():
        return [root / "train", *held_out[:1]]
    if held_out:
        raise ValueError(f"{root} holds {held_out[0].name}/ but no train/: add train/, or put all classes side by side")
    return [root]


def splits(
    parts: list[Path], items: dict[Path, list[Item]], keys: list[str], groups: list[int]
) -> dict[str, list[Item]]:
    """The items to train and to test with: by folder if there are two, else divided by their keys within groups."""
    if len(parts) == 2:
        return {"train": items[parts[0]], "test": items[parts[1]]}
    train, test = divided(keys, groups)
    return {"train": [items[parts[0]][place] for place in train], "test": [items[parts[0]][place] for place in test]}
