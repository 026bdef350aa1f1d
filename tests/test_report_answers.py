"""The answers: who leads and who is not beaten, never stronger than the intervals."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from report_fakes import failed, held, learnt, made, network, timed
from report_sweeps import learnt_at, whole

from reports.answers import answers
from reports.colours import styles
from reports.document import Card, Cards, Part
from reports.frame import tidy
from reports.sections.answers import section
from reports.standing import front, standing
from reports.words import Name, names, plain
from suite.record import Metric, Record


def said(records: list[Record]) -> list[str]:
    """All sentences of a run of one place."""
    (found,) = answers(tidy(records))
    return [plain(w) for _, w in found.standings] + [plain(w) for _, w, _ in found.fronts]


def test_one_design_leads_where_its_interval_lies_apart() -> None:
    sentences = said([*timed("vit", 10, 10.1, 10.2), *timed("swin", 20, 20.1, 20.2), held("vit", 3), held("swin", 2)])
    assert sentences[0] == "Fastest of 2: vit, 10.1 ms (9.9 to 10.4 ms)."
    assert sentences[1] == "Leanest of 2: swin, 2.00 MiB."
    assert sentences[2] == "Not beaten in both latency and memory, of 2: swin and vit."


def test_designs_whose_intervals_overlap_lead_together() -> None:
    sentences = said([*timed("vit", 10, 10.5, 11), *timed("swin", 10.2, 10.6, 10.9), *timed("conv", 30, 31, 32)])
    assert sentences[0].startswith("Fastest of 3: vit and swin, ") and sentences[0].endswith("their intervals overlap.")
    assert said([held("vit", 2), held("swin", 2)])[1] == "Leanest of 2: swin and vit, 2.00 MiB: they are equal."


def test_an_interval_within_one_process_leads_nothing() -> None:
    (fastest, _, front_) = said([*timed("vit", 10), *timed("swin", 20)])
    assert fastest == "Fastest: not known, since each was measured in one process. Best value seen of 2: vit, 10.0 ms."
    assert "not known" in front_
    mixed = said([*timed("vit", 10), *timed("swin", 20, 21, 22)])
    assert mixed[0].startswith("Fastest: swin, ") and "1 design more, measured once, cannot be ranked" in mixed[0]


def test_one_seed_leads_nothing_and_a_guess_is_no_accuracy() -> None:
    memory = [held("vit", 2), held("swin", 3)]
    assert "not known, since each was measured in one seed" in said([*memory, *learnt("vit", 0.9)])[2]
    assert "none is surely above chance" in said([*memory, *learnt("vit", 0.2, 0.3, 0.25)])[2]
    best = said([*memory, *learnt("vit", 0.9, 0.91, 0.92), *learnt("swin", 0.5, 0.51, 0.52)])
    assert best[2].startswith("Most accurate of 2: vit, 91.0 %") and "chance" not in best[2]
    assert best[4] == "Not beaten in both accuracy and memory, of 2: vit."


def test_an_accuracy_says_where_networks_saw_unlike_numbers_of_images() -> None:
    records = [*learnt("vit", 0.9, 0.91), *learnt("swin", 0.5, 0.51), held("vit", 2)]
    for images, end in (({"vit": 8000, "swin": 512}, "; they saw 512 to 8\u202f000 images."), ({}, "%).")):
        seen = [replace(r, metrics=r.metrics | {"images_seen": Metric(images.get(r.case.design, 512), "")})
                if r.case.quantity == "accuracy" else r for r in records]  # fmt: skip
        assert said(seen)[2].startswith("Most accurate of 2: vit, ") and said(seen)[2].endswith(end)


def test_what_was_not_measured_is_counted_by_its_reason() -> None:
    case = network("pixel", quantity="latency")
    assert (
        said([held("vit", 2), failed(case, "too_slow", "slow")])[0]
        == "Fastest: nothing was measured here (1 too slow)."
    )


def test_settings_and_resolutions_answer_apart() -> None:
    records = [*timed("vit", 1, 1.1), *timed("vit", 9, 9.1, batch=8), *timed("vit", 4, 4.1, height=512, width=512)]
    places = [a.place for a in answers(tidy(records))]
    assert [(p.setting, p.size) for p in places] == [
        ("batch 1", "224 pixels"), ("batch 1", "512 pixels"), ("batch 8", "224 pixels"),
    ]  # fmt: skip


def test_a_score_answers_where_it_was_tested_and_the_nearest_training_answers() -> None:
    far = made(network("vit", quantity="accuracy", height=32, width=32), {"top1@512": Metric(0.2, "")})
    near = made(network("vit", quantity="accuracy"), {"top1": Metric(0.5, ""), "top1@512": Metric(0.9, "")})
    here, there = (a.place for a in answers(tidy([far, near, held("vit", 2)])))
    assert (here.size, [r["value"] for r in here.scores[""]], here.data("")) == ("224 pixels", [0.5], "")
    assert (there.size, [r["value"] for r in there.scores[""]]) == ("512 pixels", [0.9])
    assert there.data("") == "trained at 224 pixels" and not there.costs


Spans = st.lists(st.tuples(*[st.integers(0, 6)] * 4), min_size=1, max_size=6)


@given(Spans)
def test_the_front_is_what_no_truth_within_the_intervals_contradicts(numbers: list[tuple[int, int, int, int]]) -> None:
    rows = []
    for i, (time, late, score, better) in enumerate(numbers):
        common = {"series": f"d{i}", "interval": "over 3 things"}
        rows.append(common | {"metric": "latency_ms", "value": time, "low": time, "high": time + late})
        rows.append(common | {"metric": "top1", "value": score, "low": score, "high": score + better})
    found = front(("top1", "latency_ms"), rows)

    def unbeaten(i: int, pick: int) -> bool:
        """Whether none beats i where i is as good (1) or bad (0) as its intervals allow, the others the contrary."""
        t, late, s, better = numbers[i]
        mine = (t, s + better) if pick else (t + late, s)
        for j, (u, later, r, best) in enumerate(numbers):
            other = (u + later, r) if pick else (u, r + best)
            if j != i and other[0] <= mine[0] and other[1] >= mine[1] and other != mine:
                return False
        return True

    assert set(found.sure) == {f"d{i}" for i in range(len(numbers)) if unbeaten(i, 0)}
    assert set(found.sure) | set(found.perhaps) >= {f"d{i}" for i in range(len(numbers)) if unbeaten(i, 1)}
    assert found.n == len(numbers) and (found.sure or found.perhaps)


def test_a_standing_puts_the_best_first_whichever_way_is_better() -> None:
    rows = [{"metric": m, "series": s, "value": v, "low": v, "high": v, "interval": "over 2 seeds"}
            for m in ("top1", "latency_ms") for s, v in (("a", 1.0), ("b", 2.0))]  # fmt: skip
    assert [r["series"] for r in standing("top1", rows).ranked] == ["b", "a"]
    assert [r["series"] for r in standing("latency_ms", rows).ranked] == ["a", "b"]


def test_names_are_listed_and_long_lists_counted() -> None:
    assert plain(names(["a"])) == "a" and plain(names(["a", "b", "c"])) == "a, b and c"
    assert plain(names(list("abcdef"), most=3)) == "a, b and 4 more"
    assert [isinstance(w, Name) for w in names(["a", "b"])] == [True, False, True]


def test_a_sweep_whose_networks_learnt_at_a_size_without_costs_names_the_most_accurate_there_and_where_tested() -> None:
    """As on a machine without a GPU, where all learn at 64 pixels."""
    records = learnt_at(whole(("vit", "linear", "swin"), (128, 224), ("inference",), rounds=3, seeds=3), 64)
    card = {p.title: [plain(words) for words in p.sentences] for p in cards(records)}
    assert list(card) == ["64 pixels", "128 pixels", "224 pixels", "384 pixels", "512 pixels"]
    best, lacks = card["64 pixels"]
    assert best.startswith("Most accurate of 3: ")
    assert lacks == "Latency and memory were not measured at 64 pixels: a sweep with --res 64 measures them."
    assert card["128 pixels"][-1].startswith(
        "Accuracy was not tested at 128 pixels: a sweep with --train-res 64 --test-"
    )
    assert any(s.startswith("Most accurate (trained at 64 pixels) of 3: ") for s in card["224 pixels"])
    assert any(
        s.startswith("Not beaten in both accuracy (trained at 64 pixels) and latency") for s in card["224 pixels"]
    )


def cards(records: list[Record]) -> tuple[Card, ...]:
    """The cards of the first task and setting of a report."""
    frame = tidy(records)
    looks = styles(dict(zip(frame["series"], frame["layout"], strict=True)))
    part = next(p for p in section(frame, looks).blocks if isinstance(p, Part))
    return next(p for p in part.blocks if isinstance(p, Cards)).cards


def test_a_whole_sweep_has_an_answer_for_every_place() -> None:
    records = whole(designs=("vit", "linear", "swin", "conv"), sides=(128, 224), rounds=3, seeds=2)
    found = answers(tidy(records))
    assert len(found) == 12  # two tasks; two modes and two resolutions of costs, and two resolutions more of tests
    assert {s.metric for a in found for s, _ in a.standings} == {"latency_ms", "peak_bytes", "top1", "miou"}
    assert all(plain(words).endswith(".") for a in found for _, words in a.standings)
