"""What a network is made of, read from the canonical text of its recipe, so that two can be told to differ in one part.

    layout[stem block downsample sizes] place position [mixers] head decoder

A part is `Name(option=value, ...)`. A text of another form, such as that of a foreign model, has no anatomy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SOLVED = ("widths", "extra")  # sizes that the budget decides, so that they differ wherever anything else does
PART = re.compile(r"(\w+)\((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class Anatomy:
    """The parts of a network as text; `sizes` leaves out what the budget solves."""

    layout: str
    stem: str
    block: str
    downsample: str
    sizes: str
    place: str
    position: str
    mixers: str
    head: str
    decoder: str


def anatomy(recipe: str) -> Anatomy | None:
    """The anatomy that a canonical text states; None if it is of another form."""
    whole = pieces(recipe)
    found = re.fullmatch(r"(\w+)\[(.*)\]", whole[0], re.DOTALL) if len(whole) == 6 else None
    inside = pieces(found[2]) if found else []
    if found is None or len(inside) < 4:
        return None
    sizes = " ".join(size for size in inside[3:] if size.partition("=")[0] not in SOLVED)
    place, position, mixers, head, decoder = whole[1:]
    stem, block, downsample = inside[:3]
    return Anatomy(found[1], stem, block, downsample, sizes, place, position, mixers.strip("[]"), head, decoder)


def pieces(text: str) -> list[str]:
    """The text split at the spaces that no bracket encloses."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == " " and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [piece for piece in found if piece]


def short(parts: str) -> str:
    """`Patches(patch=16)` -> `Patches, patch 16`; several parts are joined, equal ones counted once."""
    said = []
    for part in dict.fromkeys(pieces(parts)):
        match = PART.fullmatch(part)
        name, options = (match[1], match[2]) if match else (part, "")
        said.append(", ".join(filter(None, (name, options.replace("=", " ")))))
    return " + ".join(said)
