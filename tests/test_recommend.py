"""A user's limits: what fits, what perhaps, what has to give, and where it says that something was not measured."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_fakes import failed, held, learnt, network, save, timed

from avbench.cli import main
from reports.frame import tidy
from reports.recommend import Advice, advise, limits
from reports.words import plain
from suite.record import Metric, Record


@pytest.fixture
def run() -> list[Record]:
    """At 224 pixels vit is fast and swin lean; at 128 both are both."""
    small = {"height": 128, "width": 128}
    return [
        *timed("vit", 10, 10.1, 10.2), held("vit", 900), *timed("swin", 20, 20.1, 20.2), held("swin", 100),
        *timed("vit", 1, 1.01, 1.02, **small), held("vit", 9, **small),
        failed(network("pixel", quantity="latency"), "too_slow", "slow", notes={"predicted_seconds": 12.0}),
    ]  # fmt: skip


def advice(records: list[Record], *asked: float | None, resolution: str = "224") -> Advice:
    (found,) = advise(tidy(records), limits(*asked), resolution)
    return found


def test_what_fits_comes_first_and_the_answers_are_among_it(run: list[Record]) -> None:
    found = advice(run, 15, None, None)
    assert [(f.series, f.verdict) for f in found.fits] == [
        ("vit", "fits"),
        ("pixel", "not measured"),
        ("swin", "does not"),
    ]
    assert plain(found.sentences[0]) == "Of 3 designs, 1 fits, 1 was not measured, 1 does not fit."
    assert plain(found.sentences[1]).startswith("Fastest: vit")
    assert found.fits[1].why == "--max-ms: too slow, predicted 12.0 s"


def test_where_none_fits_it_says_what_has_to_give(run: list[Record]) -> None:
    sentences = [plain(w) for w in advice(run, 15, 500e6, None).sentences]
    assert "Nearest: swin, at 1.36 times its worst limit." in sentences
    assert "With --max-ms 20.4, swin fits." in sentences
    assert "With --max-memory 944MB, vit fits." in sentences
    assert "At 128 pixels, vit fits." in sentences
    times = limits(20.4, 500e6, None)
    assert advise(tidy(run), times, "224")[0].fits[0].verdict == "fits"  # what it says is true


def test_what_fits_a_memory_is_the_peak_with_what_rests_beside_it() -> None:
    record = held("vit", 100)
    weights = replace(record, metrics=record.metrics | {"resting_bytes": Metric(50 * 2**20, "bytes")})
    assert [advice([weights], None, limit * 2**20, None).fits[0].verdict for limit in (120, 151)] == [
        "does not",
        "fits",
    ]
    assert advice([record], None, 120 * 2**20, None).fits[0].verdict == "fits"
    assert "--max-memory: 1.25 times too much" in advice([weights], None, 120 * 2**20, None).fits[0].why


def test_an_interval_that_reaches_across_a_limit_fits_perhaps(run: list[Record]) -> None:
    assert [f.verdict for f in advice(run, 10.1, None, None).fits if f.series == "vit"] == ["perhaps"]
    once = [*timed("vit", 5), held("vit", 5)]
    (fit,) = advice(once, 10, None, None).fits
    assert (fit.verdict, fit.why) == ("perhaps", "--max-ms: within one process")


def test_a_least_accuracy_asks_each_data_apart(run: list[Record]) -> None:
    scores = [*learnt("vit", 0.8, 0.81, 0.82), *learnt("swin", 0.6, 0.61, 0.62)]
    found = advice([*run, *scores], None, None, 0.7)
    assert {f.series: f.verdict for f in found.fits} == {"vit": "fits", "swin": "does not", "pixel": "not measured"}
    assert any(
        "With --min-accuracy 78.5%, vit fits." in plain(w) for w in advice([*run, *scores], None, None, 0.9).sentences
    )


def test_a_least_accuracy_is_asked_where_networks_were_tested_and_elsewhere_it_says_how(run: list[Record]) -> None:
    small = {"height": 64, "width": 64}
    records = [*run, *learnt("vit", 0.8, 0.81, 0.82, **small), *learnt("swin", 0.6, 0.61, 0.62, **small)]
    at_64, at_224 = (advice(records, None, None, 0.7, resolution=size) for size in ("64", "224"))
    assert {f.series: f.verdict for f in at_64.fits} == {"vit": "fits", "swin": "does not"}
    assert "--res 64" in plain(at_64.sentences[-1])
    assert {f.verdict for f in at_224.fits} == {"not measured"}
    assert "--train-res 64 --test-res 224" in plain(at_224.sentences[-1])


def test_every_accuracy_names_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str], run: list[Record]) -> None:
    scores = [*learnt("vit", 0.8, 0.81), *learnt("vit", 0.3, 0.31, data="scenes:parts")]
    folder = str(save(tmp_path / "run", [*run, *scores]))

    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main(["recommend", folder, "--res", "224", "--max-ms", "15", *arguments])
        return capsys.readouterr().out

    assert re.search(r"80\.5 % \(.*?\) \(data scenes:grating\); 30\.5 % \(.*?\) \(data scenes:parts\)", call())
    rows = [r for r in csv.DictReader(io.StringIO(call("--csv"))) if r["design"] == "vit"]
    assert [(r["data"], r["top1"]) for r in rows] == [("data scenes:grating", "0.805"), ("data scenes:parts", "0.305")]
    assert {r["latency_ms"] for r in rows} == {"10.1"}


def test_no_limit_is_written_as_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], run: list[Record]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["recommend", str(save(tmp_path / "run", run)), "--max-ms", "inf"])
    assert ended.value.code == 2 and "leave it out for no limit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"resolution": "64"}, "holds no --res 64: it holds 128, 224"),
        ({"task": "detection"}, "holds no --task detection: it holds classification"),
        ({"device": "cuda"}, "holds no --device cuda: it holds cpu"),
        ({"mode": "train"}, "holds no latency or memory of train"),
    ],
)
def test_what_a_run_does_not_hold_is_one_sentence(run: list[Record], asked: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        advise(tidy(run), (), **asked)


def test_recommend_prints_a_table_json_and_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: list[Record]
) -> None:
    folder = str(save(tmp_path / "run", [*run, *timed("\x1b[31m=evil", 99, 98)]))

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["recommend", folder, *arguments])
        return int(ended.value.code or 0), capsys.readouterr().out

    code, out = call("--res", "224", "--max-ms", "15")
    assert code == 0 and "Fastest: vit" in out and "\x1b" not in out
    assert call("--res", "224", "--max-ms", "1", "--max-memory", "1kB")[0] == 1
    (place,) = json.loads(call("--res", "224", "--max-ms", "15", "--json")[1], parse_constant=pytest.fail)
    assert place["designs"][0]["design"] == "vit" and place["limits"] == {"max-ms": 15}
    rows = list(csv.DictReader(io.StringIO(call("--max-ms", "15", "--csv")[1])))
    assert {r["resolution"] for r in rows} == {"128", "224"} and math.isclose(float(rows[0]["latency_ms"]), 1.01)
