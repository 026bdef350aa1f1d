"""A name -> a recipe: packaged designs, files, modules, entry points; and names that lead nowhere."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import fakes
import pytest

import avbench
from avbench import find as finding
from avbench.find import card, find, folder, names

MINE = '"""Mine: a design of a stranger."""\nimport fakes\nRECIPE = fakes.find("tiny")\nOTHER = fakes.find("convnet")\n'


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that holds mine.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def test_names_are_the_files_that_assign_a_recipe() -> None:
    found = names()
    assert found == sorted(found)
    assert "vit" in found
    assert not {"contract", "recipe", "fit", "parts", "__init__"} & set(found)


@pytest.mark.parametrize("name", names())
def test_every_packaged_design_is_found_and_has_a_card(name: str) -> None:
    assert find(name).name == name
    entry = card(name)
    assert entry.title and entry.text and entry.time and entry.memory
    ast.parse((folder() / f"{name}.py").read_text())


def test_a_file_is_found_by_its_path(outside: Path) -> None:
    for name in ("./mine.py", "mine.py", str(outside / "mine.py")):
        assert find(name) == fakes.Fake(name)
    assert card("./mine.py").title == "Mine: a design of a stranger"


def test_a_module_of_the_working_folder_is_found_and_shadows_nothing(outside: Path) -> None:
    (outside / "reports.py").write_text("raise RuntimeError('shadowed')")
    assert find("mine:OTHER") == fakes.Fake("mine:OTHER")
    assert sys.path[-1] == str(outside)


def test_an_entry_point_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("stranger", "fakes:NETWORKS", finding.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: fakes.find("tiny"))
    monkeypatch.setattr(finding, "entry_points", lambda group, name="stranger": [point] if name == "stranger" else [])
    assert find("stranger").name == "stranger"
    with pytest.raises(ValueError, match="did you mean stranger"):
        find("strangr")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vti", "did you mean vit"),
        ("zzzzzz", "`avbench list` shows all"),
        ("contract", "there is no design contract"),
        ("./missing.py", "there is no file missing.py"),
        ("mine:MISSING", "defines no MISSING"),
        ("missing.module:RECIPE", "cannot be imported"),
        ("mine:fakes", "is a module, not a recipe"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(outside: Path, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        find(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 +", "does not run: SyntaxError"),
        ("raise OSError('no')", "does not run: OSError: no"),
        ("x = 1", "defines no RECIPE"),
    ],
)
def test_a_file_that_is_no_design_is_one_sentence(outside: Path, text: str, said: str) -> None:
    (outside / "broken.py").write_text(text)
    with pytest.raises(ValueError, match=said):
        find("./broken.py")


def test_the_public_names_exist() -> None:
    for name in avbench.__all__:
        assert getattr(avbench, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        avbench.missing  # noqa: B018  # the look-up is the test
