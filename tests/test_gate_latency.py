"""The latency tier: real processes on two revisions once, and everything else with processes that are made up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from gate_fakes import MODULE, TABLE, commit, git, repository

from avbench import gating
from avbench.gating import Gate, run
from suite.fingerprint import fingerprint
from suite.gate import latency
from suite.gate.latency import Compared, Samples
from suite.gate.target import Target
from suite.gate.timer import Lost
from suite.gate.trees import Tree
from suite.gate.verdict import ENOUGH_TRIPLES, MOST_TRIPLES, triples_for

BASE = Gate(base="HEAD~1", seed=1)
Speed = Callable[[str, bool], float]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits."""
    monkeypatch.chdir(tmp_path)
    return commit(repository(tmp_path), MODULE + "# slower\n")


def pretend(monkeypatch: pytest.MonkeyPatch, head_ms: Any, failed: Any = None, healthy: int = 0) -> list[str]:
    """Processes that answer at once: the head takes `head_ms`. Returns the revisions as their processes start.

    `failed` are the cases that do not run, by revision, from the process after the first `healthy` ones on.
    """
    started: list[str] = []
    newest = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()

    class Pretended:
        def __init__(self, tree: Tree, targets: list[Target], seed: int, threads: int, cores: list[int]) -> None:
            is_head = tree.revision == newest
            started.append("head" if is_head else "base")
            ms = head_ms if is_head else 10.0
            self.ms = ms if not isinstance(ms, float) else ms * (1 + (seed % 7) / 1e4)
            bad = (failed or {}).get(started[-1], {}) if len(started) > healthy else {}
            self.bad = {target.name: bad[target.name] for target in targets if target.name in bad}

        def failed(self) -> dict[str, str]:
            return {name: why for name, why in self.bad.items() if why}

        def block(self, case: str) -> dict[str, float]:
            if case in self.bad:
                raise Lost("it is tired")
            return {"wall_ms": self.ms, "cpu_ms": self.ms}

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(latency, "Timer", Pretended)
    return started


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "gate/gate.json").read_text())["rows"]
    return found


@pytest.mark.parametrize(
    ("head_ms", "code", "said"), [(10.0, 0, "no slowdown"), (11.5, 1, "slower"), (8.0, 0, "faster")]
)
def test_each_verdict(project: Path, monkeypatch: pytest.MonkeyPatch, head_ms: float, code: int, said: str) -> None:
    pretend(monkeypatch, head_ms)
    assert run(BASE) == code
    assert [(row["case"], row["what"]) for row in rows(project)] == [("mixing", "cpu_ms"), ("mixing", "wall_ms")]
    assert all(said in row["sentence"] for row in rows(project))


