"""Two runs side by side: what is paired, how one stands to the other, and that nothing of both enters one ranking."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_fakes import failed, made, network, save, sweep

from reports.beside import Run, report_beside
from reports.document import Cards, Document, Table
from reports.frame import combined
from reports.interval import of_median
from reports.pairs import Pair, order, pairs
from reports.report import Report
from reports.words import plain
from reports.write import FORMS, of_two, put
from suite.case import Case
from suite.record import Metric, Record

ELSEWHERE = {"identity": {"cpu": "EPYC 9654", "cores": 96, "torch": "2.11.0"}, "conditions": {"commit": "abc"}}


def timed(case: Case, values: list[float], **more: Any) -> list[Record]:
    """Latencies in ms, each of a fresh process."""
    case = replace(case, quantity="latency")
    metrics = [{"latency_ms": Metric(v, "ms", v * 0.99, v * 1.01)} for v in values]
    return [made(replace(case, round=i), m, **more) for i, m in enumerate(metrics)]


def paired(a: list[Record], b: list[Record]) -> list[Pair]:
    return pairs(combined(a), combined(b))


def test_a_ratio_holds_the_truth_as_often_as_it_says() -> None:
    generator, held, trials = random.Random(1), 0, 2000
    for _ in range(trials):
        rows = []
        for middle in (10.0, 7.0):
            value, low, high = of_median([middle * generator.lognormvariate(0, 0.05) for _ in range(4)])
            row = {"status": "ok", "metric": "latency_ms", "interval": "over 4 processes"}
            rows.append(row | {"value": value, "low": low, "high": high})
        change = Pair(*rows).change
        assert change and change.low is not None and change.high is not None
        held += change.low <= 0.7 <= change.high
    assert 0.93 < held / trials < 0.995


def test_an_interval_within_one_process_tells_nothing_apart() -> None:
    (pair,) = paired(timed(network("vit"), [10.0]), timed(network("vit"), [1.0, 1.01, 1.0]))
    assert pair.change and pair.change.value == pytest.approx(0.1) and pair.change.sign is None


def test_exact_numbers_have_exact_ratios_and_scores_have_differences() -> None:
    def one(metrics: dict[str, Metric]) -> list[Record]:
        return [made(network("vit", quantity="memory"), metrics)]

    peaks = [one({"peak_bytes": Metric(v, "bytes")}) for v in (100.0, 150.0)]
    (pair,) = paired(*peaks)
    assert pair.change and (pair.change.value, pair.change.low) == pytest.approx((1.5, 1.5)) and pair.change.sign == 1
    (same,) = paired(peaks[0], peaks[0])
    assert same.change and same.change.equal and same.change.sign == 0

    case = network("vit", quantity="accuracy", mode="train")
    scores = [
        [made(replace(case, seed=s), {"top1": Metric(v + s / 1000, "", 0, 1)}) for s in range(3)] for v in (0.5, 0.6)
    ]
    (pair,) = paired(*scores)
    assert (
        pair.change and pair.change.value == pytest.approx(0.1) and pair.change.neutral == 0 and pair.change.sign == 1
    )


def test_zeros_have_no_ratio_unless_they_are_equal() -> None:
    zeros = [[made(network("vit"), {"macs": Metric(v, "MAC")})] for v in (0.0, 1e9)]
    assert [pair.change for pair in paired(*zeros)] == [None]
    (pair,) = paired(zeros[0], zeros[0])
    assert pair.change and pair.change.equal


def test_another_machine_or_version_finds_its_partner_and_another_batch_does_not() -> None:
    here = timed(network("vit"), [10.0, 10.1])
    there = timed(network("vit", device="cuda", threads=16, recipe="vit, changed"), [1.0, 1.1], machine=ELSEWHERE)
    (pair,) = paired(here, there)
    assert pair.change and pair.change.value == pytest.approx(0.104, abs=0.001)
    apart = paired(here, timed(network("vit", batch=8), [1.0, 1.1]))
    assert [(p.a is None, p.b is None, p.change) for p in apart] == [(False, True, None), (True, False, None)]


def test_what_has_two_partners_is_paired_with_neither() -> None:
    there = [r for t in (4, 8) for r in timed(network("vit", threads=t), [1.0, 1.1])]
    found = paired(timed(network("vit"), [10.0, 10.1]), there)
    assert len(found) == 3 and all(pair.change is None for pair in found)
    exact = paired(timed(network("vit"), [10.0, 10.1]), [*there, *timed(network("vit"), [5.0, 5.1])])
    assert [pair.change is not None for pair in exact] == [True, False, False]


def test_what_one_run_lost_stands_beside_what_the_other_measured() -> None:
    case = network("vit", quantity="latency")
    (pair,) = paired(timed(case, [1.0, 1.1]), [failed(case, "oom", "the memory ran out")])
    assert pair.b and (pair.b["status"], pair.b["reason"]) == ("oom", "the memory ran out") and pair.change is None
    assert paired([failed(case, "oom", "full")], [failed(case, "oom", "full")]) == []


def test_the_order_of_designs_is_looked_at_within_each_run() -> None:
    a = [r for n, t in (("vit", 10.0), ("swin", 20.0), ("conv", 30.0)) for r in timed(network(n), [t, t * 1.001])]
    b = [r for n, t in (("vit", 2.0), ("swin", 1.0), ("conv", 3.0)) for r in timed(network(n), [t, t * 1.001])]
    assert order(paired(a, b)) == (2, 1)


def slower(records: list[Record], factor: float, **more: Any) -> list[Record]:
    """The records of a run whose latencies are this many times as long."""
    return [
        replace(r, metrics={k: _times(v, factor if k == "latency_ms" else 1) for k, v in r.metrics.items()}, **more)
        for r in records
    ]


def _times(metric: Metric, factor: float) -> Metric:
    ends = (end and end * factor for end in (metric.low, metric.high))
    return replace(metric, value=metric.value * factor, **dict(zip(("low", "high"), ends, strict=True)))


@pytest.fixture(scope="module")
def compared() -> Report:
    records = sweep(designs=5, sides=(224, 512))
    return report_beside(
        Run("one", records, {"res": "224", "seeds": 1}),
        Run("two", slower(records, 2, machine=ELSEWHERE), {"res": "512"}),
    )


def sentences(document: Document) -> list[str]:
    cards = [piece for piece in document.sections[0].blocks if isinstance(piece, Cards)]
    return [f"{card.title}: {plain(words)}" for found in cards for card in found.cards for words in card.sentences]


def test_the_answer_says_what_changed_and_what_did_not(compared: Report) -> None:
    said = sentences(compared.document)
    names = "conv_stem, downsample, pixel, vit and window"
    assert f"Latency · classification · inference: Slower in B: 9 of 9, {names}, 2.00 times." in said
    assert "Parameters · classification: Equal in both: 10 of 10." in said
    assert any("pairs of designs that both runs tell apart" in s for s in said)
    assert not any("Faster" in s for s in said)


def test_identity_and_requests_are_told_where_they_differ(compared: Report) -> None:
    tables = {table.name: table for table in compared.document.tables()}
    machine = {row.head: tuple(c.text for c in row.cells) for row in tables["differences-machine"].blocks[0].rows}
    assert machine["cpu"] == ("Xeon Platinum 8481C", "EPYC 9654") and machine["threads"] == ("2", "–")
    asked = {row.head: tuple(c.text for c in row.cells) for row in tables["differences-request"].blocks[0].rows}
    assert asked == {"res": ("224", "512"), "seeds": ("1", "–")}
    note = compared.document.sections[0].blocks[0]
    assert "The machines differ in cpu, cores, torch, threads" in plain(note.words)  # type: ignore[union-attr]


def test_no_table_ranks_and_every_row_stands_by_name(compared: Report) -> None:
    found = [t for t in compared.document.tables() if t.name.startswith("beside")]
    assert {tuple(h.text for h in t.headings) for t in found} == {("A", "B", "B over A"), ("A", "B", "B minus A")}
    for table in found:
        for block in table.blocks:
            assert [row.series for row in block.rows] == sorted(row.series for row in block.rows)


def test_two_runs_come_in_every_form(tmp_path: Path) -> None:
    records = sweep(designs=3, sides=(224,))
    a, b = (save(tmp_path / n / "run", r) for n, r in (("x", records), ("y", slower(records, 0.5))))
    (a / "starts.jsonl").write_text(json.dumps({"request": {"res": "224"}}) + "\n")
    (b / "starts.jsonl").write_text("[1]\nnot JSON\n")
    made_report = of_two(a, b)
    *paths, events = put(made_report, a / "beside-run", FORMS)
    assert all(path.stat().st_size > 1000 for path in paths)
    page, text, tex = (path.read_text(encoding="utf-8") for path in paths[:3])
    for form in (page, text, tex):
        assert "run beside run" in form and "0.500 times" in form and "starts" in form
    assert {p.name for p in events.iterdir()} == {"A", "B"} and list(events.glob("B/*/*tfevents*"))
    rows = json.loads((a / "beside-run" / "records.json").read_text())
    ratios = [r["change_value"] for r in rows if r["metric"] == "latency_ms" and r["a_status"] == r["b_status"] == "ok"]
    assert ratios and all(math.isclose(ratio, 0.5) for ratio in ratios)


def test_runs_that_share_nothing_say_so() -> None:
    a, b = (Run(n, timed(network(n), [1.0, 1.1]), {}) for n in ("vit", "swin"))
    document = report_beside(a, b).document
    texts = [plain(p.words) for p in document.sections[0].blocks if hasattr(p, "words")]
    assert "The two runs hold no number of the same case." in texts
    empty = report_beside(Run("a", [], {}), Run("b", [], {})).document
    assert not [piece for piece in empty.tables() if isinstance(piece, Table)]
