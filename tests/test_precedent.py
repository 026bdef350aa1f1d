"""A plan says how far the predictions of this machine were off, by the newest run that knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from avbench import precedent as subject
from avbench.planning import show_plan
from avbench.precedent import precedent
from suite.case import Case
from suite.plan import Plan, Planned
from suite.record import Journal, Metric, Record

HERE, THERE = {"identity": {"cpu": "abacus"}}, {"identity": {"cpu": "slide rule"}}
CASE = Case("memory", "vit", "isotropic", "none", "classification", 10, 224, 224)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "fingerprint", lambda device: HERE)


def memory(seed: int, predicted: float, measured: float = 100) -> Record:
    metrics = {"predicted_bytes": Metric(predicted, "bytes"), "peak_bytes": Metric(measured, "bytes")}
    return Record(replace(CASE, seed=seed), "ok", "", metrics, machine=HERE)


def latency(round: int, predicted: float, measured: float, compiled: bool = False) -> Record:
    case = replace(CASE, quantity="latency", round=round, compiled=compiled)
    notes = {"predicted_seconds": predicted}
    return Record(case, "ok", "", {"latency_ms": Metric(measured, "ms")}, notes=notes, machine=HERE)


def run(folder: Path, records: Iterable[Record]) -> None:
    with Journal(folder) as journal:
        for record in records:
            journal.append(record)


MEMORIES = [memory(0, 100), memory(1, 90), memory(2, 140)]
LATENCIES = [latency(0, 0.01, 10), latency(1, 0.01, 20), latency(2, 0.04, 10), latency(3, 0.01, 1000, compiled=True)]


def test_the_newest_run_of_this_machine_tells(tmp_path: Path) -> None:
    run(tmp_path / "1", [memory(0, 500)])
    run(tmp_path / "2", [*MEMORIES, *LATENCIES, Record(replace(CASE, seed=9), "oom", machine=HERE)])
    run(tmp_path / "3", [replace(memory(0, 500), machine=THERE)])
    (tmp_path / "4").mkdir()
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "records.jsonl").write_text("what is this\n")
    assert precedent({"cpu"}, tmp_path) == (
        f"On this machine, in {tmp_path / '2'}, half of 3 measured memories were within 10.0 % of the prediction, all "
        "within 40.0 %; half of 3 measured latencies were within a factor of 2.00, all within 4.00."
    )


def test_a_plan_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(Path("runs") / "1", MEMORIES)
    show_plan(Plan((Planned(CASE),)), as_json=False, as_csv=False)
    assert " ".join(capsys.readouterr().out.split()).endswith(
        "On this machine, in runs/1, half of 3 measured memories were within 10.0 % of the "
        "prediction, all within 40.0 %."
    )


def test_what_was_never_measured_is_not_spoken_of(tmp_path: Path) -> None:
    assert precedent({"cpu"}, tmp_path / "nowhere") == ""
    run(tmp_path / "1", [replace(memory(0, 500), machine=THERE)])
    assert precedent({"cpu"}, tmp_path) == ""