def test_what_is_kept_says_where_and_how_it_was_measured(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MEASURING's fingerprint: what must match, and how busy the machine was before and after; and what was typed."""
    pretend(monkeypatch, 10.0)
    monkeypatch.setattr(sys, "argv", ["/some/where/avbench", "gate", "--base", "main"])
    run(replace(BASE, threads=2))
    about = json.loads((project / "gate/gate.json").read_text())["about"]
    here = fingerprint()
    assert about["command"] == "avbench gate --base main"
    assert about["machine"] == {**here["identity"], "threads": 2, "name": about["machine"]["name"]}
    assert here["identity"]["cpu"] in about["machine"]["name"] and "2 threads" in about["machine"]["name"]
    assert about["before"].keys() == about["after"].keys() == here["conditions"].keys() >= {"load", "steal_s"}
    head = json.loads((project / "gate/head.json").read_text())
    assert head["machine_info"] == about["machine"]


def test_a_pass_says_what_it_could_have_seen(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 10.0)
    run(BASE)
    assert "one of +3.0 % or more would have been" in rows(project)[0]["sentence"]


def test_a_triple_is_base_base_head_in_an_order_of_chance(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = pretend(monkeypatch, 10.0)
    run(BASE)
    trials, triples = started[:2], [started[i : i + 3] for i in range(2, len(started), 3)]
    assert sorted(trials) == ["base", "head"] and len(triples) == 10
    assert all(sorted(triple) == ["base", "base", "head"] for triple in triples)
    assert len({tuple(triple) for triple in triples}) == 3


def test_what_is_flagged_is_measured_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = pretend(monkeypatch, 12.0)
    run(BASE)
    assert len(started) == 2 + 30 + 30


def test_a_case_that_dies_in_the_rerun_says_why(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 12.0, failed={"head": {"mixing": ""}}, healthy=2 + 30)
    assert run(BASE) == 3
    said = "slower at first, but the rerun broke: it stopped running: it is tired"
    assert all(said in row["sentence"] for row in rows(project))


def test_triples_are_added_while_the_base_is_unlike_itself(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = pretend(monkeypatch, 10.0)
    monkeypatch.setattr(latency.verdict, "is_wide", lambda samples: True)
    run(BASE)
    assert len(started) == 2 + 3 * ENOUGH_TRIPLES


def test_a_case_that_stops_running_is_dropped_and_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other case goes on: its triples are as many as they would have been."""
    table = TABLE + TABLE.replace('"mixing"', '"tired"')
    (project / "pyproject.toml").write_text(table)
    commit(project, MODULE + "# slower\n")
    started = pretend(monkeypatch, 10.0, failed={"head": {"tired": ""}})
    assert run(BASE) == 4
    said = {row["case"]: row["sentence"] for row in rows(project)}
    assert said["tired"] == "it stopped running: it is tired" and "no slowdown" in said["mixing"]
    assert len(started) == 2 + 3 + 3 * triples_for(4)


@pytest.mark.parametrize("ms", [float("nan"), 0.0])
def test_a_sample_that_is_no_time_is_no_verdict(project: Path, monkeypatch: pytest.MonkeyPatch, ms: float) -> None:
    pretend(monkeypatch, ms)
    assert run(BASE) == 4
    assert "not a number" in rows(project)[0]["sentence"]


@pytest.mark.parametrize(
    ("failed", "code", "said"),
    [
        ({"head": {"mixing": "ImportError: x"}}, 1, "runs at the base, not at the head: ImportError: x"),
        ({"base": {"mixing": "a"}, "head": {"mixing": "b"}}, 4, "at neither revision: b"),
        ({"base": {"mixing": "out of memory"}}, 4, "base lists it, but it does not run there: out of memory"),
    ],
)
def test_what_does_not_run_is_never_green(
    project: Path, monkeypatch: pytest.MonkeyPatch, failed: Any, code: int, said: str
) -> None:
    pretend(monkeypatch, 10.0, failed=failed)
    assert run(BASE) == code
    assert [said in row["sentence"] for row in rows(project)] == [True]


@pytest.mark.parametrize(("known", "code"), [("", 4), (TABLE, 0)])
def test_a_new_case_passes_only_beside_one_that_was_compared(
    project: Path, monkeypatch: pytest.MonkeyPatch, known: str, code: int
) -> None:
    """Either way its row says why it was not compared itself."""
    (project / "pyproject.toml").write_text(known)
    commit(project, MODULE)
    (project / "pyproject.toml").write_text(known + TABLE.replace('"mixing"', '"new"'))
    commit(project, MODULE + "# slower\n")
    pretend(monkeypatch, 10.0, failed={"base": {"new": "no module"}})
    assert run(BASE) == code
    (new,) = [row for row in rows(project) if row["case"] == "new"]
    assert new["code"] == code and "new, so not compared: it does not run at the base: no module" in new["sentence"]


def test_a_deleted_case_is_a_regression(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pyproject.toml").write_text(TABLE.replace('"mixing"', '"other"'))
    commit(project, MODULE + "# slower\n")
    pretend(monkeypatch, 10.0)
    assert run(BASE) == 1
    assert "put it back" in next(row["sentence"] for row in rows(project) if row["case"] == "mixing")


def test_refusals(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    pretend(monkeypatch, 10.0)
    with pytest.raises(ValueError, match="no revision nowhere"):
        run(replace(BASE, base="nowhere"))
    (project / "mixing.py").write_text("changed = True")
    with pytest.raises(ValueError, match="has changes that HEAD does not hold"):
        run(BASE)
    assert run(replace(BASE, head="HEAD")) == 0  # named, so it is meant
    git(project, "checkout", "-q", "mixing.py")
    (project / "pyproject.toml").write_text("")
    commit(project, MODULE)
    with pytest.raises(ValueError, match="gate init"):
        run(BASE)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(ValueError, match="no git repository"):
        run(BASE)


def test_a_design_that_the_base_lacks_is_new_although_a_star_lists_all(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gating, "names", lambda: ["known", "new"])
    (project / "pyproject.toml").write_text(TABLE.replace('"mixing:Mixing"\nname = "mixing"', '"*"'))
    (project / "variants").mkdir()
    for name in ("known", "new"):
        (project / "variants" / f"{name}.py").touch()
        git(project, "add", "variants")
        commit(project, MODULE)
    pretend(monkeypatch, 10.0, failed={"base": {"new": "there is no design new"}})
    assert run(BASE) == 0
    assert "new, so not compared" in next(row["sentence"] for row in rows(project) if row["case"] == "new")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"triples": MOST_TRIPLES + 1}, "take --triples 1 to 20"),
        ({"triples": 0}, "take --triples 1 to 20"),
        ({"threads": 0}, "take --threads 1 or more"),
    ],
)
def test_what_could_not_be_judged_is_refused_before_anything_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, int], said: str
) -> None:
    started = pretend(monkeypatch, 10.0)
    with pytest.raises(ValueError, match=said):
        run(replace(BASE, **wrong))  # type: ignore[arg-type]
    assert not started


def compared_trees(monkeypatch: pytest.MonkeyPatch) -> list[Tree]:
    """The trees of the next comparison, which finds nothing."""
    trees: list[Tree] = []

    def note(base: Tree, head: Tree, *_: object) -> Compared:
        trees.extend([base, head])
        assert all((tree.folder / "pyproject.toml").is_file() for tree in trees)
        return Compared([], Samples(), Samples(), {}, {}, {})

    monkeypatch.setattr(gating, "compare", note)
    return trees


def test_a_base_without_a_table_is_made_importable_as_the_head_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its imports would end in what is installed, which is the head."""
    (project / "pyproject.toml").write_text("")
    commit(project, MODULE)
    (project / "pyproject.toml").write_text("[tool.avbench.gate]\npath = ['lib']\nsetup = 'touch ready'\n" + TABLE)
    commit(project, MODULE)
    trees = compared_trees(monkeypatch)
    assert run(BASE) == 4
    assert [tree.path for tree in trees] == [("lib",), ("lib",)]


def test_a_project_may_live_in_a_folder_of_its_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table and its imports are those of the folder, where the exact tier reads them too."""
    git(tmp_path, "init", "-q")
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "pyproject.toml").write_text(TABLE.replace('"mixing"', '"inner"'))
    for _ in range(2):
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", "a change")
    monkeypatch.chdir(tmp_path / "inner")
    started = pretend(monkeypatch, 10.0, failed={"base": {"inner": "a"}, "head": {"inner": "b"}})
    assert run(BASE) == 4 and len(started) == 2
    assert [row["case"] for row in rows(tmp_path / "inner")] == ["inner"]
    trees = compared_trees(monkeypatch)
    run(BASE)
    assert [(tree.folder.name, tree.imports) for tree in trees] == [
        ("inner", [str(tree.top.resolve() / "inner")]) for tree in trees
    ]


def test_a_project_that_the_base_lacks_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "inner").mkdir()
    (project / "inner" / "pyproject.toml").write_text(TABLE)
    git(project, "add", "inner")
    git(project, "commit", "-q", "-m", "a project")
    monkeypatch.chdir(project / "inner")
    with pytest.raises(ValueError, match="HEAD~1 has no folder inner"):
        run(BASE)


def test_worktrees_are_gone_afterwards(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 10.0)
    run(BASE)
    listed = subprocess.run(["git", "worktree", "list"], cwd=project, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1


def test_a_setup_that_fails_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 10.0)
    (project / "pyproject.toml").write_text("[tool.avbench.gate]\nsetup = 'echo no compiler; exit 3'\n" + TABLE)
    commit(project, MODULE)
    with pytest.raises(ValueError, match="no compiler"):
        run(BASE)
