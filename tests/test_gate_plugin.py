"""The pytest plug-in and `avbench gate init`, as a stranger's project uses them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from gate_fakes import MODULE, TABLE, git, mutated, repository

from avbench.gate_init import WORKFLOW, importable_path, workflow
from avbench.gating import Gate, run
from suite.gate import exact
from suite.gate.expected import Expected
from suite.gate.target import Target

pytest_plugins = ["pytester"]

TESTS = """
import pytest
from mixing import Mixing

@pytest.mark.avbench((2, 12, 16), mode="train")
def test_marked():
    return Mixing()
"""
SPEED = """
def test_speed(avbench_case, benchmark):
    assert benchmark(avbench_case).shape == (2, 12, 16)
"""
MARKED = "test_mixing.py::test_marked train"


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What torch imports when figures are taken: else pytester would forget it, and torch cannot import it twice."""
    exact.figures(Target("torch.nn:PReLU", input=(1, 2), mode="train"))


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    """A project with a table and a test file."""
    (pytester.path / "pyproject.toml").write_text(TABLE)
    (pytester.path / "mixing.py").write_text(MODULE)
    (pytester.path / "test_mixing.py").write_text(TESTS)
    return pytester.path


def outcome(pytester: pytest.Pytester, *words: str) -> tuple[pytest.RunResult, dict[str, int]]:
    pytester.syspathinsert()
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", "-rs", *words)
    return done, done.parseoutcomes()


def accepted(pytester: pytest.Pytester) -> Path:
    """The file after every case of the project was accepted."""
    assert outcome(pytester, "--avbench-accept", "the first")[1] == {"passed": 3}
    return pytester.path / "perf/expected.json"


def test_a_project_is_held_to_its_figures(pytester: pytest.Pytester, project: Path) -> None:
    """Accepted once, equal then; a change is told with every figure, in the table's case and in the marked test."""
    accepted(pytester)
    assert outcome(pytester, "--avbench")[1] == {"passed": 3}
    (project / "mixing.py").write_text(mutated("one more operator"))
    done, counts = outcome(pytester, "--avbench")
    assert done.ret == 1 and counts == {"failed": 2, "passed": 1}
    done.stdout.fnmatch_lines(["mixing: calls of neg is new", "if that is right: pytest --avbench-accept*"])


def test_the_fixture_is_timed_by_pytest_benchmark(pytester: pytest.Pytester, project: Path) -> None:
    (project / "test_speed.py").write_text(SPEED)
    assert outcome(pytester, "--benchmark-disable")[1] == {"passed": 2}


def test_without_a_baseline_nothing_passes(pytester: pytest.Pytester, project: Path) -> None:
    """Neither the table's cases nor marked tests; they are skipped only where the project says so."""
    path = accepted(pytester)
    path.write_text(path.read_text().replace(exact.machine(), "torch 9.9.9, abacus, 1 thread"))
    done, counts = outcome(pytester, "--avbench")
    assert done.ret == 1 and counts == {"failed": 3}
    done.stdout.fnmatch_lines([f"*no baseline for {exact.machine()}*"])
    done, counts = outcome(pytester, "--avbench", "-o", "avbench_without_baseline=skip")
    assert done.ret == 0 and counts == {"skipped": 3}
    path.unlink()
    assert outcome(pytester, "--avbench")[1] == {"failed": 3}


def test_a_case_that_is_gone_from_the_table_fails(pytester: pytest.Pytester, project: Path) -> None:
    accepted(pytester)
    (project / "pyproject.toml").write_text(TABLE.replace('"mixing"', '"other"'))
    done, counts = outcome(pytester, "--avbench")
    assert done.ret == 1 and counts == {"failed": 2, "passed": 1}
    done.stdout.fnmatch_lines(["other: the case is new", "mixing: the case is gone"])
    accepted(pytester)
    assert outcome(pytester, "--avbench")[1] == {"passed": 3}


