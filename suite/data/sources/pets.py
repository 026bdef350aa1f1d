"""`pets:PATH`: the Oxford-IIIT Pet data set (Parkhi et al. 2012) as it unpacks, for both tasks.

    images/NAME_7.jpg     37 breeds, NAME the breed
    annotations/          trainval.txt and test.txt: a line for each picture, its stem first
    annotations/trimaps/  masks: 1 the pet, 2 the ground, 3 not classified, which counts nowhere

Segmentation tells the pet (1) from the ground (0).
"""

from __future__ import annotations

from pathlib import Path

from suite.data.labelled import Labelled
from suite.data.layout import lines, partner, root_of
from suite.data.masked import Masked
from suite.data.pictures import VOID
from suite.data.source import Source

LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}
STANDS_FOR = {1: 1, 2: 0, 3: VOID}


def source(detail: str, task: str, seed: int) -> Source:
    """The pets for the task; the seed changes nothing. ValueError says what is missing."""
    root = root_of("pets", detail, ("images", *LISTS.values()))
    images = {split: pictures(root, root / listed) for split, listed in LISTS.items()}
    if task == "segmentation":
        pairs = {split: [(picture, trimap(root, picture)) for picture in images[split]] for split in LISTS}
        return Masked(f"pets:{root}", pairs, STANDS_FOR, ground=0)
    names = sorted({breed(picture) for picture in images["train"]}, key=str.lower)
    if strange := [picture for picture in images["test"] if breed(picture) not in names]:
        raise ValueError(f"{strange[0]} is of a breed that {root / LISTS['train']} does not list: add it there")
    number = {name: i for i, name in enumerate(names)}
    return Labelled(f"pets:{root}", names, {split: [(p, number[breed(p)]) for p in images[split]] for split in LISTS})


def pictures(root: Path, listed: Path) -> list[Path]:
    """The pictures of a list."""
    return [partner(root / "images" / f"{stem}.jpg", listed) for stem, *_ in lines(listed)]


def trimap(root: Path, picture: Path) -> Path:
    """The mask of a picture."""
    return partner(root / "annotations" / "trimaps" / f"{picture.stem}.png", picture)


def breed(picture: Path) -> str:
    """`Maine_Coon_7.jpg` -> `Maine_Coon`."""
    return picture.stem.rpartition("_")[0]
