"""A document: sections of sentences, tables and figures, once, for every form: page, Markdown, LaTeX.

Sections compute; forms only write. Text in a document is as it came: each form escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reports.drawing import Drawing
from reports.words import Words

GAP = "\N{EN DASH}"


@dataclass(frozen=True)
class Say:
    """One sentence or more; `tone` is empty, `note` or `quiet`."""

    words: Words
    tone: str = ""


@dataclass(frozen=True)
class Card:
    """A few sentences on one place, such as a resolution."""

    title: str
    sentences: tuple[Words, ...]


@dataclass(frozen=True)
class Cards:
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Cell:
    """What a table shows at one place; `status` is empty for a measured value and for a gap."""

    text: str = GAP
    under: str = ""  # the small print: an interval, a prediction
    status: str = ""
    why: str = ""
    value: float | None = None  # by which a reader sorts, and what a CSV file holds
    low: float | None = None
    high: float | None = None
    shade: float | None = None  # 0 to 1, where a table is a heat map
    guess: bool = False  # predicted or extrapolated, not measured: every form shows it otherwise


@dataclass(frozen=True)
class Heading:
    """The head of a column."""

    text: str
    under: str = ""


@dataclass(frozen=True)
class Row:
    """A row; its head names a series, or says what `head` says."""

    cells: tuple[Cell, ...]
    series: str = ""
    head: str = ""


@dataclass(frozen=True)
class Block:
    """Rows that belong together, under a line that says why; no title where a table has one block only."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    name: str  # of its files: letters, digits and hyphens
    title: str
    corner: str  # the head of the first column
    headings: tuple[Heading, ...]
    blocks: tuple[Block, ...]
    note: str = ""
    prose: tuple[int, ...] = ()  # the columns that hold text, and may wrap
    first: bool = False  # whether of a long table the first block is open, and not the last that holds a number


@dataclass(frozen=True)
class Figure:
    """A drawing, what it says, and its numbers: `columns` name what each of `data` holds."""

    name: str  # of its files: letters, digits and hyphens
    heading: str
    caption: str
    alt: str
    drawing: Drawing
    columns: tuple[str, ...] = ()
    data: tuple[tuple[str | float | None, ...], ...] = ()


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    title: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Gallery:
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Part:
    """A part of a section, perhaps of one task only; `folded` ones open when they are asked for."""

    title: str
    blocks: tuple[Piece, ...]
    task: str = ""
    folded: bool = False


Piece = Say | Cards | Facts | Table | Gallery | Part


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: tuple[Piece, ...]


@dataclass(frozen=True)
class Document:
    """A report: its name, what was run where, and its sections in the order of reading."""

    name: str
    lead: Words
    statuses: tuple[tuple[str, str, int], ...] = ()  # status, its words, how many cases have it
    sections: tuple[Section, ...] = field(default=())

    def figures(self) -> Iterator[Figure]:
        yield from (f for piece in self._pieces() if isinstance(piece, Gallery) for f in piece.figures)

    def tables(self) -> Iterator[Table]:
        yield from (piece for piece in self._pieces() if isinstance(piece, Table))

    def _pieces(self) -> Iterator[Piece]:
        for section in self.sections:
            yield from _flat(section.blocks)


def _flat(pieces: tuple[Piece, ...]) -> Iterator[Piece]:
    for piece in pieces:
        yield piece
        if isinstance(piece, Part):
            yield from _flat(piece.blocks)
