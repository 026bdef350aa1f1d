"""A document -> one LaTeX file for pdflatex: booktabs tables, and figures that lie beside it as PDF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from textwrap import wrap

from reports.document import Block, Card, Cards, Cell, Document, Facts, Figure, Gallery, Part, Piece, Row, Say, Table
from reports.escape import latex as text
from reports.words import Name, Words

WIDE = 104  # characters of a line in \footnotesize, about
PROSE, HEAD, GAP = 34, 14, 3  # characters: of a column of text, of a line of a heading, between two columns
MM = 1.7  # of one character
NEWLINE = r" \\ "
HEADINGS = ("section", "subsection", "subsubsection", "paragraph")
PREAMBLE = r"""% Run pdflatex twice: longtable knows its columns from the second run on.
\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage[a4paper,margin=18mm]{geometry}
\usepackage{textcomp,array,booktabs,longtable,graphicx}
\setlength{\parindent}{0pt}\setlength{\parskip}{4pt}\setlength{\tabcolsep}{4pt}
\setlength{\LTleft}{0pt}\setlength{\LTpre}{2pt}\setlength{\emergencystretch}{3em}
\newcommand{\two}[2]{\begin{tabular}[t]{@{}r@{}}#1\\[-2pt]{\scriptsize #2}\end{tabular}}
\newcommand{\head}[1]{\begin{tabular}[b]{@{}r@{}}#1\end{tabular}}
\newcommand{\drawing}[2]{\begin{minipage}[t]{.47\linewidth}\includegraphics[width=\linewidth]{#1}\par
  {\footnotesize #2}\vspace{8pt}\end{minipage}\quad}
\raggedright
"""


def to_latex(document: Document, folder: str = "figures") -> str:
    """The file; it includes folder/NAME.pdf for each figure of the document."""
    lines = [PREAMBLE + rf"\title{{{text(document.name)}}}\date{{}}", r"\begin{document}", r"\maketitle"]
    lines.append(said(document.lead))
    if document.statuses:
        lines.append(", ".join(f"{text(words)}: {count}" for _, words, count in document.statuses) + ".")
    for section in document.sections:
        lines += [rf"\section{{{text(section.title)}}}", *_pieces(section.blocks, 1, folder)]
    return "\n\n".join([*lines, r"\end{document}"]) + "\n"


def _pieces(pieces: Sequence[Piece], depth: int, folder: str) -> Iterator[str]:
    """The paragraphs of some pieces."""
    for piece in pieces:
        match piece:
            case Say():
                yield rf"{{\small {said(piece.words)}}}" if piece.tone == "quiet" else said(piece.words)
            case Cards():
                yield from map(_card, piece.cards)
            case Facts():
                yield _facts(piece)
            case Table():
                yield from _tables(piece)
            case Gallery():
                yield "\n".join(_picture(figure, folder) for figure in piece.figures)  # two stand on a line
            case Part():
                yield rf"\{HEADINGS[min(depth, len(HEADINGS) - 1)]}{{{text(piece.title)}}}"
                yield from _pieces(piece.blocks, depth + 1, folder)


def said(words: Words) -> str:
    """A sentence with the names of series in bold."""
    return "".join(rf"\textbf{{{text(piece)}}}" if isinstance(piece, Name) else text(piece) for piece in words)


def _card(card: Card) -> str:
    items = "\n".join(rf"\item {{}}{said(words)}" for words in card.sentences)
    return (
        f"\\textbf{{{text(card.title)}}}\n\\begin{{itemize}}\\setlength{{\\itemsep}}{{0pt}}\n{items}\n\\end{{itemize}}"
    )


def _facts(facts: Facts) -> str:
    title = rf"\textbf{{{text(facts.title)}}} " if facts.title else ""
    pairs = (
        rf"\textit{{{text(key)}}} {text(value)}" if key else rf"\texttt{{{text(value)}}}" for key, value in facts.pairs
    )
    return title + r" $\cdot$ ".join(pairs)


def _picture(figure: Figure, folder: str) -> str:
    return rf"\drawing{{{folder}/{figure.name}.pdf}}{{{text(figure.caption)}}}"


def _tables(table: Table) -> Iterator[str]:
    """The table, in as many parts side after side as its columns need."""
    yield rf"\textbf{{{text(table.title)}}}\nopagebreak"
    for columns in _parts(table):
        yield _part(table, columns)
    if table.note:
        yield rf"{{\small {text(table.note)}}}"


def _parts(table: Table) -> list[list[int]]:
    """The columns of each part: as many as the line holds, and one at least."""
    rows = _rows(table)
    room = WIDE - max(map(len, chain([table.corner], (row.series or row.head for row in rows))))
    parts, left = [[]], room  # type: list[list[int]], int
    for i in range(len(table.headings)):
        need = GAP + _width(table, rows, i)
        if parts[-1] and need > left:
            parts.append([])
            left = room
        parts[-1].append(i)
        left -= need
    return parts


def _rows(table: Table) -> list[Row]:
    return [row for block in table.blocks for row in block.rows]


def _width(table: Table, rows: Sequence[Row], i: int) -> int:
    """About how many characters of \\footnotesize a column needs; one of text has at most PROSE, and wraps."""
    heading = max(map(len, [*_lines(table.headings[i].text), *_lines(table.headings[i].under)]), default=0)
    need = max([heading, *(max(len(row.cells[i].text), round(0.85 * len(row.cells[i].under))) for row in rows)])
    return min(need, PROSE) if i in table.prose else need


def _part(table: Table, columns: Sequence[int]) -> str:
    rows = _rows(table)
    prose = (rf">{{\raggedright\arraybackslash}}p{{{MM * _width(table, rows, i):.0f}mm}}" for i in columns)
    kinds = "".join(kind if i in table.prose else "r" for i, kind in zip(columns, prose, strict=True))
    heads = " & ".join([text(table.corner), *(_head(table, i) for i in columns)])
    body = "".join(_block(block, columns, table.prose) for block in table.blocks)
    top = rf"\toprule {heads} \\ \midrule \endhead"
    return (
        f"{{\\footnotesize\\begin{{longtable}}{{@{{}}l{kinds}@{{}}}}\n{top}\n{body}\\bottomrule\n\\end{{longtable}}}}"
    )


def _head(table: Table, i: int) -> str:
    heading = table.headings[i]
    if i in table.prose:
        return " ".join(filter(None, (text(heading.text), text(heading.under))))
    under = (rf"\scriptsize {text(line)}" for line in _lines(heading.under))
    return rf"\head{{{NEWLINE.join([*map(text, _lines(heading.text)), *under])}}}"


def _lines(words: str) -> list[str]:
    return wrap(words, HEAD)


def _block(block: Block, columns: Sequence[int], prose: Sequence[int]) -> str:
    title = rf"\multicolumn{{{len(columns) + 1}}}{{@{{}}l}}{{\textbf{{{text(block.title)}}}}} \\ \nopagebreak"
    rows = (
        " & ".join([text(row.series or row.head), *(_cell(row.cells[i], i in prose) for i in columns)]) + r" \\"
        for row in block.rows
    )
    return "\n".join([*([title] if block.title else []), *rows, ""])


def _cell(cell: Cell, prose: bool) -> str:
    """What was guessed is slanted, and so is the status of what is not there."""
    shown, under = text(cell.text), text(cell.under)
    if cell.guess or cell.status:
        shown = rf"\textit{{{shown}}}"
    if not under:
        return shown
    return rf"{shown} {{\scriptsize {under}}}" if prose else rf"\two{{{shown}}}{{{under}}}"
