"""A contact sheet of scenes: samples of each family, each an image beside its mask with boxes, over its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from suite.data.scene import draw
from suite.data.sources.scenes import Scenes, family_named
from suite.data.told import boxes, captions
from variants.contract import Grid

SAMPLES, TILE, GAP = 4, 160, 16  # samples of a family; pixels of a tile's side, and between samples
HEAD, LINE, LINES = 46, 13, 6  # pixels of a family's head and of a line of text; lines under a sample
LETTERS = 60  # that fit on a line
WIDTH = SAMPLES * (2 * TILE + GAP) + GAP
HEIGHT = HEAD + TILE + LINES * LINE + GAP  # of a family
INK, FAINT, PAPER = (25, 25, 30), (105, 105, 115), (255, 255, 255)
GROUND = (40, 40, 46)  # class 0 of a mask
COLOURS = np.array(  # of Okabe and Ito, which colour-blind readers tell apart
    [GROUND, (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)], np.uint8
)


@dataclass(frozen=True)
class Sample:
    """One scene: `Y X 3` of light and of the mask's colours in uint8, boxes in pixels, and words."""

    image: np.ndarray
    mask: np.ndarray
    boxes: list[list[float]]
    text: list[str]


def sheet(rows: Sequence[dict[str, Any]]) -> Image.Image:
    """The families of these rows of the listing, one under the other."""
    page = Image.new("RGB", (WIDTH, GAP + HEIGHT * len(rows)), PAPER)
    pen = ImageDraw.Draw(page)
    for place, row in enumerate(rows):
        top = GAP + place * HEIGHT
        head(pen, row, top)
        for column, sample in enumerate(samples(row["name"].removeprefix("scenes:"))):
            put(page, pen, sample, GAP + column * (2 * TILE + GAP), top + HEAD)
    return page.quantize(256)


def head(pen: ImageDraw.ImageDraw, row: dict[str, Any], top: int) -> None:
    """The family's name, what it asks, what is known of it, and its classes, for masks with their colours."""
    family = row["name"].removeprefix("scenes:")
    large, small = ImageFont.load_default(18), ImageFont.load_default(11)
    pen.text((GAP, top), family, INK, large)
    known = f"{row['task']}, {row['classes']} classes, chance {row['chance']:.3f}, ceiling {told(row)}"
    pen.text((GAP + pen.textlength(family, large) + 12, top + 6), f"{row['about']}.   {known}", FAINT, small)
    left = float(GAP)
    for number, name in enumerate(family_named(family).NAMES):
        if row["task"] == "segmentation":
            pen.rectangle((left, top + 28, left + 9, top + 37), tuple(COLOURS[number].tolist()))
            left += 14
        pen.text((left, top + 26), name, FAINT, small)
        left += pen.textlength(name, small) + 14


def told(row: dict[str, Any]) -> str:
    """The ceilings: one number where they agree, else that of each size."""
    known = {key.removeprefix("ceiling_"): value for key, value in row.items() if key.startswith("ceiling")}
    if len(set(known.values())) == 1:
        return f"{next(iter(known.values())):.3g}"
    return ", ".join(f"{value:.3f} at {side}" for side, value in known.items())


def samples(family: str) -> Iterator[Sample]:
    """The first scenes of the test split; the last ones of further splits, one each, which are named."""
    source = Scenes(family, 0)
    further = source.further[-SAMPLES + 1 :]
    splits = ["test"] * (SAMPLES - len(further)) + list(further)
    for index, split in enumerate(splits):
        scene, size = source.scene(split, [index]), Grid(TILE, TILE)
        image, mask = draw(scene, size)
        found = boxes(scene)
        kind = [f"split {split}"] * (split != "test")
        kind += [f"group {source.groups[int(scene.group[0])]}"] if scene.group is not None else []
        kind += [family_named(family).NAMES[int(scene.label[0])]] * (source.task == "classification")
        yield Sample(
            image=(image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy(),
            mask=COLOURS[mask[0].numpy() % len(COLOURS)],
            boxes=found.pixels(size)[0][found.present[0]].tolist(),
            text=[*([", ".join(kind)] if kind else []), *wrap(captions(scene)[0], LETTERS)],
        )


def put(page: Image.Image, pen: ImageDraw.ImageDraw, sample: Sample, left: int, top: int) -> None:
    """Image, mask with boxes, words."""
    page.paste(Image.fromarray(sample.image), (left, top))
    page.paste(Image.fromarray(sample.mask), (left + TILE, top))
    for up, west, down, east in sample.boxes:
        x, y = left + TILE, top
        pen.rectangle((x + west, y + up, min(x + east, x + TILE - 1), min(y + down, y + TILE - 1)), outline=PAPER)
    for place, line in enumerate(sample.text[:LINES]):
        pen.text((left, top + TILE + 3 + place * LINE), line, INK, ImageFont.load_default(10))