def test_the_command_line_leaves_marked_tests_alone(
    pytester: pytest.Pytester, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their figures stand in the same file, are not missing in the table, and outlive what the table accepts."""
    path = accepted(pytester)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert run(Gate(exact=True)) == 0
    assert run(Gate(exact=True, accept=True, reason="again")) == 0
    assert set(Expected.read(path).baselines[exact.machine()]) == {"mixing", MARKED}


def test_marked_tests_alone_are_a_gate(pytester: pytest.Pytester, project: Path) -> None:
    (project / "pyproject.toml").write_text("")
    assert outcome(pytester, "--avbench-accept", "the first")[1] == {"passed": 2}
    assert outcome(pytester, "--avbench")[1] == {"passed": 2}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("return Mixing()", "Mixing()", "returns a NoneType"),
        ("(2, 12, 16)", "5", "input = 5"),
        ("(2, 12, 16)", "(2, 12, 16), 'train'", "takes the input alone"),
        ("mode=", "speed=", "no key speed"),
    ],
)
def test_a_marked_test_that_means_nothing_fails(
    pytester: pytest.Pytester, project: Path, before: str, after: str, said: str
) -> None:
    (project / "test_mixing.py").write_text(TESTS.replace(before, after))
    done, counts = outcome(pytester, "--avbench", "-k", "marked")
    assert done.ret == 1 and counts["failed"] == 1 and "passed" not in counts
    done.stdout.fnmatch_lines([f"*{said}*"])


@pytest.mark.parametrize(
    ("table", "words", "said"),
    [
        ("", ("--avbench",), "avbench gate init"),
        (TABLE, ("-o", "avbench_without_baseline=pass"), "choose fail or skip"),
        ("[tool.avbench.gate]\npath = 'src'", ("--avbench",), "path = 'src'"),
        (TABLE, ("--avbench-accept", "why", "-n", "2"), "leave out -n"),
    ],
)
def test_usage_errors(pytester: pytest.Pytester, project: Path, table: str, words: tuple[str, ...], said: str) -> None:
    (project / "pyproject.toml").write_text(table)
    (project / "test_mixing.py").unlink()
    done = pytester.runpytest_inprocess(*words)
    assert done.ret == 4
    done.stderr.fnmatch_lines([f"*{said}*"])


def test_init_makes_a_repository_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path, table="[project]\nname = 'mixing'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("mixing", None)
    assert run(Gate(("init", "mixing:Mixing"), input="2,12,16")) == 0
    table = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert table["tool"]["avbench"]["gate"]["case"] == [{"make": "mixing:Mixing", "input": [2, 12, 16]}]
    assert table["project"] == {"name": "mixing"}
    assert (tmp_path / WORKFLOW).read_text() == workflow()
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


@pytest.mark.parametrize("folder", ["python/strange", "src/name/space", "lib/strange"])
def test_init_finds_where_imports_begin(folder: str, tmp_path: Path) -> None:
    """Wherever the named module lies, two folders deep or less; namesakes elsewhere are not it."""
    for name in (f"{folder}/mixing.py", "docs/mixing.py", "tests/other/mixing.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(MODULE)
    start, *package = folder.split("/")
    module = ".".join([*package, "mixing"])
    assert importable_path(tmp_path, [Target(f"{module}:Mixing"), Target("torch.nn:ReLU"), Target("vit")]) == (
        start,
        ".",
    )


def test_init_keeps_what_was_accepted_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other machines, with its reasons. A file that is none is refused before anything is written."""
    repository(tmp_path, table="[project]\nname = 'mixing'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("mixing", None)
    path, figures = tmp_path / "perf/expected.json", exact.figures(Target("torch.nn:ReLU", input=(1, 2)))
    earlier = Expected()
    earlier.accept("abacus", {"old": figures}, "it was so", "2026-01-02")
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(ValueError, match="is no baseline"):
        run(Gate(("init", "mixing:Mixing"), input="2,12,16"))
    assert "avbench" not in (tmp_path / "pyproject.toml").read_text()
    earlier.write(path)
    assert run(Gate(("init", "mixing:Mixing"), input="2,12,16")) == 0
    found = Expected.read(path)
    assert found.baselines["abacus"] == {"old": figures} and set(found.baselines) == {"abacus", exact.machine()}
    assert found.accepted[0]["reason"] == "it was so"


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


def test_without_a_baseline_neither_recipe_passes() -> None:
    """Exit code 3, inconclusive, is the only one beside 0 that is excused; GitLab shows the verdicts of both tiers."""
    github, gitlab = ((files("avbench") / "ci" / f"{name}.yml").read_text() for name in ("github", "gitlab"))
    assert re.findall(r'"\$code" = (\d)', github) == ["3"] and "continue-on-error" not in github
    assert re.findall(r"allow_failure:\s*(.*)", gitlab) == ["exit_codes: [3]"]
    assert "junit: [gate/exact/gate.xml, gate/latency/gate.xml]" in gitlab


@pytest.mark.parametrize(
    "linter", [("zizmor", "--offline", "--no-progress"), ("actionlint",)], ids=lambda words: words[0]
)
def test_a_linter_finds_nothing_in_the_workflow(linter: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(linter[0]) is None:
        pytest.skip(f"{linter[0]} is not installed")
    path = tmp_path / WORKFLOW
    path.parent.mkdir(parents=True)
    path.write_text(workflow())
    done = subprocess.run([*linter, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
