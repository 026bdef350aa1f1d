"""Text from outside, made harmless for the place where it is shown. HTML is escaped by the templates.

Names of designs, notes, reasons and file contents come from whoever wrote them: to a spreadsheet they may be formulas,
to a terminal commands, to LaTeX macros, to Markdown HTML and links.
"""

from __future__ import annotations

import math
import re
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the start of a formula
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    "-": r"{-}", "\u202f": r"\,", "\N{EN DASH}": "--", "µ": r"\textmu{}", "·": r"\textperiodcentered{}",
    "×": r"\texttimes{}", "…": r"\dots{}", "¹": r"\textsuperscript{1}",
}  # fmt: skip
MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$:@])")  # with `:` and `@` no address becomes a link


def whole(text: str) -> str:
    """The text without halves of characters, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def printable(text: str) -> str:
    """The text on one line, without what moves a cursor, colours a terminal or turns the direction of reading."""
    return "".join(c if c.isprintable() else "\ufffd" for c in re.sub(r"\s+", " ", text))


def cell(value: Any) -> Any:
    """A value for CSV: nothing for what is not a number, and an apostrophe before what would run as a formula."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return "'" + value
    return value


def latex(text: str) -> str:
    """The text for LaTeX with pdflatex; what its fonts lack becomes a question mark."""
    known = "".join(c if ord(c) < 256 or c in LATEX else "?" for c in printable(text))
    return "".join(LATEX.get(c, c) for c in known)


def markdown(text: str) -> str:
    """The text for Markdown, also inside a table: no mark-up, no HTML, no link, no mention."""
    return MARKDOWN.sub(r"\\\1", printable(text))
