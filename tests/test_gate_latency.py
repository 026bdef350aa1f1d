"""The latency tier: real processes on two revisions once, and everything else with processes that are made up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_fakes import MODULE, TABLE, commit, git, repository

from avbench.gating import Gate, run
from suite.gate import latency
from suite.gate.latency import Answer
from suite.gate.probe import answer
from suite.gate.target import Target
from suite.gate.trees import Tree

BASE = Gate(base="HEAD~1", seed=1)
Speed = Callable[[str, bool], float]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits."""
    monkeypatch.chdir(tmp_path)
    return commit(repository(tmp_path), MODULE + "# slower\n")


def pretend(monkeypatch: pytest.MonkeyPatch, head_ms: Any, base_ms: float = 10.0, failed: Any = None) -> list[str]:
    """Processes that answer at once: the head takes `head_ms`. Returns the revisions as they are asked."""
    asked: list[str] = []

    def ask(tree: Tree, targets: list[Target], blocks: int, seed: int, threads: int) -> Answer:
        is_head = "# slower" in (tree.folder / "mixing.py").read_text()
        asked.append("head" if is_head else "base")
        ms = head_ms if is_head else base_ms
        ms = ms if not isinstance(ms, float) else ms * (1 + (seed % 7) / 1e4)
        bad = (failed or {}).get("head" if is_head else "base", {})
        names = [t.name for t in targets if t.name not in bad]
        samples = {name: {"wall_ms": [ms, ms], "cpu_ms": [ms, ms]} for name in names}
        medians = {name: {"wall_ms": ms, "cpu_ms": ms} for name in names}
        return {"samples": samples, "medians": medians, "failed": bad}

    monkeypatch.setattr(latency, "asked", ask)
    return asked


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


def test_a_pass_says_what_it_could_have_seen(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 10.0)
    run(BASE)
    assert "one of +3.0 % or more would have been" in rows(project)[0]["sentence"]


def test_a_triple_is_base_base_head_in_an_order_of_chance(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretend(monkeypatch, 10.0)
    run(BASE)
    trials, triples = asked[:2], [asked[i : i + 3] for i in range(2, len(asked), 3)]
    assert sorted(trials) == ["base", "head"] and len(triples) == 10
    assert all(sorted(triple) == ["base", "base", "head"] for triple in triples)
    assert len({tuple(triple) for triple in triples}) == 3


def test_what_is_flagged_is_measured_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretend(monkeypatch, 12.0)
    run(BASE)
    assert len(asked) == 2 + 30 + 30


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
        ({"base": {"mixing": "a"}}, 4, ""),  # it is new: nothing was compared
    ],
)
def test_what_does_not_run_is_never_green(
    project: Path, monkeypatch: pytest.MonkeyPatch, failed: Any, code: int, said: str
) -> None:
    pretend(monkeypatch, 10.0, failed=failed)
    assert run(BASE) == code
    assert [said in row["sentence"] for row in rows(project)] == ([True] if said else [])


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


def test_real_processes_run_the_code_of_their_revision(project: Path) -> None:
    """The head does the work eight times: a ratio that no noise hides."""
    slow = MODULE.replace(
        "        return self.to_out(out)",
        "        for _ in range(60):\n            out = out.sin()\n        return out",
    )
    commit(project, slow)
    targets = [Target("mixing:Mixing", name="mixing", input=(2, 12, 16))]
    folders = {}
    for revision in ("HEAD~1", "HEAD"):
        folders[revision] = project.parent / revision
        git(project, "worktree", "add", "--detach", str(folders[revision]), revision)
    found = {r: latency.asked(Tree(f, r), targets, 3, 0, 1) for r, f in folders.items()}
    assert not found["HEAD"]["failed"]
    times = {r: answer["medians"]["mixing"]["cpu_ms"] for r, answer in found.items()}
    assert times["HEAD"] > 1.5 * times["HEAD~1"]
    assert len(found["HEAD"]["samples"]["mixing"]["wall_ms"]) == 3


def test_a_process_that_dies_fails_its_cases(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text("import os\nos._exit(7)\n")
    found = latency.asked(Tree(tmp_path, "x"), [Target("dying:Any", name="dying")], 1, 0, 1)
    assert "ended with 7" in found["failed"]["dying"]


def test_the_probe_times_training_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mixing_to_probe.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    cases = [Target("mixing_to_probe:Mixing", input=(2, 12, 16), mode=m).as_dict() for m in ("inference", "train")]
    found = answer({"cases": cases, "blocks": 2, "seed": 0, "threads": 1})
    assert {name: len(s["cpu_ms"]) for name, s in found["samples"].items()} == {
        "mixing_to_probe:Mixing": 2,
        "mixing_to_probe:Mixing train": 2,
    }
