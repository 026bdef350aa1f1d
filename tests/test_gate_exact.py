"""The exact tier: every planted change is found, in both directions, and nothing is never green."""

from __future__ import annotations

import errno
import importlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_fakes import MODULE, MUTATIONS, TABLE, mutated, repository

from avbench import gating
from avbench.cli import main
from avbench.gating import Gate, run
from suite.gate import exact, trees
from suite.gate.expected import Expected
from suite.gate.probe import fitted
from suite.gate.result import Result, Row
from suite.gate.target import Target

EXACT = Gate(exact=True)
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Modules of the last project are imported anew, and the path is as it was."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    sys.modules.pop("mixing", None)
    fitted.cache_clear()
    importlib.invalidate_caches()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a table and an accepted baseline."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, MODULE)
    (tmp_path / "pyproject.toml").write_text(TABLE)
    assert run(replace(EXACT, accept=True, reason="the first")) == 0
    return tmp_path


def write(folder: Path, module: str) -> None:
    (folder / "mixing.py").write_text(module)
    sys.modules.pop("mixing", None)
    sys.dont_write_bytecode = True  # two versions within a second would share one compiled file


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "gate/gate.json").read_text())["rows"]
    return found


def test_what_is_equal_passes(project: Path) -> None:
    assert run(EXACT) == 0
    assert [row["word"] for row in rows(project)] == ["pass"]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_mutation_is_found_in_both_directions(project: Path, mutation: str) -> None:
    write(project, mutated(mutation))
    assert run(EXACT) == 1
    assert MUTATIONS[mutation][1] in rows(project)[0]["sentence"]
    assert "--accept --reason" in rows(project)[0]["sentence"]
    assert run(replace(EXACT, accept=True, reason="it must be")) == 0
    assert run(EXACT) == 0
    write(project, MODULE)  # better again, and that too is not what is expected
    assert run(EXACT) == 1


def test_a_training_step_has_figures_of_its_own(project: Path) -> None:
    both = [exact.figures(Target("mixing:Mixing", input=(2, 12, 16), mode=mode)) for mode in ("inference", "train")]
    assert both[0]["macs"] == both[1]["macs"] == 2 * 12 * 4 * 16 * 16 + 2 * 2 * 12 * 12 * 16
    assert both[0]["params"] == both[1]["params"] == 4 * 16 * 16 + 4 * 16
    assert both[1]["peak_bytes"] > both[0]["peak_bytes"]


def test_a_recipe_is_measured_by_its_name() -> None:
    found = exact.figures(Target("vit", input=(1, 3, 32, 32), params=100_000))
    assert found["operators"]["addmm"] > 0 and abs(found["params"] - 100_000) < 3_000


def test_reasons_are_kept(project: Path) -> None:
    run(replace(EXACT, accept=True, reason="again"))
    assert [entry["reason"] for entry in Expected.read(project / "perf/expected.json").accepted] == [
        "the first",
        "again",
    ]


