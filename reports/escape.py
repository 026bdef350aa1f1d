"""Text from outside, made harmless for the place where it is shown. HTML is escaped by the templates.

Names of designs, notes, reasons and file contents come from whoever wrote them: to a spreadsheet they may be formulas,
to a terminal commands, to LaTeX macros, to Markdown HTML and links.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

FORMULA = frozenset("=+-@\t＝＋－＠")  # what some spreadsheet takes for the start of a formula
THIN = "\u202f"  # the space in 20\u202f000
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # of which \\\\ would take the first for its own
    "-": r"{-}", THIN: r"\,", "\N{EN DASH}": "--", "µ": r"\textmu{}", "·": r"\textperiodcentered{}",
    "×": r"\texttimes{}", "…": r"\dots{}", "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}",
    "√": r"$\surd$", "≈": r"$\approx$", "≤": r"$\leq$", "≥": r"$\geq$", "−": "$-$", "→": r"$\to$", "φ": r"$\phi$",
    "Σ": r"$\Sigma$",
}  # fmt: skip
MARKDOWN = (
    re.compile(  # with these of `:` and `.` no address becomes a link; what stands inside a word or a number is safe
        r"([\\`*{}\[\]()<>#!|~&$=]|(?<![^\W_])[_+-]|[_+-](?![^\W_])|:(?=\S)|(?<!\d)\.(?=\S)|(?<=\d)\.(?!\d))"
    )
)


def whole(text: str) -> str:
    """The text without halves of characters, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def printable(text: str) -> str:
    """The text on one line, without what moves a cursor, colours a terminal or turns the direction of reading."""
    return "".join(c if c.isprintable() or c == THIN else "\ufffd" for c in re.sub(rf"[^\S{THIN}]+", " ", text))


def cell(value: Any) -> Any:
    """A value for CSV, on one line: nothing for what is not a number, an apostrophe before what would run as a formula.

    Line ends go, since Python's writer leaves a lone carriage return unquoted: what follows it would be a cell.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    if isinstance(value, str):
        value = re.sub(r"[\r\n]+", " ", value)
    if isinstance(value, str) and not FORMULA.isdisjoint((value[:1], value.lstrip()[:1])):
        return "'" + value
    return value


def latex(text: str) -> str:
    """The text for LaTeX with pdflatex; what its fonts lack becomes a question mark."""
    return "".join(map(_latex, printable(text)))


def _latex(c: str) -> str:
    if c in LATEX or ord(c) < 256:
        return LATEX.get(c, c)
    if (plain := unicodedata.normalize("NFKC", c)).isascii() and plain.isalnum():
        return rf"\textsuperscript{{{plain}}}" if "<super>" in unicodedata.decomposition(c) else plain
    return "?"


def markdown(text: str) -> str:
    """The text for Markdown, also inside a table: no mark-up, no HTML, no link, no mention."""
    return MARKDOWN.sub(r"\\\1", printable(text)).replace("@", "@<!-- -->")  # no one is called by a name
