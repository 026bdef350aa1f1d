"""A document -> Markdown for a pull request: the answers and the tables, as far as one comment holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from reports.document import GAP, Cards, Cell, Document, Facts, Gallery, Part, Piece, Row, Say, Section, Table
from reports.escape import markdown as text
from reports.escape import printable
from reports.words import Name, Words

LIMIT = 65_000  # characters of a report; GitHub takes 65 536 in a comment


def to_markdown(document: Document) -> str:
    """The document; what would go beyond the limit is named at the end, and so is where the figures are."""
    shown = " · ".join(f"{text(words)} {count}" for _, words, count in document.statuses)
    kept = [f"# {text(document.name)}", said(document.lead), *([shown] if shown else [])]
    room = LIMIT - 2000 - sum(map(len, kept))
    cut: list[str] = []
    for section in document.sections:
        blocks, whole = _fitting(section, room)
        kept += blocks
        room -= sum(len(block) + 2 for block in blocks)
        cut += [] if whole else [text(section.title)]
    if cut:
        kept.append(f"Not all of it fits into one comment: the rest of {', '.join(cut)} is in the other forms.")
    if any(document.figures()):
        kept.append("The figures are in the forms html and latex of this report.")
    return "\n\n".join(kept) + "\n"


def _fitting(section: Section, room: int) -> tuple[list[str], bool]:
    """Heading and pieces of a section, as many as there is room for, and whether those are all."""
    kept = [f"## {text(section.title)}"]
    room -= len(kept[0])
    for piece in section.blocks:
        blocks = _blocks(piece, 3)
        room -= sum(len(block) + 2 for block in blocks)
        if room < 0:
            return (kept if len(kept) > 1 else []), False
        kept += blocks
    return kept, True


def _blocks(piece: Piece, depth: int) -> list[str]:
    """The paragraphs of a piece; none of a gallery."""
    match piece:
        case Say():
            return [said(piece.words)]
        case Cards():
            return [block for card in piece.cards for block in (f"**{text(card.title)}**", _list(card.sentences))]
        case Facts():
            return [f"**{text(piece.title)}**"] * bool(piece.title) + [_facts(piece)]
        case Table():
            return [f"**{text(piece.title)}**", _table(piece)] + [text(piece.note)] * bool(piece.note)
        case Gallery():
            return []
        case Part():
            inside = [block for inner in piece.blocks for block in _blocks(inner, depth + 1)]
            if not inside:
                return []
            if piece.folded:
                summary = escape(printable(piece.title)).replace("@", "@<!-- -->")
                return [f"<details><summary>{summary}</summary>", *inside, "</details>"]
            return [f"{'#' * min(depth, 6)} {text(piece.title)}", *inside]


def said(words: Words) -> str:
    """A sentence with the names of series in bold."""
    return "".join(f"<b>{text(piece)}</b>" if isinstance(piece, Name) else text(piece) for piece in words)


def _list(sentences: Iterable[Words]) -> str:
    return "\n".join(f"- {said(words)}" for words in sentences)


def _facts(facts: Facts) -> str:
    """A list; what has no name is a command, and is fenced."""
    if len(facts.pairs) == 1 and not facts.pairs[0][0]:
        command = printable(facts.pairs[0][1])
        fence = "`" * (3 + max(map(len, re.findall("`+", command)), default=0))
        return f"{fence}\n{command}\n{fence}"
    return "\n".join(f"- {text(key)}: {text(value)}" for key, value in facts.pairs)


def _table(table: Table) -> str:
    heads = [text(table.corner), *(_two(text(h.text), text(h.under)) for h in table.headings)]
    rule = ["---", *("---" if i in table.prose else "---:" for i in range(len(table.headings)))]
    lines = [heads, rule]
    for block in table.blocks:
        if block.title:
            lines.append([f"<b>{text(block.title)}</b>", *("" for _ in table.headings)])
        lines += map(_row, block.rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(row: Row) -> list[str]:
    return [text(row.series or row.head), *map(_cell, row.cells)]


def _cell(cell: Cell) -> str:
    """What was guessed is in italics."""
    shown = _two(text(cell.text), text(cell.under))
    return f"<i>{shown}</i>" if cell.guess and cell.text != GAP else shown


def _two(above: str, below: str) -> str:
    return "<br>".join(filter(None, (above, below)))