NEVER = {
    "a deleted case": (TABLE.replace('"mixing"', '"other"'), None, 1, "the case is gone"),
    "a broken import": (None, "import nothing_of_that_name", 1, "it does not run"),
    "an empty table": ("[tool.avbench.gate]", None, 2, "lists no case"),
    "no table": ("", None, 2, "avbench gate init"),
    "a table that is none": ("[tool.avbench.gate\n", None, 2, "not valid TOML"),
    "a key that is none": (TABLE + 'speed = "high"', None, 2, "no key speed"),
    "two of one name": (TABLE + TABLE, None, 2, "two cases called mixing"),
    "no factory": (TABLE.replace(":Mixing", ":torch"), None, 1, "name an nn.Module"),
    "no shape": (TABLE.replace("[2, 12, 16]", "[0]"), None, 2, "write a shape"),
    "a number for a shape": (TABLE.replace("[2, 12, 16]", "5"), None, 2, r"input = 5 .* \[1, 3, 64, 64\]"),
    "halves in a shape": (TABLE.replace("[2, 12, 16]", "[2.5]"), None, 2, r"input = \[2.5\]"),
    "a number for a name": (TABLE.replace('"mixing"', "5"), None, 2, "name = 5"),
    "a name as tests have": (TABLE.replace('"mixing"', '"a.py::b"'), None, 2, "without ::"),
    "a text for a budget": (TABLE + 'params = "3"', None, 2, "params = '3'"),
    "a budget of nothing": (TABLE + "params = 0", None, 2, "params of mixing is 0"),
    "no device": (TABLE + 'device = "gpu"', None, 2, "choose cpu, cuda"),
    "a number for cases": ("tool.avbench.gate.case = 3", None, 2, r"write it as in \[\[tool.avbench.gate.case\]\]"),
    "one pair of brackets": (TABLE.replace("[[", "[").replace("]]", "]"), None, 2, r"as in \[\[tool.avbench"),
    "a number for a path": ("[tool.avbench.gate]\npath = 5" + TABLE, None, 2, r"path = 5 .* \[\".\"\]"),
    "a text for a path": ("[tool.avbench.gate]\npath = 'src'" + TABLE, None, 2, "path = 'src'"),
    "a number for a file": ("[tool.avbench.gate]\nexpected = 5" + TABLE, None, 2, "expected = 5"),
    "a number for a table": ("[tool]\navbench = 5", None, 2, "avbench = 5 is no table"),
}


@pytest.mark.parametrize("what", NEVER)
def test_never_green_on(project: Path, what: str) -> None:
    table, module, code, said = NEVER[what]
    if table is not None:
        (project / "pyproject.toml").write_text(table)
    if module is not None:
        write(project, module)
    told(project, code, said)


def told(project: Path, code: int, said: str) -> None:
    """The exact tier ends with this code (2: ValueError, which the command line makes 2) and this sentence."""
    if code == 2:
        with pytest.raises(ValueError, match=said):
            run(EXACT)
    else:
        assert run(EXACT) == code
        assert any(said in row["sentence"] for row in rows(project))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "is no baseline"),
        (lambda text: text.replace('"schema": 1', '"schema": 9'), "schema 9"),
        (lambda text: text.replace('"params": ', '"params": -'), "whole numbers"),
        (lambda text: text.replace('"macs"', '"mac"'), "is no baseline"),
        (lambda text: text.replace('"accepted": [', '"accepted": null, "more": ['), "is no baseline"),
        (lambda text: text.replace('"accepted": [', '"accepted": [null,'), "is no baseline"),
        (lambda text: "[]", "is no baseline"),
        (lambda text: "", "is no baseline"),
    ],
)
def test_a_corrupt_baseline_is_no_baseline(project: Path, change: Any, said: str) -> None:
    path = project / "perf/expected.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=said):
        run(EXACT)


def test_another_machine_has_no_baseline(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "machine", lambda: "torch 9.9.9, abacus, 1 thread")
    assert run(EXACT) == 4
    said = rows(project)[0]["sentence"]
    assert "no baseline for torch 9.9.9" in said and "commit gate/expected.json as perf/expected.json" in said
    Path("gate/expected.json").replace("perf/expected.json")  # which holds this machine beside the first one
    assert run(EXACT) == 0
    monkeypatch.undo()
    monkeypatch.chdir(project)
    assert run(EXACT) == 0


def test_what_does_not_run_fails_on_a_new_machine_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "machine", lambda: "torch 9.9.9, abacus, 1 thread")
    told_of(project, "import nothing_of_that_name", "it does not run")


def told_of(folder: Path, module: str, said: str) -> None:
    write(folder, module)
    told(folder, 1, said)


def test_a_missing_baseline_says_how_to_write_it(project: Path) -> None:
    (project / "perf/expected.json").unlink()
    with pytest.raises(ValueError, match="--accept"):
        run(EXACT)


