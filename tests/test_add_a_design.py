"""docs/add-a-design.md, executed: its file is written, and its commands are run on it."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from avbench import planning
from avbench.cli import main
from suite.machine import Calibration

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "add-a-design.md").read_text(encoding="utf-8")
SPEED = Calibration("cpu", "float32", 1, 1e10, 1e10, 1e9, 1e10, 1e10, 1e10, 1e10, 1e-5, 10**10)


def blocks(language: str) -> list[str]:
    """The code blocks of the page in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The words after `avbench` of every command of the page."""
    lines = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    assert all(words[0] == "avbench" for words in lines)
    return [words[1:] for words in lines]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with mine.py as the page has it; planning measures no machine."""
    (python,) = blocks("python")
    (tmp_path / "mine.py").write_text(python, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(planning, "calibrate", lambda *args: SPEED)
    monkeypatch.setattr(planning, "default_threads", lambda: 1)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and standard output of a command."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0), capsys.readouterr().out


def test_the_page_names_the_commands_that_a_new_design_needs() -> None:
    assert [words[0] for words in commands()] == ["check", "list", "show", "plan", "sweep"]


@pytest.mark.parametrize("words", [words for words in commands() if words[0] != "sweep"], ids=lambda words: words[0])
def test_every_command_runs_on_the_file_of_the_page(
    page: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, out = call(capsys, *words)
    assert code == 0 and "FAIL" not in out
    assert {"check": "keeps the contract", "list": "Full attention", "show": "Gated mean", "plan": "mine"}[
        words[0]
    ] in out


def test_the_sweep_of_the_page_asks_for_what_was_planned() -> None:
    plan, sweep = (words for words in commands() if words[0] in ("plan", "sweep"))
    assert plan[1:] == sweep[1:]


def test_a_wrong_cost_is_found_as_the_page_says(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = page / "mine.py"
    mine.write_text(mine.read_text(encoding="utf-8").replace("3 * grid.n * self.dim**2", "2 * grid.n * self.dim**2"))
    code, out = call(capsys, "check", "./mine.py", "--params", "1M")
    assert code == 1
    (shown,) = blocks("text")
    wrong = re.escape(shown.strip()).replace("FEWER", r"\d+").replace("MORE", r"\d+")
    assert re.search(wrong, out), out
    assert "do not hold" in out.splitlines()[-1]
