"""Records -> tidy frame, intervals and ranks, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fakes import document, failed, made, network, sweep

from reports.frame import combined, rows_of, tidy
from reports.interval import of_mean, of_median, possible_ranks, student
from reports.naming import constants, machine_labels, settings
from reports.sections.cells import measured
from reports.table import to_csv, to_json
from reports.units import interval, number
from suite.case import Case
from suite.record import COLUMNS, Metric


def latency(values: list[float], **case: object) -> list:
    """One record for each round."""
    start = network("vit", quantity="latency", **case)
    return [made(replace(start, round=i), {"latency_ms": Metric(v, "ms", v - 1, v + 1)}) for i, v in enumerate(values)]


def only(frame, metric: str):
    rows = frame[frame["metric"] == metric]
    assert len(rows) == 1
    return rows.iloc[0]


def test_rounds_become_the_median_with_an_interval_over_processes() -> None:
    row = only(tidy(latency([10.0, 14.0, 11.0])), "latency_ms")
    assert (row["value"], row["interval"], row["n"]) == (11.0, "over 3 processes", 3)
    logs = [math.log(v) for v in (10.0, 14.0, 11.0)]
    half = 4.303 * statistics.stdev(logs) / math.sqrt(3)
    assert row["low"] == pytest.approx(math.exp(statistics.fmean(logs) - half))
    assert row["high"] == pytest.approx(math.exp(statistics.fmean(logs) + half))


def test_one_round_keeps_its_interval_and_says_that_it_is_within_one_process() -> None:
    row = only(tidy(latency([10.0])), "latency_ms")
    assert (row["value"], row["low"], row["high"], row["interval"]) == (10.0, 9.0, 11.0, "within one process")


def test_a_failed_round_is_a_row_beside_the_median_of_the_others() -> None:
    records = latency([10.0, 12.0])
    lost = failed(replace(records[0].case, round=2), "crash", "the worker died: start the command again")
    frame = tidy([*records, lost])
    assert only(frame, "latency_ms")["interval"] == "over 2 processes"
    assert only(frame, "")["status"] == "crash"


def test_only_the_last_record_of_a_case_counts() -> None:
    case = network("vit", quantity="latency")
    frame = tidy([failed(case, "not_reached", "the minutes were over"), *latency([10.0])])
    assert list(frame["status"]) == ["ok"]


def test_seeds_become_their_mean_and_one_seed_is_named() -> None:
    case = network("vit", quantity="accuracy", data="scenes:grating")
    records = [made(replace(case, seed=i), {"top1": Metric(v, "", v - 0.1, v + 0.1)}) for i, v in enumerate([0.5, 0.7])]
    row = only(tidy(records), "top1")
    assert (row["value"], row["interval"]) == (pytest.approx(0.6), "over 2 seeds")
    assert (row["low"], row["high"]) == (0.0, 1.0)  # Student's interval of two seeds is wider than the scale
    assert only(tidy(records[:1]), "top1")["interval"] == "one seed"


def test_seeds_that_are_all_equal_have_the_interval_of_one() -> None:
    """Both answer with one class, perhaps: that is no proof that every seed would."""
    case = network("vit", quantity="accuracy", data="digits")
    row = only(tidy(made(replace(case, seed=i), {"top1": Metric(0.1, "", 0.07, 0.14)}) for i in range(2)), "top1")
    assert (row["value"], row["low"], row["high"]) == (0.1, 0.07, 0.14)
    assert row["interval"] == "over 2 seeds, all equal: that of one"


def test_seeds_of_a_speed_are_not_bounded_as_scores_are() -> None:
    case = network("vit", quantity="accuracy", data="digits")
    speeds = [Metric(v, "img/s", v - 1, v + 1) for v in (90.0, 100.0, 110.0)]
    row = only(tidy(made(replace(case, seed=i), {"test_img_s": s}) for i, s in enumerate(speeds)), "test_img_s")
    assert row["value"] == pytest.approx(100.0)
    assert row["low"] < 90 < 110 < row["high"]


def test_seeds_of_a_latency_are_not_pooled() -> None:
    records = [*latency([10.0], seed=0), *latency([20.0], seed=1)]
    assert list(tidy(records)["setting"]) == ["seed 0", "seed 1"]


def test_what_differs_between_networks_or_settings_is_named_and_nothing_else() -> None:
    vit = network("vit")
    networks = [vit, replace(vit, layout="pyramid"), network("swin"), replace(vit, recipe="changed")]
    metrics = {"macs": Metric(1e9, "MAC")}
    frame = tidy([made(c, metrics) for c in networks])
    assert set(frame["series"]) >= {"swin", "vit · pyramid"}
    assert len(set(frame["series"])) == 4
    assert set(frame["setting"]) == {""}
    slow = {"identity": {"cpu": "slow"}}
    frame = tidy([made(vit, metrics), made(replace(vit, batch=2), metrics, machine=slow)])
    assert set(frame["setting"]) == {"Xeon Platinum 8481C, batch 1", "slow, batch 2"}
    frame = tidy([made(vit, metrics), made(replace(vit, scope="mixer"), metrics)])
    assert list(frame["setting"]) == ["", "mixer alone"]


def test_a_rate_that_was_searched_is_no_setting_and_makes_a_table_beside_the_common_rate() -> None:
    case = network("vit", quantity="accuracy", data="scenes:grating", mode="train")
    cases = [replace(case, lr=1e-3), replace(case, lrs=(5e-4, 2e-3))]
    records = [made(replace(c, seed=s), {"top1": Metric(0.8 + s / 10, "")}) for c in cases for s in range(2)]
    assert list(tidy(records)["setting"]) == ["no lrs, lr 0.001", "lrs 0.0005 0.002"]
    named = [t.name for t in document(records).tables()]
    assert {"accuracy-0", "accuracy-1"} <= set(named)


def test_a_field_of_a_case_that_nobody_told_the_reports_of_is_a_setting() -> None:
    frame = tidy([made(network(n), {"macs": Metric(1e9, "MAC")}) for n in ("vit", "swin")])
    assert list(settings(frame.assign(novel=["a", "b"]))) == ["novel a", "novel b"]


def test_what_learnt_from_masked_patches_first_is_never_mixed_with_what_did_not() -> None:
    cases = [network("vit", quantity="accuracy", batch=16, pretrain_images=n) for n in (0, 8000)]
    frame = tidy([made(case, {"top1": Metric(0.5, "", n=400)}) for case in cases])
    assert list(frame["setting"]) == ["", "pretrain images 8000"]


def test_a_memory_format_is_a_setting_and_older_records_are_contiguous() -> None:
    cases = [network("vit", quantity="latency"), network("vit", quantity="latency", memory_format="channels_last")]
    old = {name: value for name, value in vars(cases[0]).items() if name not in ("memory_format", "id")}
    records = [made(case, {"latency_ms": Metric(1.0, "ms", 0.9, 1.1)}) for case in (Case.from_dict(old), cases[1])]
    assert records[0].id == cases[0].id
    assert list(tidy(records)["setting"]) == ["contiguous", "channels_last"]
    assert constants(tidy(records[:1]))["memory_format"] == "contiguous"


def test_the_parts_of_a_training_step_are_no_setting() -> None:
    cases = [network(n, quantity="accuracy", batch=16, at_once=k) for n, k in (("vit", 0), ("swin", 8))]
    frame = tidy([made(case, {"top1": Metric(0.5, "", n=400)}) for case in cases])
    assert set(frame["setting"]) == {""}, "a large network is compared with a small one, as it saw the same batches"


def test_a_largest_batch_is_one_setting_whatever_its_number() -> None:
    cases = [network(n, quantity="latency", batch=b, fills_memory=True) for n, b in (("vit", 8), ("swin", 64))]
    cases.append(network("vit", quantity="latency"))
    frame = tidy([made(c, {"throughput_img_s": Metric(1.0, "img/s")}) for c in cases])
    assert list(frame["setting"]) == ["largest batch", "largest batch", "batch 1"]


def test_a_largest_batch_says_what_bounds_it() -> None:
    case = network("vit", quantity="latency", batch=8, fills_memory=True)
    metrics = {"throughput_img_s": Metric(2000.0, "img/s"), "largest_batch": Metric(8, "images")}
    frame = tidy([made(replace(case, round=i), metrics, notes={"bound": "time"}) for i in range(2)])
    cells = {row["metric"]: measured(row) for row in rows_of(frame)}
    assert cells["largest_batch"].under == "bound by time"
    assert cells["throughput_img_s"].under == ""
    assert measured(rows_of(tidy([made(case, metrics)]))[1]).under == "", "an older record does not say"


def test_the_time_of_a_largest_batch_is_compared_with_none() -> None:
    """It is of another number of images in each design; images per second, and how many they were, are told."""
    case = network("vit", quantity="latency", batch=8, fills_memory=True)
    metrics = {
        "latency_ms": Metric(4.0, "ms"),
        "throughput_img_s": Metric(2000.0, "img/s"),
        "largest_batch": Metric(8, "images"),
    }
    assert set(tidy([made(case, metrics)])["metric"]) == {"throughput_img_s", "largest_batch"}
    assert set(tidy([made(replace(case, fills_memory=False), metrics)])["metric"]) == set(metrics)
    assert len(tidy([made(case, {}, status="oom", reason="the memory ran out")])) == 1


def test_machines_are_called_by_what_tells_them_apart() -> None:
    def labels(*identities: dict[str, object]) -> list[str]:
        records = [made(network("vit"), {}, machine={"identity": i}) for i in identities]
        return list(machine_labels(records).values())

    assert labels({"cpu": "A", "torch": 1}, {"cpu": "B", "torch": 1}) == ["cpu A", "cpu B"]
    assert labels({"cpu": "A", "torch": 1}, {"cpu": "A", "torch": 2}) == ["torch 1", "torch 2"]
    three = labels({"cpu": "A", "torch": 1}, {"cpu": "A", "torch": 2}, {"cpu": "B", "torch": 2})
    assert three == ["cpu A, torch 1", "cpu A, torch 2", "cpu B, torch 2"]
    assert labels({}) == ["this machine"]


def test_what_disturbed_some_of_the_rounds_is_told() -> None:
    first, *others = latency([10.0, 11.0, 12.0])
    row = only(tidy([replace(first, notes={"marks": ["contended"]}), *others]), "latency_ms")
    assert (row["marks"], row["repeats"]) == ("contended (1 of 3)", (10.0, 11.0, 12.0))


def test_decoders_tell_networks_for_segmentation_apart() -> None:
    vit, metrics = network("vit"), {"macs": Metric(1e9, "MAC")}
    decoded = [replace(vit, task="segmentation", decoder=name, recipe=name) for name in ("linear", "pup")]
    assert list(tidy([made(c, metrics) for c in (vit, decoded[0])])["series"]) == ["vit", "vit"]
    assert list(tidy([made(c, metrics) for c in (vit, *decoded)])["series"]) == ["vit", "vit · linear", "vit · pup"]


def test_a_missing_memory_keeps_its_prediction() -> None:
    case = network("pixel", quantity="memory")
    row = only(
        tidy([failed(case, "too_large", "needs 3 GiB", notes={"predicted_bytes": 3 * 2**30})]), "predicted_bytes"
    )
    assert (row["value"], row["status"]) == (3 * 2**30, "too_large")


def test_no_records_make_an_empty_frame_with_its_columns() -> None:
    frame = tidy([])
    assert frame.empty and set(COLUMNS) < set(frame.columns)


@pytest.mark.parametrize(("degrees", "point"), [(1, 12.706), (10, 2.228), (11, 2.201), (20, 2.086), (1000, 1.962)])
def test_student(degrees: int, point: float) -> None:
    assert student(degrees) == pytest.approx(point, abs=1e-3)


@pytest.mark.parametrize("n", [3, 6, 9, 20])
def test_intervals_of_the_median_cover_it_as_often_as_they_say(n: int) -> None:
    generator = random.Random(n)
    spans = [of_median([generator.lognormvariate(0, 0.2) for _ in range(n)]) for _ in range(1500)]
    assert sum(low <= 1 <= high for _, low, high in spans) / 1500 > 0.93
    assert all(low <= centre <= high for centre, low, high in spans)


def test_equal_values_have_an_interval_of_no_width() -> None:
    for spans in (of_mean([3.0, 3.0]), of_median([3.0, 3.0])):
        assert spans == pytest.approx((3.0, 3.0, 3.0))


def test_ranks_are_those_that_the_intervals_allow() -> None:
    assert possible_ranks([(1, 2), (5, 6), (3, 4)]) == [(1, 1), (3, 3), (2, 2)]
    assert possible_ranks([(1, 3), (4, 6), (2, 5), (7, 8)]) == [(1, 2), (2, 3), (1, 3), (4, 4)]
    assert possible_ranks([(1, 1), (1, 1), (0, 1)]) == [(1, 3)] * 3  # what touches cannot be told apart
    assert possible_ranks([]) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=7))
def test_those_that_may_be_first_all_overlap_each_other(starts: list[tuple[int, int]]) -> None:
    spans = [(low, low + width) for low, width in starts]
    first = [s for s, (best, _) in zip(spans, possible_ranks(spans), strict=True) if best == 1]
    assert all(a[0] <= b[1] for a in first for b in first)
    assert bool(first) == bool(spans)


def test_csv_holds_the_rows_and_no_formula() -> None:
    names = ["=1+1", "+vit", "-vit", "@vit", "\tvit", " =1", "vit"]
    records = [made(network(n, layout="isotropic"), {"macs": Metric(-1.5, "MAC")}) for n in names]
    rows = list(csv.DictReader(io.StringIO(to_csv(combined(records)))))
    assert [r["design"] for r in rows] == ["'" + n for n in names[:-1]] + ["vit"]
    assert rows[0]["value"] == "-1.5"
    assert list(rows[0])[: len(COLUMNS)] == list(COLUMNS)
    assert to_csv([]).startswith("design,layout")


def test_json_is_strict_and_null_stands_for_what_is_not_there() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = to_json(combined([*sweep(designs=2), failed(network("=x"), "crash", "died")]))
    rows = json.loads(text, parse_constant=refuse)
    assert rows[-1]["value"] is None and rows[-1]["design"] == "=x"
    assert json.loads(to_json([])) == []


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("params", 5_012_345, "5.01 M"),
        ("macs", 4.605e9, "4.61 GMAC"),
        ("macs", 999.9e6, "1.00 GMAC"),
        ("peak_bytes", 3 * 2**30, "3.00 GiB"),
        ("latency_ms", 12345, "12.3 s"),
        ("latency_ms", 0.05, "50.0 µs"),
        ("top1", 0.8745, "87.5 %"),
        ("throughput_img_s", 12.345, "12.3 img/s"),
        ("novel", 3.14159, "3.14 things"),
    ],
)
def test_numbers_carry_three_digits_and_their_unit(metric: str, value: float, text: str) -> None:
    assert number(metric, value, "things" if metric == "novel" else "") == text


def test_an_interval_has_digits_enough_to_tell_its_ends_apart() -> None:
    assert interval("latency_ms", 101.2, 101.4) == "101.2 to 101.4 ms"
    assert interval("latency_ms", 900, 1100) == "0.90 to 1.10 s"
    assert interval("top1", 0.5, 0.625) == "50.0 to 62.5 %"
    assert interval("latency_ms", 2.5, 800_000) == "2.50 ms to 13.3 min"
    assert interval("latency_ms", 0.0, 800_000) == "0.0 to 13.3 min"
