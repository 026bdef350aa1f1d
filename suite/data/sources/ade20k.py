"""`ade20k:PATH`: the scene parsing challenge of 2016 on ADE20K (Zhou et al. 2017); PATH is ADEChallengeData2016.

    images/training, images/validation              JPEG
    annotations/training, annotations/validation    PNG of the same stems: 1 to 150 the classes, 0 whatever else

Class c is the number c + 1, and 0 counts nowhere, as is usual.
"""

from __future__ import annotations

from suite.data.layout import root_of
from suite.data.masked import Masked, paired
from suite.data.pictures import VOID
from suite.data.source import OtherTask, Source

CLASSES = 150
FOLDERS = {"train": "training", "test": "validation"}


def source(detail: str, task: str, seed: int) -> Source:
    """The pictures and masks; the seed changes nothing. ValueError says what is missing."""
    if task != "segmentation":
        raise OtherTask(f"ade20k holds masks, no classes for {task}: take segmentation")
    holds = [f"{kind}/{folder}" for kind in ("images", "annotations") for folder in FOLDERS.values()]
    root = root_of("ade20k", detail, holds)
    items = {split: paired(root / "images" / name, root / "annotations" / name) for split, name in FOLDERS.items()}
    return Masked(f"ade20k:{root}", items, {0: VOID} | {number: number - 1 for number in range(1, CLASSES + 1)})
