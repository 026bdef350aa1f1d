"""Pictures on disk: PNG and JPEG, read with care and brought to a size by a policy that is stated here.

Reading     turned upright by EXIF orientation; grey becomes three equal channels, palettes their colours, 16 bits 8;
            what is transparent shows white. A file beyond Pillow's limit against decompression bombs is refused.
Classify    the shortest side is resized to fit, then the centre is cropped: `filled`.
Segment     the whole picture is resized to fit, then padded below and to the right: `padded`. Masks are resized by
            nearest neighbour; padding, and the value 255 in the file, become IGNORE.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from suite.data.source import IGNORE
from variants.contract import Grid

SUFFIXES = (".png", ".jpg", ".jpeg")
MASK_MODES = ("1", "L", "P")  # one number a pixel, of at most 8 bits
VOID = 255  # in a mask file: no class
SMOOTH, NEAREST = Image.Resampling.BICUBIC, Image.Resampling.NEAREST
T = TypeVar("T")


def pictures_in(folder: Path) -> list[Path]:
    """The PNG and JPEG files of a folder, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def opened(path: Path, use: Callable[[Image.Image], T]) -> T:
    """What `use` makes of the picture. ValueError names a file that is not a readable PNG or JPEG, or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                return use(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{path} has over {Image.MAX_IMAGE_PIXELS} pixels: make it smaller or take it away") from None
    except Exception as error:  # Pillow meets a broken file with many kinds of exception
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} cannot be read as PNG or JPEG ({why}): mend it or take it away") from None


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says, decoded."""
    return ImageOps.exif_transpose(image)


def upright_size(image: Image.Image) -> Grid:
    """The size after turning. Pillow decodes a PNG for it, because its orientation may follow the pixels."""
    sideways = image.getexif().get(0x0112, 1) >= 5  # orientations 5 to 8 swap the sides
    return Grid(image.width, image.height) if sideways else Grid(image.height, image.width)


def colour(path: Path) -> Image.Image:
    """The picture in RGB."""
    return opened(path, lambda image: opaque(upright(image)))


def opaque(image: Image.Image) -> Image.Image:
    """RGB of any mode, over white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))  # 16 bits to 8
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")


def labels(path: Path) -> Image.Image:
    """The mask, mode L: one class a pixel. ValueError if it holds colours instead."""
    mode, image = opened(path, lambda image: (image.mode, upright(image).copy()))
    if mode not in MASK_MODES:
        raise ValueError(f"{path} is a picture in mode {mode}, not a mask: save class numbers as 8-bit grey or palette")
    return Image.fromarray(np.asarray(image).astype(np.uint8))  # palette indices and bits become numbers


def filled(image: Image.Image, size: Grid) -> np.ndarray:
    """`Y X 3` in uint8: the largest part from the centre that has the size's proportions, resized."""
    return np.asarray(ImageOps.fit(image, (size.x, size.y), SMOOTH))


def padded(image: Image.Image, mask: Image.Image, size: Grid) -> tuple[np.ndarray, np.ndarray]:
    """`Y X 3` in uint8 and `Y X` in int64: the whole picture in the upper left, black and IGNORE beside it."""
    light = np.zeros((size.y, size.x, 3), np.uint8)
    target = np.full((size.y, size.x), IGNORE, np.int64)
    small = np.asarray(ImageOps.contain(image, (size.x, size.y), SMOOTH))
    value = np.asarray(ImageOps.contain(mask, (size.x, size.y), NEAREST)).astype(np.int64)
    light[: small.shape[0], : small.shape[1]] = small
    target[: value.shape[0], : value.shape[1]] = np.where(value == VOID, IGNORE, value)
    return light, target
