"""How fast the records of 10 000 cases load, and how fast they become a page: `inv bench`. Untimed, of 840."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from report_fakes import save
from report_sweeps import whole

from reports.write import write
from suite.record import Record, latest, read

MOST_BYTES = 5e6  # of a page that is passed around


def run(folder: Path, timed: bool) -> Path:
    """A run of all designs with samples as a sweep keeps them: 10 150 cases, or 840 where nothing is timed."""
    records = whole(rounds=10, seeds=6) if timed else whole(sides=(128, 512), rounds=2, seeds=1, modes=("inference",))
    return save(folder / "run", [replace(r, samples=samples(r)) for r in records])


def samples(record: Record) -> dict[str, list[float]]:
    """Forty raw latencies."""
    found = {name: m.value for name, m in record.metrics.items() if name == "latency_ms"}
    return {name: [value * (1 + i / 1e4) for i in range(40)] for name, value in found.items()}


def test_loading(benchmark: Any, tmp_path: Path) -> None:
    folder = run(tmp_path, benchmark.enabled)
    records = benchmark.pedantic(lambda: latest(read(folder)), rounds=3)
    assert len(records) == (10_150 if benchmark.enabled else 840)


def test_rendering(benchmark: Any, tmp_path: Path) -> None:
    """From the folder to the page, the figures and the table, reading included."""
    page = benchmark.pedantic(write, (run(tmp_path, benchmark.enabled),), rounds=1)
    assert 1e5 < page.stat().st_size < MOST_BYTES