def test_a_baseline_without_cases_fails(project: Path) -> None:
    path = project / "perf/expected.json"
    expected = Expected.read(path)
    expected.baselines = {exact.machine(): {}}
    expected.write(path)
    assert run(EXACT) == 1
    assert "the case is new" in rows(project)[0]["sentence"]


def test_what_is_accepted_must_run_and_have_a_reason(project: Path) -> None:
    with pytest.raises(ValueError, match="add --reason"):
        run(replace(EXACT, accept=True))
    write(project, "import nothing_of_that_name")
    with pytest.raises(ValueError, match="nothing was accepted"):
        run(replace(EXACT, accept=True, reason="no"))


def test_a_verdict_that_cannot_be_kept_is_an_error(project: Path) -> None:
    (project / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be kept"):
        run(replace(EXACT, out=Path("file/gate")))


def test_each_tier_has_a_folder_of_its_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both are asked for; the latency tier stands in here for its minutes."""
    about = {"machine": {"name": "abacus"}, "started": "2026-01-02T03:04:05+00:00", "base": "a" * 40, "head": "b" * 40}
    same = Result("latency", (Row("mixing", "cpu_ms", 0, "no slowdown"),), about)
    monkeypatch.setattr(gating, "latency_tier", lambda gate: gating._told(same, gate.out))
    write(project, mutated("one more operator"))
    assert run(Gate(exact=True, base="HEAD")) == 1
    tiers = {
        tier: json.loads((project / "gate" / tier / "gate.json").read_text())["code"] for tier in ("exact", "latency")
    }
    assert tiers == {"exact": 1, "latency": 0} and not (project / "gate/gate.json").exists()


def test_what_is_named_is_accepted_by_the_command_that_is_offered(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the case and its input; what it says, obeyed, accepts that case, and keeps the others."""
    words = ["gate", "mixing:Mixing", "--exact", "--input", "1,12,16"]
    assert command(words) == 1
    offered = rows(project)[0]["sentence"].partition("if that is right: ")[2]
    assert command([*shlex.split(offered)[1:-1], "it is new"]) == 0
    assert command(words) == 0
    assert set(Expected.read(project / "perf/expected.json").baselines[exact.machine()]) == {"mixing", "mixing:Mixing"}


def command(words: list[str]) -> int:
    """The exit code of `avbench` with these words."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def full(path: Path, *_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gate", "--exact"], "cannot be kept in gate (No space left on device): make room"),
        (["gate", "--exact", "--accept", "--reason", "r"], "stays as it was (No space left on device): make room"),
    ],
)
def test_a_full_disk_is_no_pass(
    project: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (project / "perf/expected.json").read_bytes()
    monkeypatch.setattr(Path, "write_text", full)
    assert command(words) == 2
    assert said in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in (project / "perf").iterdir()] == [("expected.json", before)]


def test_a_checkout_that_the_disk_has_no_room_for_is_an_error(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository(project)

    def git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        full_ = words[0] == "worktree"
        said = "fatal: sha1 file write error: No space left on device\n"
        return subprocess.CompletedProcess(words, 128, "", said) if full_ else real(folder, *words)

    real = trees.git
    monkeypatch.setattr(trees, "git", git)
    assert command(["gate", "--base", "HEAD"]) == 2
    assert "No space left on device): make room" in capsys.readouterr().err


def test_a_project_is_imported_from_its_checkout_and_hides_nothing_of_ours(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A copy of it that is installed is not what is measured; a folder called `reports` is not taken for ours."""
    installed = tmp_path_factory.mktemp("installed")
    for folder, name in ((installed, "mixing.py"), (project, "reports.py")):
        (folder / name).write_text("raise RuntimeError('this is not it')")
    program = "from pathlib import Path; from suite.gate import exact; exact.importable(Path('.'), ['.'])"
    program += "; import mixing, reports; print(mixing.__file__, reports.__file__)"
    path = os.pathsep.join([str(ROOT), str(installed)])
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.stdout.split() == [str(project / "mixing.py"), str(ROOT / "reports" / "__init__.py")], done.stderr
