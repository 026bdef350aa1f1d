"""The forms of a report hold what the page holds, and in each of them text from outside stays text."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO, StringIO
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_fakes import failed, made, network, save, sweep

from avbench.reporting import forms_of
from reports.document import Document, Table
from reports.escape import cell, latex, markdown, printable, whole
from reports.latex import to_latex
from reports.markdown import LIMIT, to_markdown
from reports.page import page
from reports.report import Report, report
from reports.table import to_csv, to_json, to_parquet
from reports.write import FORMS, figures, put
from suite.record import Metric, Record

PDFLATEX = shutil.which("pdflatex")
PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")
COMMANDS = set(  # that our LaTeX may hold
    r"""
    documentclass usepackage IfFileExists setlength newcommand linewidth par raggedright title date begin end maketitle
    section subsection subsubsection paragraph textbf textit texttt item drawing two head small footnotesize scriptsize
    toprule midrule bottomrule endhead multicolumn nopagebreak arraybackslash cdot includegraphics vspace quad itemsep
    parindent parskip tabcolsep LTleft LTpre emergencystretch textbackslash textasciitilde textasciicircum textless
    textgreater textbar textquotedbl textasciigrave textquotesingle textmu textperiodcentered texttimes dots
    textquotedblleft textquotedblright surd approx leq geq to phi Sigma textsuperscript
    """.split()
)
SHARDS = r"""
    <script> </script> <!-- --> <img/src=x/onerror=a> " ' &lt; & ]]> </style> </title> <b> </details>
    javascript:a {{7*7}} {%x%} \input{/etc/passwd} \ \end{document} $ $$ % # _ __ ** * ^^41 ~ | || ` ```
    {} { } !` ?` ,, [ ] \\* \\[1] [a](http://b.c) ![a](b) www.evil.com http://evil.com @someone 1. - + > --- === :smile:
    =1+1 +1 -1 @SUM(1) 名 é ß √ ² 0
    """.split()
CONTROLS = [
    "\t=1",
    "\r=1",
    "\n=1",
    "\x1b[31m",
    "\x1b]8;;x\x07",
    "\x9b31m",
    "\x00",
    "\u202e",
    "\ud800",
    "\u2028",
    "\ufeff",
]
POISON = st.lists(st.sampled_from(SHARDS + CONTROLS) | st.text(max_size=8), max_size=5).map(" ".join)


@pytest.fixture(scope="module")
def whole_report() -> Report:
    return report("a run", sweep(designs=6, sides=(224, 512)))


def test_every_form_is_written_and_named(tmp_path: Path, whole_report: Report) -> None:
    paths = put(whole_report, tmp_path / "report", FORMS)
    *files, events = paths
    names = ["index.html", "report.md", "report.tex", "records.csv", "records.json", "records.parquet"]
    assert [p.name for p in files] == names and all(p.stat().st_size > 1000 for p in files)
    assert events.name == "tensorboard" and len(list(events.glob("*/*tfevents*"))) == 40  # see test_tensorboard.py
    drawn = {figure.name for figure in whole_report.document.figures()}
    folder = tmp_path / "report" / "figures"
    assert {p.name for p in folder.iterdir()} == {f"{name}.{form}" for name in drawn for form in ("svg", "pdf")}
    assert all((folder / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in drawn)


def test_forms_are_named_in_one_sentence() -> None:
    assert forms_of("md, csv") == ["md", "csv"]
    with pytest.raises(ValueError, match="--format docx: choose of html, md, latex, csv, json, parquet, tensorboard"):
        forms_of("md,docx")


def numbers(document: Document) -> list[str]:
    """What every cell of every table says, and what is under it."""
    return [text for table in document.tables() for text in _cells(table) if text]


def _cells(table: Table) -> list[str]:
    rows = [row for block in table.blocks for row in block.rows]
    return [t for row in rows for c in row.cells for t in (c.text, c.under)] + [row.series or row.head for row in rows]


def test_markdown_and_latex_hold_every_number_of_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.markdown.LIMIT", 10**9)
    document = report("a run", sweep(designs=3, sides=(224, 512))).document
    tex, text = to_latex(document), to_markdown(document)
    assert len(numbers(document)) > 200
    for said in set(numbers(document)):
        assert markdown(said) in text and latex(said) in tex
    assert all(f"figures/{figure.name}.pdf" in tex for figure in document.figures())


def test_markdown_fits_into_one_comment_and_says_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, whole_report: Report
) -> None:
    assert len(to_markdown(whole_report.document)) <= LIMIT
    monkeypatch.setattr("reports.markdown.LIMIT", 9000)
    text = to_markdown(whole_report.document)
    assert 7000 < len(text) <= 9000
    assert text.index("## The answer") < text.index("Not all of it fits into one comment: the rest of ")
    assert "The figures are in the forms html and latex" in text


def test_markdown_tables_are_whole(whole_report: Report) -> None:
    rendered = PARSER.render(to_markdown(whole_report.document))
    tables = re.findall(r"<table>.*?</table>", rendered, re.DOTALL)
    assert len(tables) > 5
    for table in tables:
        widths = {len(re.findall("<t[hd]", row)) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)}
        assert len(widths) == 1
    assert "|" not in re.sub(r"<[^>]*>", "", rendered)


def test_what_was_predicted_looks_otherwise_in_every_form() -> None:
    from reports.document import Block, Cell, Heading, Row, Section

    row = Row((Cell("7.0 ms", guess=True), Cell("8.0 ms")), head="a")
    table = Table("t", "T", "What", (Heading("x"), Heading("y")), (Block("", (row,)),))
    document = Document("run", ("lead",), (), (Section("s", "S", (table,)),))
    assert "<i>7.0 ms</i> | 8.0 ms" in to_markdown(document)
    assert r"\textit{7.0 ms} & 8.0 ms" in to_latex(document)


def test_parquet_and_json_hold_the_rows_with_their_types(whole_report: Report) -> None:
    table = pd.read_parquet(BytesIO(to_parquet(whole_report.rows)))
    rows = json.loads(to_json(whole_report.rows))
    assert list(table.columns) == list(rows[0]) == list(whole_report.rows[0])
    assert len(table) == len(rows) == len(whole_report.rows)
    assert [table[c].dtype.kind for c in ("height", "value", "compiled")] == ["i", "f", "b"]
    assert table["value"].isna().sum() == sum(row["value"] is None for row in rows) > 0
    assert [list(r) for r in table["repeats"]] == [row["repeats"] for row in rows]


def test_without_pyarrow_parquet_says_what_to_do(monkeypatch: pytest.MonkeyPatch, whole_report: Report) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(ValueError, match="needs pyarrow: `pip install pyarrow`, or choose --format csv"):
        to_parquet(whole_report.rows)


@given(POISON)
def test_markdown_shows_the_text_itself(poison: str) -> None:
    text = printable(whole(poison))
    rendered = PARSER.render(f"a {markdown(text)} b\n\n| x |\n| --- |\n| a {markdown(text)} b |\n")
    shown = Shown(rendered)
    assert shown.tags <= {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert [" ".join(t.split()) for t in shown.texts if "a " in t] == [" ".join(f"a {text} b".split())] * 2


class Shown(HTMLParser):
    """The elements, their attributes and the text of some HTML, paragraph by paragraph and cell by cell."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.texts = set[str](), set[str](), [""]
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.texts += [""] if tag in ("p", "td") else []

    def handle_endtag(self, tag: str) -> None:
        self.texts += [""] if tag in ("p", "td") else []

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data


@given(POISON)
def test_latex_holds_no_command_of_the_text(poison: str) -> None:
    strict(latex(whole(poison)))


def strict(tex: str) -> None:
    """Reads LaTeX as TeX would: known commands, balanced braces and dollars, and no character with a meaning."""
    depth = dollars = 0
    for token in re.findall(r"\\[a-zA-Z]+|\\.|.", tex, re.DOTALL):
        if re.fullmatch(r"\\[a-zA-Z]+", token):
            assert token[1:] in COMMANDS, token
        elif len(token) == 2:
            assert token[1] in "{}$&#_%,\\", token
        else:
            assert token.isprintable() or token == "\n", repr(token)
            assert ord(token) < 256 and token not in '#^_~%`"<>|', token
            depth += {"{": 1, "}": -1}.get(token, 0)
            dollars += token == "$"
            assert depth >= 0
    assert depth == 0 and dollars % 2 == 0


@given(POISON)
def test_no_cell_of_a_csv_file_starts_a_formula(poison: str) -> None:
    written = StringIO()
    csv.writer(written).writerow([cell(poison), 1])
    (row,) = csv.reader(StringIO(written.getvalue(), newline=""))
    assert row[1] == "1" and row[0].removeprefix("'") == re.sub(r"[\r\n]+", " ", poison).removeprefix("'")
    assert not row[0].strip().startswith(tuple("=+-@＝＋－＠")) and not row[0].startswith(("\t", "\r", "\n"))


@given(st.text())
def test_no_text_commands_a_terminal(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", printable(text))


def poisoned(names: list[str]) -> list[Record]:
    """Records whose every text comes from outside."""
    a, b, c, d = names
    machine = {"identity": {a: b, "cpu": c}, "conditions": {d: {a: b}}}
    case = network(a, layout=b, position=c, task=d, data=a, recipe=b, dtype=c, backend=d, tests=(a,))
    notes = {"policy": b, a: c, "command": d, "marks": [a]}
    metrics = {"macs": Metric(1e9, "MAC"), a: Metric(1.0, b)}
    records = [made(case, metrics, notes=notes, machine=machine)]
    for i, name in enumerate(names):
        records.append(made(replace(case, design=name, quantity="latency", round=i), {"latency_ms": Metric(2.0, "ms")}))
        records.append(failed(replace(case, quantity="memory", round=i), "crash", name, notes=notes, machine=machine))
    return records


@settings(max_examples=4, deadline=None, phases=(Phase.explicit, Phase.generate))  # shrinking would take minutes
@given(st.lists(POISON, min_size=4, max_size=4))
def test_whatever_records_hold_every_form_holds_it_as_text(names: list[str]) -> None:
    plain, hostile = report("a", poisoned(["a", "b", "c", "d"])), report(names[0], poisoned(names))
    source = page(hostile)
    shown, expected = Shown(source), Shown(page(plain))
    assert shown.tags <= expected.tags | {"title", "b", "small"}
    assert not [name for name in shown.attributes if name.startswith("on")]
    assert source.count("</script>") == 1 + sum(1 for _ in hostile.document.figures())
    for data in re.findall(r'<script type="application/json">(.*?)</script>', source, re.DOTALL):
        json.loads(data)
    for svg in figures(hostile).values():
        assert {e.tag.rpartition("}")[2] for e in ET.fromstring(svg.encode("utf-8", "replace")).iter()} <= {
            "svg", "g", "path", "text", "rect", "title"}  # fmt: skip
    strict(re.sub(r"^%.*|#[12]|>\{\\raggedright\\arraybackslash\}", "", to_latex(hostile.document)))
    assert not Shown(PARSER.render(to_markdown(hostile.document))).tags & {
        "a",
        "img",
        "script",
        "em",
        "blockquote",
        "hr",
    }
    json.loads(to_json(hostile.rows))
    assert len(pd.read_parquet(BytesIO(to_parquet(hostile.rows)))) == len(hostile.rows)
    assert len(list(csv.reader(StringIO(to_csv(hostile.rows), newline="")))) == 1 + len(hostile.rows)


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex here: `apt install texlive-latex-recommended`")
def test_latex_compiles_with_all_of_latin_1_and_worse(tmp_path: Path) -> None:
    nasty = ["".join(map(chr, range(33, 256))), "\\end{document} ^^41 % $ _ &", "[1] * \\\\[", "名 √≈ ² α"]
    (path,) = put(report(nasty[0], [*poisoned(nasty), *sweep(designs=2)]), save(tmp_path, []) / "report", ("latex",))
    command = [str(PDFLATEX), "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert path.with_suffix(".pdf").stat().st_size > 10_000
