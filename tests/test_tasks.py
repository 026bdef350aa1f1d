"""tasks.py: what it installs, when, and to whom it hands over.

Nothing is installed here: that the real installation works is what every run of CI shows, from a bare clone.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from invoke.collection import Collection

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tasks(tmp_path: Path) -> ModuleType:
    """The module, standing in a repository of its own that has no .venv yet."""
    for name in ("tasks.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    spec = importlib.util.spec_from_file_location("tasks_under_test", tmp_path / "tasks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pip(tasks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands in for the programs that tasks.py starts: notes their commands, answers as told."""
    seen = SimpleNamespace(commands=[], code=0, interrupt=False, place=tasks.VENV)

    def run(command: list[object], **_: object) -> SimpleNamespace:
        words = [str(word) for word in command]
        seen.commands.append(words)
        if "venv" in words:
            shutil.rmtree(tasks.VENV, ignore_errors=True)
            tasks.VENV.mkdir()
        if "install" in words and seen.interrupt:
            raise KeyboardInterrupt
        version = f"pip 26 from {seen.place}/lib (python {sys.version_info[0]}.{sys.version_info[1]})"
        return SimpleNamespace(returncode=seen.code, stdout=version if tasks.VENV.exists() else "")

    monkeypatch.setattr(tasks.subprocess, "run", run)
    return seen


def steps(pip: SimpleNamespace) -> list[str]:
    """What was done since the last time: `venv` and `install`, with what was installed."""
    done = [words[-1] if "install" in words else "venv" for words in pip.commands if {"install", "venv"} & set(words)]
    pip.commands.clear()
    return done


def test_first_start_makes_everything_and_the_second_nothing(tasks: ModuleType, pip: SimpleNamespace) -> None:
    tasks.install("")
    assert ["-c", "constraints.txt", "-e", "."] == pip.commands[-1][-4:]
    assert steps(pip) == ["venv", "."]
    tasks.install("")
    assert pip.commands == []


def test_tasks_add_their_extra_and_commands_are_content_with_it(tasks: ModuleType, pip: SimpleNamespace) -> None:
    tasks.install("")
    tasks.install("test")
    assert steps(pip) == ["venv", ".", ".[test]"]
    tasks.install("")
    assert steps(pip) == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_is_installed_into_the_same_venv(tasks: ModuleType, pip: SimpleNamespace, name: str) -> None:
    tasks.install("test")
    with (tasks.ROOT / name).open("a") as file:
        file.write("# changed\n")
    steps(pip)
    tasks.install("test")
    assert steps(pip) == [".[test]"]


def test_an_installation_that_was_cut_short_is_made_anew(tasks: ModuleType, pip: SimpleNamespace) -> None:
    pip.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        tasks.install("")
    pip.interrupt = False
    steps(pip)
    tasks.install("")
    assert steps(pip) == ["venv", "."]


def test_a_refusal_of_pip_keeps_what_was_installed(
    tasks: ModuleType, pip: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks.install("")
    pip.code = 1
    with pytest.raises(SystemExit) as end:
        tasks.install("test")
    assert end.value.code == 2 and "installation failed" in capsys.readouterr().err
    steps(pip)
    tasks.install("")
    assert steps(pip) == []


def test_a_venv_that_was_copied_from_elsewhere_is_made_anew(tasks: ModuleType, pip: SimpleNamespace) -> None:
    tasks.VENV.mkdir()
    tasks.STAMP.write_text("of another place")
    pip.place = "/elsewhere/.venv"
    tasks.install("")
    assert steps(pip) == ["venv", "."]


def test_a_sound_venv_without_a_stamp_is_kept(tasks: ModuleType, pip: SimpleNamespace) -> None:
    tasks.VENV.mkdir()
    tasks.install("")
    assert steps(pip) == ["."]


def test_a_python_without_ensurepip_is_refused(
    tasks: ModuleType, pip: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        tasks.install("")
    assert end.value.code == 2 and "python3-venv" in capsys.readouterr().err


def test_an_old_python_is_refused_in_one_sentence(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks.sys, "version_info", (3, 10, 13))
    with pytest.raises(SystemExit) as end:
        tasks.start(["list"])
    assert end.value.code == 2
    assert "Python 3.11" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "extra", "program"),
    [
        (["test"], "test", "invoke"),
        (["sweep", "--res", "64"], "", "avbench"),
        ([], "", "avbench"),
        (["-h"], "", "avbench"),
        (["list", "test"], "", "avbench"),
    ],
)
def test_tasks_go_to_invoke_and_all_else_to_avbench(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str], extra: str, program: str
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(tasks, "install", seen.append)
    monkeypatch.setattr(tasks.os, "execv", lambda path, command: seen.append(command))
    tasks.start(words)
    assert seen[0] == extra
    command = seen[1]
    assert isinstance(command, list)
    assert command[command.index("-m") + 1] == program and command[len(command) - len(words) :] == words


def test_the_names_are_those_that_invoke_knows(tasks: ModuleType) -> None:
    assert tasks.task_names() == set(Collection.from_module(tasks).task_names)


def test_every_task_says_what_it_does(tasks: ModuleType) -> None:
    assert all(task.__doc__ for task in Collection.from_module(tasks).tasks.values())


def test_every_requirement_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and "+" not in line and "@" not in line for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    names = {w.partition(">")[0] for w in wanted if not w.startswith("avbench")}
    assert names <= pinned


def test_ci_runs_the_test_task_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "tasks.py").write_text("import sys; print(sys.argv[1:]); sys.exit(7)")
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ))
    assert (done.stdout, done.returncode) == ("['test']\n", 7)
