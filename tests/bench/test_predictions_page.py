"""predictions.py on records whose errors are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import predictions as subject
import pytest

from suite.case import Case
from suite.record import Metric, Record

CASE = Case("memory", "vit", "isotropic", "learned", "classification", 4, 224, 224)
MACHINE = {"identity": {"cpu": "Some CPU", "torch": "2.13.0"}}


def memory(design: str, predicted: float, measured: float, workspace: float, **case: Any) -> Record:
    values = {"predicted_bytes": predicted, "peak_bytes": measured, "workspace_bytes": workspace}
    metrics = {name: Metric(value, "bytes") for name, value in values.items()}
    return Record(
        replace(CASE, design=design, **case), "ok", "", metrics, notes={"peak_inside": ["matmul", "bmm", "clone"]},
        machine=MACHINE, started="2026-11-26T10:00",
    )  # fmt: skip


def latencies(design: str, predicted: float, *measured: float) -> list[Record]:
    case = replace(CASE, quantity="latency", design=design)
    return [
        Record(replace(case, round=n), "ok", "", {"latency_ms": Metric(ms, "ms")},
               notes={"predicted_seconds": predicted}, machine=MACHINE, started="2026-11-26T10:00")
        for n, ms in enumerate(measured)
    ]  # fmt: skip


RECORDS = [
    memory("swin", 100e6, 100e6, 0), memory("vit", 90e6, 100e6, 10e6), memory("vit", 50e6, 100e6, 0, mode="train"),
    *latencies("vit", 0.010, 20, 19, 40), *latencies("swin", 0.010, 50), *latencies("halo", 0.010, 20),
    memory("vit", 1e6, 9e6, 0, height=512, width=512), memory("vit", 1e6, 9e6, 0, fills_memory=True),
    replace(memory("halo", 1e6, 9e6, 0), status="oom"),
]  # fmt: skip


def test_the_errors_are_those_of_the_records() -> None:
    text = subject.texts(RECORDS, "224")["cpu"]
    assert "2026-11-26: Some CPU, 2.13.0, 1 thread(s)." in text
    assert "| swin | 100 MB | 100 MB | +0.0% | 0 B |  | +0.0% |" in text
    assert "| vit | 90.0 MB | 100 MB | -10.0% | 10.0 MB | bmm > clone | +0.0% |" in text
    assert "| vit | 50.0 MB | 100 MB | -50.0% | 0 B |  | -50.0% |" in text
    assert "Within 5% without workspace: 2 of 2 designs; with it: 1. Furthest off: vit, -10.0%" in text
    assert "Within 5% without workspace: 0 of 1 designs" in text
    assert "| vit | 10.0 ms | 20.0 ms | 2.00 |" in text, "the median of its processes"
    assert "Within a factor of 1.5: 0 of 3 designs; 2 once all are multiplied" in text
    assert text.count("\n| design |") == 3 and "MB | 9" not in text
    assert text.endswith("\n\nNot measured, or not everywhere: halo (oom).")


def test_each_workload_and_device_has_its_own_tables() -> None:
    found = subject.texts([*RECORDS, memory("vit", 1e6, 1e6, 0, device="cuda:0", dtype="bfloat16")], "224")
    assert set(found) == {"cpu", "cuda"}
    assert "classification, 224 pixels, cuda:0, bfloat16, sdpa" in found["cuda"]
    many = subject.texts([*RECORDS, memory("vit", 1e6, 1e6, 0, backend="math")], "224")["cpu"]
    assert many.count("### ") == 2


def test_a_device_leaves_what_another_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(subject.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    subject.write(page, "cpu", "first")
    subject.write(page, "cuda", "second")
    subject.write(page, "cpu", "third")
    text = page.read_text(encoding="utf-8")
    assert "first" not in text and "second" in text and "third" in text
    with pytest.raises(ValueError, match="has no marks for tpu"):
        subject.write(page, "tpu", "")
