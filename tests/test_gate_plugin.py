"""The pytest plug-in and `avbench gate init`, as a stranger's project uses them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from gate_fakes import MODULE, TABLE, git, mutated, repository

from avbench.gate_init import WORKFLOW
from avbench.gating import Gate, run

TESTS = """
import pytest
from mixing import Mixing

@pytest.mark.avbench(input=(2, 12, 16), mode="train")
def test_marked():
    return Mixing()

def test_speed(avbench_case, benchmark):
    assert benchmark(avbench_case).shape == (2, 12, 16)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a table and a test file."""
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "mixing.py").write_text(MODULE)
    (tmp_path / "test_mixing.py").write_text(TESTS)
    return tmp_path


def outcome_of(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-disable", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_project_is_held_to_its_figures(project: Path) -> None:
    """Accepted once, equal then; a change is told with every figure, in the table's case and in the marked test."""
    accepted = outcome_of(project, "--avbench-accept", "the first")
    assert "3 passed" in accepted.stdout, accepted.stdout + accepted.stderr
    (project / "mixing.py").write_text(mutated("one more operator"))
    changed = outcome_of(project, "--avbench")
    assert changed.returncode == 1 and "2 failed, 1 passed" in changed.stdout
    assert "mixing: calls of neg is new" in changed.stdout and "--accept --reason" in changed.stdout


def test_an_empty_table_is_a_usage_error(project: Path) -> None:
    (project / "pyproject.toml").write_text("")
    done = outcome_of(project, "--avbench", "-k", "marked")
    assert done.returncode == 4 and "avbench gate init" in done.stderr


def test_init_makes_a_repository_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path, table="[project]\nname = 'mixing'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("mixing", None)
    assert run(Gate(("init", "mixing:Mixing"), input="2,12,16")) == 0
    table = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert table["tool"]["avbench"]["gate"]["case"] == [{"make": "mixing:Mixing", "input": [2, 12, 16]}]
    assert table["project"] == {"name": "mixing"}
    assert (tmp_path / WORKFLOW).read_text() == (files("avbench") / "ci" / "github.yml").read_text()
    assert run(Gate(exact=True)) == 0
    git(tmp_path, "add", ".")
    with pytest.raises(ValueError, match="already"):
        run(Gate(("init", "mixing:Mixing"), input="2,12,16"))


def test_init_finds_a_package_in_src(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not installed. The table says where imports begin, so that both tiers find it too."""
    repository(tmp_path, table="")
    (tmp_path / "src/strange").mkdir(parents=True)
    (tmp_path / "mixing.py").rename(tmp_path / "src/strange/mixing.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert run(Gate(("init", "strange.mixing:Mixing"), input="2,12,16")) == 0
    stated = tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["avbench"]["gate"]
    assert stated == {"path": ["src"], "case": [{"make": "strange.mixing:Mixing", "input": [2, 12, 16]}]}
    assert run(Gate(exact=True)) == 0


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (Gate(), "name a tier"),
        (Gate(accept=True, base="HEAD"), "only exact figures"),
        (Gate(("init",)), "name what to hold"),
        (Gate(("init", "mixing:Mixing")), "no pyproject.toml"),
        (Gate(("init", "mixing:Mixing"), input="2,twelve"), "no shape"),
    ],
)
def test_refusals(gate: Gate, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=said):
        run(gate)


def test_the_workflow_pins_its_actions_and_takes_no_rights() -> None:
    text = (files("avbench") / "ci" / "github.yml").read_text()
    uses = [line.split("uses:")[1].split() for line in text.splitlines() if "uses:" in line]
    assert uses and all(len(words[0].split("@")[1]) == 40 and words[1] == "#" for words in uses)
    assert "permissions:\n  contents: read\n" in text and "pull_request_target" not in text and "secrets." not in text
