"""`voc:PATH`: the segmentation of PASCAL VOC (Everingham et al. 2010) as it unpacks; PATH is VOCdevkit/VOC2012.

    JPEGImages/STEM.jpg           pictures
    SegmentationClass/STEM.png    masks with a palette: 0 the ground, 1 to 20 the classes, 255 the border of an object
    ImageSets/Segmentation/       train.txt and val.txt: a stem a line

Tested is on val.txt, since the masks of the test set are not published.
"""

from __future__ import annotations

from pathlib import Path

from suite.data.layout import lines, partner, root_of
from suite.data.masked import Masked
from suite.data.source import OtherTask, Source

CLASSES = 21  # the ground is one
LISTS = {"train": "ImageSets/Segmentation/train.txt", "test": "ImageSets/Segmentation/val.txt"}


def source(detail: str, task: str, seed: int) -> Source:
    """The pictures and masks; the seed changes nothing. ValueError says what is missing."""
    if task != "segmentation":
        raise OtherTask(f"voc holds pictures of several objects each, none for {task}: take segmentation")
    root = root_of("voc", detail, ("JPEGImages", "SegmentationClass", *LISTS.values()))
    items = {split: pairs(root, root / listed) for split, listed in LISTS.items()}
    return Masked(f"voc:{root}", items, {number: number for number in range(CLASSES)}, ground=0)


def pairs(root: Path, listed: Path) -> list[tuple[Path, Path]]:
    """The pictures of a list with their masks."""
    return [
        (
            partner(root / "JPEGImages" / f"{stem}.jpg", listed),
            partner(root / "SegmentationClass" / f"{stem}.png", listed),
        )
        for stem, *_ in lines(listed)
    ]
