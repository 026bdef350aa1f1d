"""What the gate writes, each form read by a program that it is for, or held to its schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import xmlschema

from suite.gate.result import INCONCLUSIVE, NOTHING, PASS, REGRESSION, Result, Row
from suite.gate.written import SUMMARY_BYTES, markdown, workflow_commands, write

HOSTILE = "a|b`c`<script>%0A::error::x</script>\x1b[31m\n::error::y"
ROWS = (
    Row("good", "cpu_ms", PASS, "no slowdown"),
    Row(HOSTILE, "cpu_ms", REGRESSION, f"slower: {HOSTILE}"),
    Row("noisy", "cpu_ms", INCONCLUSIVE, "no verdict", {"ratio": float("nan"), "low": float("-inf")}),
    Row("gone", "case", NOTHING, "nothing"),
)
ABOUT = {
    "machine": {"name": "abacus", "cpu": "beads", "threads": 1},
    "started": "2026-01-02T03:04:05+00:00",
    "base": "a" * 40,
    "head": "b" * 40,
}
SAMPLES = {
    name: {q: {"a": [[1.0, 1.1]], "a2": [[1.2, 1.0]], "b": [[1.5, 1.4, 1.6]]} for q in ("wall_ms", "cpu_ms")}
    for name in ("good", "noisy")
}
SCHEMA = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:complexType name="told"><xs:simpleContent><xs:extension base="xs:string">
    <xs:attribute name="message" type="xs:string" use="required"/>
    <xs:attribute name="type" type="xs:string" use="required"/>
  </xs:extension></xs:simpleContent></xs:complexType>
  <xs:attributeGroup name="counts">
    <xs:attribute name="name" type="xs:string" use="required"/>
    <xs:attribute name="tests" type="xs:nonNegativeInteger" use="required"/>
    <xs:attribute name="failures" type="xs:nonNegativeInteger" use="required"/>
    <xs:attribute name="errors" type="xs:nonNegativeInteger" use="required"/>
  </xs:attributeGroup>
  <xs:element name="testsuites"><xs:complexType><xs:sequence>
    <xs:element name="testsuite" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="testcase" minOccurs="1" maxOccurs="unbounded"><xs:complexType><xs:choice minOccurs="0">
        <xs:element name="failure" type="told"/><xs:element name="error" type="told"/>
        <xs:element name="system-out" type="xs:string"/>
      </xs:choice>
      <xs:attribute name="classname" type="xs:string" use="required"/>
      <xs:attribute name="name" type="xs:string" use="required"/>
      <xs:attribute name="time" type="xs:decimal" use="required"/>
      </xs:complexType></xs:element>
    </xs:sequence><xs:attributeGroup ref="counts"/><xs:attribute name="timestamp" type="xs:dateTime"/></xs:complexType>
    </xs:element>
  </xs:sequence><xs:attributeGroup ref="counts"/></xs:complexType></xs:element>
</xs:schema>
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(Result("latency", ROWS, ABOUT, SAMPLES), tmp_path)
    return tmp_path


def strict(path: Path) -> object:
    """The JSON of a file, by a parser that knows neither NaN nor Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_every_json_is_strict(folder: Path) -> None:
    names = [path.name for path in sorted(folder.glob("*.json"))]
    assert names == ["base.json", "gate.json", "head.json", "larger_is_better.json", "smaller_is_better.json"]
    for name in names:
        strict(folder / name)


def test_our_own_keeps_every_sample_and_the_code(folder: Path) -> None:
    kept = json.loads((folder / "gate.json").read_text())
    assert kept["samples"] == SAMPLES and kept["code"] == REGRESSION
    assert kept["rows"][2]["figures"] == {"ratio": None, "low": None}


def test_pytest_benchmark_compares_base_and_head(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "base.json", "head.json", "--csv=out.csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = (folder / "out.csv").read_text().splitlines()[1:]
    assert len(table) == 4 and all("avbench::" in line for line in table)


def test_github_action_benchmark_reads_a_list_of_name_unit_value(folder: Path) -> None:
    for name in ("smaller_is_better.json", "larger_is_better.json"):
        entries = json.loads((folder / name).read_text())
        assert entries and all({"name", "unit", "value"} <= set(e) and e["value"] > 0 for e in entries)
        assert len({e["name"] for e in entries}) == len(entries)


@pytest.mark.parametrize("rows", [ROWS, ()])
def test_junit_keeps_its_schema(tmp_path: Path, rows: tuple[Row, ...]) -> None:
    write(Result("exact", rows, ABOUT), tmp_path)
    xmlschema.XMLSchema(SCHEMA).validate(str(tmp_path / "gate.xml"))
    root = Xml.parse(tmp_path / "gate.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == (
        ("4", "1", "2") if rows else ("1", "0", "1")
    )


def test_the_code_is_that_of_the_worst_row() -> None:
    codes = {(): NOTHING, (0,): PASS, (0, 1): PASS, (0, 2): INCONCLUSIVE, (0, 2, 3): NOTHING, (0, 1, 2, 3): REGRESSION}
    rows = (ROWS[0], ROWS[0], ROWS[2], ROWS[3])
    for chosen, code in codes.items():
        found = tuple(rows[i] for i in chosen if i < 4) if code != REGRESSION else ROWS
        assert Result("latency", found, ABOUT).code == code


def test_what_comes_from_outside_stays_in_its_place(folder: Path) -> None:
    text = markdown(Result("latency", ROWS, ABOUT))
    assert "<script>" not in text and "\x1b" not in text
    assert all(line.count(" | ") == 3 for line in text.splitlines() if line.startswith("| ❌"))
    lines = workflow_commands(Result("latency", ROWS, ABOUT))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::error"]
    assert all("\n" not in line and line.count("::") == 2 for line in (lines[1], lines[2]))
    assert "\n" not in lines[0] and "%0A" in lines[0]


def test_the_summary_stays_under_a_mebibyte() -> None:
    many = tuple(Row(f"case {i}", "cpu_ms", PASS, "no slowdown " * 40) for i in range(5000))
    text = markdown(Result("latency", many, ABOUT))
    assert len(text.encode()) < SUMMARY_BYTES and "more rows are in gate.json" in text
