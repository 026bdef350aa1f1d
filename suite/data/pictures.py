"""Pictures on disk: PNG, JPEG, WebP, BMP, GIF, TIFF and PPM, read with care and brought to a size by a stated policy.

Reading     turned upright by EXIF orientation; grey becomes three equal channels, palettes their colours, 16 bits 8;
            what is transparent shows white. A file beyond Pillow's limit against decompression bombs is refused.
Classify    the shortest side is resized to fit, then the centre is cropped: `filled`.
Segment     the whole picture is resized to fit, then padded below and to the right: `padded`. Masks are resized by
            nearest neighbour; padding is VOID, which becomes IGNORE.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from math import inf
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image, ImageOps

from variants.contract import Grid

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # whatever the name says: well-known sets have such
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
OTHERS = (".avif", ".exr", ".heic", ".heif", ".ico", ".jp2", ".jxl", ".npy", ".psd", ".svg", ".tga")  # pictures, too
MASK_MODES = ("1", "L", "P")  # one number a pixel, of at most 8 bits
VOID = 255  # in a mask: no class
SMOOTH, NEAREST = Image.Resampling.BICUBIC, Image.Resampling.NEAREST
T = TypeVar("T")


class Picture(Protocol):
    """Where a picture is: a Path, or whatever else has the bytes of a file and says its name by `str`."""

    def read_bytes(self) -> bytes:
        """The whole file."""


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name. ValueError names the first of a kind that cannot be read.

    Hidden files and what is no picture, such as a list of names, are left out.
    """
    found = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    if other := next((p for p in found if p.suffix.lower() in OTHERS), None):
        raise ValueError(f"{other} is of a kind that cannot be read: save it as PNG or JPEG, or take it away")
    return [p for p in found if p.suffix.lower() in SUFFIXES]


def opened(picture: Picture, use: Callable[[Image.Image], T]) -> T:
    """What `use` makes of the picture. ValueError names a file that is no readable picture, or too large."""
    try:
        file = picture if isinstance(picture, Path) else BytesIO(picture.read_bytes())
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or inf):
                raise Image.DecompressionBombWarning  # Pillow itself only warns, up to twice that many
            return use(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = Image.MAX_IMAGE_PIXELS
        raise ValueError(f"{picture} has over {most} pixels: make it smaller or take it away") from None
    except Exception as error:  # Pillow meets a broken file with many kinds of exception
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{picture} cannot be read as a picture ({why}): mend it or take it away") from None


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says, decoded."""
    return ImageOps.exif_transpose(image)


def own_size(image: Image.Image) -> Grid:
    """The size before turning, for which nothing is decoded."""
    return Grid(image.height, image.width)


def upright_size(image: Image.Image) -> Grid:
    """The size after turning. Pillow decodes a PNG for it, because its orientation may follow the pixels."""
    sideways = image.getexif().get(0x0112, 1) >= 5  # orientations 5 to 8 swap the sides
    return Grid(image.width, image.height) if sideways else Grid(image.height, image.width)


def colour(picture: Picture) -> Image.Image:
    """The picture in RGB."""
    return opened(picture, lambda image: opaque(upright(image)))


def opaque(image: Image.Image) -> Image.Image:
    """RGB of any mode, over white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))  # 16 bits to 8
    if image.mode == "F":
        raise ValueError("of real numbers, for which no white is known")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")


def labels(picture: Picture) -> Image.Image:
    """The mask, mode L: one class a pixel. ValueError if it holds colours instead."""
    mode, image = opened(picture, lambda image: (image.mode, upright(image).copy()))
    if mode not in MASK_MODES:
        raise ValueError(
            f"{picture} is a picture in mode {mode}, not a mask: save class numbers as 8-bit grey or palette"
        )
    return Image.fromarray(np.asarray(image).astype(np.uint8))  # palette indices and bits become numbers


def filled(image: Image.Image, size: Grid) -> np.ndarray:
    """`Y X 3` in uint8: the largest part from the centre that has the size's proportions, resized."""
    return np.asarray(ImageOps.fit(image, (size.x, size.y), SMOOTH))


def padded(image: Image.Image, mask: Image.Image, size: Grid) -> tuple[np.ndarray, np.ndarray]:
    """`Y X 3` and `Y X` in uint8: the whole picture in the upper left, black and VOID beside it."""
    light = np.zeros((size.y, size.x, 3), np.uint8)
    target = np.full((size.y, size.x), VOID, np.uint8)
    small = np.asarray(ImageOps.contain(image, (size.x, size.y), SMOOTH))
    value = np.asarray(ImageOps.contain(mask, (size.x, size.y), NEAREST))
    light[: small.shape[0], : small.shape[1]] = small
    target[: value.shape[0], : value.shape[1]] = value
    return light, target
