"""The exact tier: every planted change is found, in both directions, and nothing is never green."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_fakes import MODULE, MUTATIONS, TABLE, mutated

from avbench.gating import Gate, run
from suite.gate import exact
from suite.gate.expected import Expected
from suite.gate.probe import fitted
from suite.gate.target import Target

EXACT = Gate(exact=True)


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
    assert "no baseline for torch 9.9.9" in rows(project)[0]["sentence"]


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
