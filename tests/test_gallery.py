"""The gallery: what is committed is what the program makes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from avbench import gallery
from avbench.find import names
from avbench.gallery import Exhibit, body, cells, linked, pages, sections

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_committed_gallery_is_what_the_program_makes() -> None:
    made = pages(map(Exhibit, names()))
    assert {f"gallery/{path.name}" for path in (DOCS / "gallery").iterdir()} == made.keys() - {"gallery.md"}
    stale = [name for name, text in made.items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert not stale, f"run `python tasks.py gallery`, which makes {', '.join(stale)} anew"


def test_diagrams_are_small_and_sound() -> None:
    files = list((DOCS / "gallery").glob("*.svg"))
    assert sum(path.stat().st_size for path in files) < 200_000
    for path in files:
        assert path.stat().st_size < 6_000
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_every_design_has_a_section_with_its_facts() -> None:
    parts = re.split(r"^## ", (DOCS / "gallery.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert [text.partition("\n")[0] for text in parts] == names()
    for text in parts:
        assert all(
            f"**{fact}:**" in text for fact in ("Grows", "Paper", "Time", "Memory", "Departs", "Layout", "At 5M")
        )


def test_a_diagram_shows_what_is_seen() -> None:
    field = torch.zeros(28, 28, dtype=torch.bool)
    field[2, 3:6] = field[2, 9] = True
    assert cells(field) == "M15 12h14M45 12h4"


def test_a_docstring_becomes_markdown() -> None:
    text = "One: it does.\n\n    a = b\n      c\n\nMore.\n\nPaper    P (2010.11929)\n         and more.\nTime     n."
    assert body(text) == "One: it does.\n\n```text\na = b\n  c\n```\n\nMore."
    assert sections(text) == {"Paper": "P (2010.11929) and more.", "Time": "n."}
    assert linked("(2010.11929)") == "([2010.11929](https://arxiv.org/abs/2010.11929))"


def test_writing_leaves_no_diagram_of_a_design_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "names", lambda: ["linear"])
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "gone.svg").touch()
    gallery.write(tmp_path)
    assert [path.name for path in (tmp_path / "gallery").iterdir()] == ["linear.svg"]
    assert "## linear" in (tmp_path / "gallery.md").read_text(encoding="utf-8")
