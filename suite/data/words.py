"""Words for what scenes show. Names of objects, see suite/data/scene.py, are places in SHAPES and in COLOURS."""

from __future__ import annotations

SHAPES = {
    "disc": 0,
    "triangle": 3,
    "square": 4,
    "hexagon": 6,
    "blob": -1,
    "ring": -1,
    "bar": -1,
}  # and how many sides each has, -1: none
REGULAR = tuple(sides for sides in SHAPES.values() if sides >= 0)  # in the order of SHAPES
COLOURS = {
    "red": (0.85, 0.2, 0.2),
    "yellow": (0.8, 0.75, 0.15),
    "green": (0.2, 0.75, 0.25),
    "cyan": (0.2, 0.75, 0.8),
    "blue": (0.25, 0.3, 0.85),
    "purple": (0.8, 0.25, 0.75),
}
HUES = tuple(COLOURS.values())
NO_WORD = -1  # for a colour that has none
PLACES = (
    ("at the upper left", "at the top", "at the upper right"),
    ("on the left", "in the middle", "on the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)


def phrase(shape: int, colour: int = NO_WORD, core: int = NO_WORD) -> str:
    """`a red disc` for places in SHAPES and COLOURS, `a disc` without a colour, `a red disc with a blue core`."""
    shapes, colours = list(SHAPES), [*COLOURS, ""]  # NO_WORD is the last one's place
    words = f"a {colours[colour]} {shapes[shape]}" + (f" with a {colours[core]} core" if core != NO_WORD else "")
    return " ".join(words.split())


def place(y: float, x: float) -> str:
    """Where a point of the square of side 1 is, by thirds: `at the upper left`."""
    row, column = (min(max(int(3 * share), 0), 2) for share in (y, x))
    return PLACES[row][column]
