"""What seeds tell apart, whether a loss still fell, and speed beside work, on numbers that nobody measured."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from report_fakes import failed, made, network
from scipy import stats

from reports.accuracy import groups, holm, interquartile_mean, over_families, pairs, trend
from reports.document import GAP, Cell
from reports.report import report
from suite.record import Metric, Record


def test_a_pair_is_compared_seed_by_seed() -> None:
    one, other = {0: 0.71, 1: 0.64, 2: 0.80, 5: 0.9}, {0: 0.66, 1: 0.61, 2: 0.77, 9: 0.1}
    (pair,) = pairs({"one": one, "other": other})
    found = stats.ttest_rel([one[s] for s in range(3)], [other[s] for s in range(3)])
    assert (pair.n, pair.difference) == (3, pytest.approx(0.11 / 3))
    assert pair.p == pytest.approx(found.pvalue, rel=1e-3)
    interval = found.confidence_interval()
    assert (pair.low, pair.high) == (pytest.approx(interval.low, rel=1e-3), pytest.approx(interval.high, rel=1e-3))
    assert stats.ttest_ind(list(one.values())[:3], list(other.values())[:3]).pvalue > 0.4, "pairing is what tells"


def test_what_cannot_be_told() -> None:
    assert pairs({"one": {0: 0.9}, "other": {0: 0.1}}) == [], "a single seed"
    assert pairs({"one": {0: 0.9, 1: 0.8}, "other": {2: 0.1, 3: 0.2}}) == [], "no seed in common"
    (equal,) = pairs({"one": {0: 0.9, 1: 0.8}, "other": {0: 0.8, 1: 0.7}})
    assert (equal.difference, equal.p, equal.told) == (pytest.approx(0.1), 1.0, False)


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_many_pairs_of_equal_designs_are_seldom_told_apart() -> None:
    generator, wrong = random.Random(0), 0
    for _ in range(200):
        scores = {name: {s: generator.gauss(0.7, 0.02) for s in range(5)} for name in "abcdef"}
        wrong += any(pair.told for pair in pairs(scores))
    assert wrong <= 0.1 * 200


def test_groups_hold_what_is_not_told_apart() -> None:
    assert groups("abc", []) == [("a", "b", "c")]
    assert groups("abc", [("a", "c")]) == [("a", "b"), ("b", "c")]
    assert groups("abc", [("a", "b"), ("a", "c"), ("b", "c")]) == [("a",), ("b",), ("c",)]
    told = [("a", "c"), ("a", "d"), ("b", "d")]
    found = groups("abcd", told)
    assert found == [("a", "b"), ("b", "c"), ("c", "d")]


def test_every_pair_shares_a_group_unless_it_is_told_apart() -> None:
    generator = random.Random(1)
    for _ in range(50):
        names = "abcdefgh"
        told = [(a, b) for a in names for b in names if a < b and generator.random() < 0.4]
        found = groups(names, told)
        together = {(a, b) for group in found for a in group for b in group if a < b}
        assert together == {(a, b) for a in names for b in names if a < b} - set(told)
        assert not any(set(one) < set(other) for one in found for other in found)


def test_the_fall_of_a_loss_is_that_of_its_last_third() -> None:
    generator = random.Random(2)
    falling = [[i, 2.0 - 0.01 * i + generator.gauss(0, 0.01)] for i in range(1, 101)]
    level = [[i, max(0.5, 2 - 0.05 * i) + generator.gauss(0, 0.01)] for i in range(1, 101)]
    down, flat = trend(falling), trend(level)
    assert down is not None and flat is not None
    assert down.fall == pytest.approx((0.01 * 100 / 3) / (2 - 0.01 * 200 / 3), rel=0.05)
    assert down.low < down.fall < down.high and down.low > 0
    assert flat.low < 0 < flat.high and abs(flat.fall) < 0.02
    line = stats.linregress(*zip(*falling[66:], strict=True))
    start = line.intercept + line.slope * 200 / 3
    half = stats.t.ppf(0.975, 32) * line.stderr * (100 / 3) / start
    assert down.high - down.fall == pytest.approx(half, rel=1e-3)


def test_too_few_points_tell_nothing() -> None:
    assert trend([]) is None
    assert trend([[i, 1.0] for i in range(1, 12)]) is None
    assert trend([[i, 1.0] for i in range(1, 16)]) is not None


def learnt(design: str, scores: list[float], macs: float = 1e9, rate: float = 100.0, **case: Any) -> list[Record]:
    """A seed for each score, a loss that falls to the end, and speeds."""
    start = network(design, quantity="accuracy", data="scenes:grating", mode="train", **case)
    curve = [[i, 2.0 - 0.01 * i + 0.001 * (i % 3)] for i in range(1, 101)]
    more = {
        "image_macs": Metric(macs, "MAC"),
        "images_per_s": Metric(rate, "img/s"),
        "test_img_s": Metric(4 * rate, "img/s", 3.9 * rate, 4.1 * rate),
    }
    return [
        made(replace(start, seed=i), {"top1": Metric(s, "", s - 0.05, s + 0.05, 400)} | more, notes={"losses": curve})
        for i, s in enumerate(scores)
    ]


def tables(records: list[Record]) -> dict[str, dict[str, dict[str, Cell]]]:
    """Table -> series -> heading -> cell, of one block."""
    return {
        found.name: {
            row.series: dict(zip((h.text for h in found.headings), row.cells, strict=True)) for row in block.rows
        }
        for found in report("run", records).document.tables()
        for block in found.blocks
    }


def test_designs_are_told_apart_seed_by_seed() -> None:
    records = [
        *learnt("vit", [0.90, 0.70, 0.80, 0.85]),
        *learnt("linear", [0.89, 0.71, 0.79, 0.855]),
        *learnt("swin", [0.80, 0.60, 0.71, 0.75]),
        *learnt("conv", [0.99]),
        *learnt("pixel", [0.25, 0.25]),
    ]
    rows = tables(records)["accuracy-0-apart"]
    assert list(rows) == ["conv", "vit", "linear", "swin", "pixel"], "best first"
    assert {name: cells["Group"].text for name, cells in rows.items()} == {
        "conv": GAP, "vit": "1", "linear": "1", "swin": "2", "pixel": "1 2",
    }  # fmt: skip
    assert rows["conv"]["Interval"].text == "Wilson, over 400 test images of one seed"
    assert rows["vit"]["Interval"].text == "Student's, over 4 seeds"
    assert rows["pixel"]["Interval"].text == "of one seed: all are equal"
    assert rows["swin"]["Behind the best"].text == "9.8 points" and "told apart" in rows["swin"]["Behind the best"].why
    assert "not told apart" in rows["linear"]["Behind the best"].why
    assert rows["vit"]["Loss, last third"].under == "still falling in 4 of 4"
    assert rows["swin"]["Beaten by it"].text == "78 %", "12 and a half of 16"
    assert rows["pixel"]["Beaten by it"].text == "100 %"


def saw(records: list[Record], *images: int) -> list[Record]:
    """The records, each with the images that its training saw."""
    seen = [r.metrics | {"images_seen": Metric(n, "")} for r, n in zip(records, images, strict=True)]
    return [replace(record, metrics=metrics) for record, metrics in zip(records, seen, strict=True)]


def test_only_designs_that_saw_as_many_images_are_compared() -> None:
    records = [
        *saw(learnt("vit", [0.90, 0.91]), 8000, 8000),
        *saw(learnt("linear", [0.50, 0.51]), 8000, 8000),
        *saw(learnt("swin", [0.99, 0.98]), 5200, 5200),
        *saw(learnt("rnn", [0.40, 0.42]), 8000, 5100),
    ]
    rows = tables(records)["accuracy-0-apart"]
    assert {name: cells["Group"].text for name, cells in rows.items()} == {
        "swin": "saw 5\u202f200 images", "vit": "1", "linear": "1", "rnn": "saw 5\u202f100 to 8\u202f000 images",
    }  # fmt: skip
    assert [name for name, cells in rows.items() if cells["Behind the best"].text != GAP] == ["linear"]
    assert "among 1 pairs" in rows["linear"]["Behind the best"].why
    alone = tables([*records[:2], *learnt("conv", [0.7])])["accuracy-0-apart"]
    assert (alone["vit"]["Group"].text, alone["conv"]["Group"].why) == (GAP, "one seed")
    assert alone["vit"]["Group"].why == "no other design that saw as many images has several seeds"


def test_seeds_that_failed_stand_beside_the_scores_of_the_others() -> None:
    plateau = {"never_left": Metric(0.0, "")}
    ok = [replace(r, metrics=r.metrics | plateau) for r in learnt("linear", [0.9, 0.91, 0.5, 0.5])]
    lost = [made(r.case, {}, status=status, reason="x") for r, status in zip(ok[2:], ["diverged", "nan"], strict=True)]
    found = tables([*ok[:2], *lost, *learnt("vit", [0.7, 0.72])])
    linear = found["accuracy-0"]["linear"]
    assert (linear["Seeds"].text, linear["Seeds"].value) == ("2 of 4", 2)
    assert linear["Seeds"].under == "90.0 91.0; 1 diverged, 1 not finite"
    assert linear["Never left the plateau"].text == "50.0 %"
    assert found["accuracy-0-apart"]["linear"]["Interval"].under == "1 diverged, 1 not finite"
    vit = found["accuracy-0"]["vit"]["Seeds"], found["accuracy-0-apart"]["vit"]["Interval"]
    assert (vit[0].text, vit[1].under) == ("2", "")


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end() -> None:
    assert interquartile_mean([9.0, 1.0, 2.0, 4.0]) == 3.0
    values = [random.Random(3).random() for _ in range(16)]
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_a_bootstrap_draws_families_before_seeds() -> None:
    apart = over_families([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]])
    assert apart == pytest.approx((0.5, 0.1, 0.9)), "the same family may be drawn thrice: once in 27 times"
    alike = over_families([[0.4, 0.6]] * 3)
    assert alike[0] == 0.5 and 0.4 <= alike[1] < 0.5 < alike[2] <= 0.6
    assert over_families([[0.4, 0.6]] * 3) == alike


def test_families_are_pooled_where_there_are_several() -> None:
    def of(design: str, data: str, chance: float, *scores: float) -> list[Record]:
        bounds = {"chance": Metric(chance, ""), "ceiling": Metric(1.0, "")}
        found = [replace(r, case=replace(r.case, data=f"scenes:{data}")) for r in learnt(design, list(scores))]
        return [replace(record, metrics=record.metrics | bounds) for record in found]

    records = [
        *of("vit", "cue", 0.5, 0.75, 0.75), *of("vit", "legend", 0.2, 0.6, 0.6), *of("vit", "grating", 0.0, 1.0, 0.9),
        *of("swin", "cue", 0.5, 0.5, 0.5), *of("swin", "legend", 0.2, 0.2, 0.2), *of("swin", "grating", 0.0, 0.1, 0.1),
        *of("conv", "cue", 0.5, 0.9, 0.9),
    ]  # fmt: skip
    rows = tables(records)["accuracy-families"]
    assert list(rows) == ["vit", "swin"], "best first; conv learnt from one family only"
    assert list(rows["vit"]) == ["Interquartile mean", "cue", "grating", "legend"]
    assert [cell.text for cell in rows["vit"].values()] == ["60 %", "50 %", "95 %", "50 %"]
    two = [record for record in records if record.case.data != "scenes:cue"]
    assert "accuracy-families" not in tables(two)
    other = [replace(record, case=replace(record.case, batch=8)) for record in of("vit", "cue", 0.5, 0.75)]
    assert "accuracy-families" not in tables([*records, *other]), "settings do not compare"


def test_speed_is_told_for_the_work() -> None:
    records = [*learnt("vit", [0.9], macs=2e9, rate=100), *learnt("linear", [0.8], macs=1e9, rate=150)]
    rows = tables(records)["accuracy-0-work"]
    assert rows["vit"]["For its work, × vit"].value == 1.0
    assert (rows["linear"]["× vit"].value, rows["linear"]["For its work, × vit"].value) == (0.5, 0.75)
    assert "accuracy-0-work" not in tables(learnt("linear", [0.8])), "nothing to compare with"


def test_accuracy_is_drawn_against_the_speed_of_the_same_network() -> None:
    fast, right, neither = [0.5, 0.51, 0.5], [0.9, 0.91, 0.9], [0.4, 0.41, 0.4]
    records = [
        replace(record, metrics=record.metrics | {f"{name}@512": metric for name, metric in record.metrics.items()})
        for record in [*learnt("linear", fast, rate=900), *learnt("vit", right), *learnt("pixel", neither, rate=50)]
    ]
    drawn = [f for f in report("run", records).document.figures() if f.name.startswith("accuracy-0-front")]
    assert [f.caption.split(".")[0] for f in drawn] == ["Up and to the right is better"] * 2
    assert "trained at 224, tested at 512 pixels" in drawn[1].alt
    assert {row[0]: row[-1] for row in drawn[1].data} == {"linear": "no", "vit": "no", "pixel": "yes"}


def test_what_had_no_time_to_learn_is_counted_and_not_listed() -> None:
    start = network("linear", quantity="accuracy", data="scenes:grating", mode="train")
    lost = [failed(start, "not_reached", "over"), failed(replace(start, design="swin"), "oom", "no memory")]
    (table,) = (t for t in report("run", [*learnt("vit", [0.9]), *lost]).document.tables() if t.name == "accuracy-0")
    assert [row.series for block in table.blocks for row in block.rows] == ["swin", "vit"]
    assert table.note.startswith("At 224 pixels 1 design had no time to learn.")
