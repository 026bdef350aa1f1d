"""The sections of a report: laws and limits, accuracy by seed and resolution, predictions; each where it is held."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from report_fakes import MACHINE, document, failed, made, network, section, table
from report_sweeps import whole

from reports.document import Part, Table
from reports.drawing import Line, Mark
from suite.record import Metric, Record


def grown(name: str, power: float, at_128: float, sides: tuple[int, ...] = (64, 128, 256, 512)) -> list[Record]:
    """Three rounds of a latency that grows exactly by a power of the pixels."""
    return [
        made(
            network(name, quantity="latency", height=s, width=s, round=r),
            {"latency_ms": Metric(at_128 * (s / 128) ** (2 * power) * (1 + 0.001 * r), "ms")},
            notes={"stated_time": "n² d", "stated_memory": "n d"},
        )
        for s in sides
        for r in range(3)
    ]


def test_a_law_is_drawn_as_a_line_and_its_exponent_stands_beside_the_stated_one() -> None:
    made_of = document([*grown("linear", 1.0, 10), *grown("vit", 2.0, 5)])
    rows = table(made_of, "exponents")["Latency · classification"]
    assert rows["vit"]["Exponent"].text == "2.00" and rows["linear"]["Exponent"].text == "1.00"
    assert (rows["vit"]["Stated"].text, rows["vit"]["Stated exponent"].value) == ("n² d", 2)
    crossed = table(made_of, "crossovers")["Latency · classification"]["linear"]["Costs less than vit"]
    assert crossed.value == pytest.approx(128 * math.sqrt(2), rel=0.02) and not crossed.guess
    limit = table(made_of, "limits")["classification"]
    assert limit["linear"]["Within 100 ms"].value == pytest.approx(128 * math.sqrt(10), rel=0.01)
    assert limit["linear"]["Within 1.00 s"].guess and "extrapolated" in limit["linear"]["Within 1.00 s"].under
    figure = next(f for f in made_of.figures() if f.heading.startswith("Latency, ms"))
    assert "Lines: fitted power laws" in figure.caption
    names = [f.heading for f in made_of.figures()]
    assert "Latency: power of the pixels" in names


def test_predicted_and_extrapolated_points_look_otherwise_and_are_named() -> None:
    """swin has nothing at 1024: its law goes on, dashed. vit is predicted there: hollow, on a dotted line."""
    big = network("vit", quantity="latency", height=1024, width=1024)
    records = [*grown("vit", 2.0, 5), *grown("swin", 1.0, 9)]
    records.append(failed(big, "too_slow", "slow", notes={"predicted_seconds": 20.0}))
    figure = next(f for f in document(records).figures() if f.heading.startswith("Latency, ms"))
    assert "dashed: extrapolated" in figure.caption and "Hollow and dotted: predicted, not measured" in figure.caption
    hollow = [item for item in figure.drawing.items if isinstance(item, Mark) and item.hollow]
    assert [item.told for item in hollow] == ["vit, 1024: predicted latency 20.0 s"]
    dashes = {item.dash for item in figure.drawing.items if isinstance(item, Line) and item.series is not None}
    assert {"6 4", "1.5 2.5"} <= dashes
    assert [row[-1] for row in figure.data if row[1] == "1024"] == ["predicted"]


def test_crossovers_name_the_kernel_of_their_settings() -> None:
    fused = [*grown("linear", 1.0, 10), *grown("vit", 2.0, 5)]
    plain = [replace(record, case=replace(record.case, backend="math")) for record in fused]

    def note(records: list[Record]) -> str:
        (found,) = (t.note for t in document(records).tables() if t.name == "crossovers")
        return found

    assert "full attention by the fused kernel, in the same setting" in note(fused)
    assert "full attention in the plain form, in the same setting" in note(plain)
    both = document([*fused, *plain])
    assert "by the fused kernel (sdpa) or in the plain form (math), in the same" in note([*fused, *plain])
    assert set(table(both, "crossovers")) == {f"Latency · classification · {name}" for name in ("math", "sdpa")}


def test_fewer_sizes_have_no_law() -> None:
    found = document([*grown("vit", 2.0, 5, (64, 128, 256))])
    assert not [t for t in found.tables() if t.name in ("exponents", "crossovers")]
    assert all("fitted" not in f.caption for f in found.figures())


def test_a_rival_at_few_sizes_is_not_said_to_be_far_away_and_an_open_interval_says_any() -> None:
    few = document([*grown("linear", 1.0, 100, (64, 128, 256)), *grown("vit", 2.0, 5, (64, 128, 256))])
    (cell,) = table(few, "crossovers")["Latency · classification"]["linear"].values()
    assert cell.text == "not up to the largest size"

    def scattered(record: Record) -> Record:
        time = record.metrics["latency_ms"].value * (1 + 9 * record.case.round)
        return replace(record, metrics={"latency_ms": Metric(time, "ms")})

    wide = map(scattered, grown("linear", 1.0, 1))
    rows = table(document([*wide, *grown("vit", 2.0, 5)]), "crossovers")["Latency · classification"]
    (cell,) = rows["linear"].values()
    assert cell.under.endswith("to any") and cell.high is None


def test_the_memory_that_was_free_is_a_limit() -> None:
    case = network("vit", quantity="memory")
    sizes = [replace(case, height=s, width=s) for s in (64, 128, 256, 512)]
    records = [made(c, {"peak_bytes": Metric(2**20 * (c.height / 64) ** 2, "bytes")}) for c in sizes]
    free = MACHINE["conditions"]["available_bytes"]
    cell = table(document(records), "limits")["classification"]["vit"]["Within 3.40 GiB free at the start"]
    assert cell.text == "beyond 512" and free > 3e9
    small = {"identity": {}, "conditions": {"available_bytes": 32 * 2**20}}
    cells = table(document([replace(r, machine=small) for r in records]), "limits")["classification"]["vit"]
    assert cells["Within 32.0 MiB free at the start"].value == pytest.approx(64 * math.sqrt(32), rel=0.01)
    heavy = [
        replace(r, machine=small, metrics=r.metrics | {"resting_bytes": Metric(16 * 2**20, "bytes")}) for r in records
    ]
    cells = table(document(heavy), "limits")["classification"]["vit"]
    assert cells["Within 32.0 MiB free at the start"].value == pytest.approx(64 * math.sqrt(16), rel=0.1), (
        "with weights"
    )


def test_each_device_has_its_own_memory() -> None:
    """The GPU's is too small for 512, the host's is not; where nobody kept the GPU's, the host's does not stand in."""
    conditions = {"available_bytes": 10**9, "gpu_available_bytes": 40 * 2**20}
    records = [
        made(
            network("vit", quantity="memory", height=s, width=s, device=device),
            {"peak_bytes": Metric(2**20 * (s / 64) ** 2, "bytes")},
            machine={"identity": {}, "conditions": conditions},
        )
        for s in (64, 128, 256, 512)
        for device in ("cpu", "cuda")
    ]
    rows = table(document(records), "limits")
    assert rows["classification · cpu"]["vit"]["Within 954 MiB free on cpu at the start"].text == "≈ 1\u202f976"
    assert rows["classification · cuda"]["vit"]["Within 40.0 MiB free on cuda at the start"].text == "405"
    conditions.pop("gpu_available_bytes")
    (alone,) = [t for t in document(records).tables() if t.name == "limits"]
    assert [h.under for h in alone.headings if "iB" in h.text] == ["free at the start"]


def learnt(name: str, *scores: float, **case: Any) -> list[Record]:
    """A segmentation's mIoU for each seed, its groups, and other resolutions."""
    start = network(name, quantity="accuracy", task="segmentation", data="scenes:legend", mode="train", **case)
    more = {"chance": Metric(0.25, ""), "ceiling": Metric(1.0, ""), "upsampled_x": Metric(0.6, "×")}
    return [
        made(
            replace(start, seed=i),
            {"miou": Metric(s, "", s - 0.1, s + 0.1), "miou@512": Metric(s / 2, ""), "miou_keys3": Metric(s - 0.1, "")}
            | {"test_img_s": Metric(400 * s, "img/s", 300 * s, 500 * s), "ceiling@512": Metric(0.9, "")}
            | {
                "upsampled_x@512": Metric(1.37, "×"),
                "foreground": Metric(s / 2, ""),
                "never_left": Metric(float(i > 0), ""),
            }
            | ({} if i > 0 else {"images_to_leave": Metric(5600, "images")})
            | {"boundary_iou": Metric(s / 4, "", s / 5, s / 3), "boundary_chance": Metric(0.2, "")}
            | {"native": Metric(375.0, "px")}
            | {
                f"effective_tokens_{when}": Metric(share, "of tokens")
                for when, share in (("before", 0.9), ("after", s / 2))
            }
            | more,
        )
        for i, s in enumerate(scores)
    ]


def test_accuracy_has_seeds_chance_ceiling_groups_and_what_was_upsampled() -> None:
    found = document([*learnt("vit", 0.7, 0.8), *learnt("swin", 0.5)])
    rows = table(found, "accuracy-0")["224 pixels"]
    vit = rows["vit"]
    assert vit["mIoU"].text == "75.0 %" and vit["Seeds"].under == "70.0 80.0"
    assert rows["swin"]["mIoU"].under.endswith("¹")
    assert vit["Learnt"].value == pytest.approx((0.75 - 0.25) / 0.75)
    assert (vit["Chance"].text, vit["Ceiling"].text, vit["× upsampled"].text) == ("25.0 %", "100.0 %", "0.600 ×")
    assert vit["mIoU, keys 3"].value == pytest.approx(0.65)
    assert (vit["Foreground right"].text, vit["Never left the plateau"].text) == ("37.5 %", "50.0 %")
    assert vit["Left the plateau after"].text == "5\u202f600 images"
    assert (vit["Boundary IoU"].text, vit["Chance at boundaries"].text) == ("18.8 %", "20.0 %")
    assert vit["Own side"].text == "375 px"


def test_the_effective_field_stands_before_and_after_training() -> None:
    lacking = [
        replace(r, metrics={n: m for n, m in r.metrics.items() if "effective" not in n}, notes={"no_field": "no room"})
        for r in learnt("swin", 0.5, 0.6)
    ]
    rows = table(document([*learnt("vit", 0.7, 0.8), *lacking]), "accuracy-0")["224 pixels"]
    head = "Effective field, before → after training"
    found, unknown = rows["vit"][head], rows["swin"][head]
    assert (found.text, found.why, found.value) == ("90.0 % → 37.5 %", "over 2 seeds", pytest.approx(0.375))
    assert found.under == "5.7 to 69.3 %" and (unknown.value, unknown.why) == (None, "no room")


def test_every_table_of_scores_says_by_how_much_images_were_enlarged() -> None:
    records = [*learnt("vit", 0.7, 0.8), *learnt("swin", 0.5)]
    tables = [t for t in document(records).tables() if any(h.text == "mIoU" for h in t.headings)]
    assert {t.name for t in tables} >= {"accuracy-0", "accuracy-0-apart", "comparison-0"}
    for found in tables:
        place = [h.text for h in found.headings].index("× upsampled")
        assert {line.cells[place].text for block in found.blocks for line in block.rows} == {"0.600 ×"}
    drawn = [replace(r, metrics={n: m for n, m in r.metrics.items() if "upsampled" not in n}) for r in records]
    assert not [t.name for t in document(drawn).tables() for h in t.headings if h.text == "× upsampled"]


def test_a_rate_at_the_edge_of_those_that_were_tried_is_marked() -> None:
    rate = {"lr": Metric(2e-3, "")}
    edge, inside = (
        [replace(r, metrics=r.metrics | rate, notes={"rate_at_edge": at_edge}) for r in learnt(name, 0.7, 0.8)]
        for name, at_edge in (("vit", True), ("swin", False))
    )
    rows = table(document([*edge, *inside]), "accuracy-0")["224 pixels"]
    assert [rows[name]["Learning rate"].under for name in ("vit", "swin")] == ["at the edge", ""]
    assert "one beyond it may do better" in rows["vit"]["Learning rate"].why


def test_trained_at_one_resolution_tested_at_others_is_a_heat_table() -> None:
    found = document([*learnt("vit", 0.7, 0.8), *learnt("vit", 0.9, 0.9, height=512, width=512)])
    rows = table(found, "accuracy-0-matrix")
    assert list(rows) == ["trained at 224 pixels", "trained at 512 pixels"]
    assert list(rows["trained at 224 pixels"]) == ["vit", "Chance", "Ceiling", "× upsampled"]
    assert [c.text for c in rows["trained at 224 pixels"]["× upsampled"].values()] == ["0.600 ×", "1.37 ×"]
    assert [c.text for c in rows["trained at 224 pixels"]["Ceiling"].values()] == ["100.0 %", "90.0 %"]
    speed = table(found, "accuracy-0-speed")["trained at 224 pixels"]["vit"]["tested at 224"]
    assert speed.value == pytest.approx(300) and (speed.low or 0) < 300 < (speed.high or 0)
    at_224 = rows["trained at 224 pixels"]["vit"]
    assert list(at_224) == ["tested at 224", "tested at 512"]
    assert at_224["tested at 512"].value == pytest.approx(0.375) and at_224["tested at 512"].shade == 0
    assert rows["trained at 512 pixels"]["vit"]["tested at 512"].value == pytest.approx(0.9)
    assert not [t for t in document([]).tables()]


def test_a_size_that_was_not_tested_says_why() -> None:
    (lacking,) = learnt("conv", 0.6)
    scores = {name: metric for name, metric in lacking.metrics.items() if "@" not in name}
    lacking = replace(lacking, metrics=scores, notes={"untested": {"512": "the memory ran out"}})
    rows = table(document([*learnt("vit", 0.7), lacking]), "accuracy-0-matrix")["trained at 224 pixels"]
    cell = rows["conv"]["tested at 512"]
    assert (cell.text, cell.why, cell.value) == ("not tested", "the memory ran out", None)


def test_measured_against_predicted_has_its_error() -> None:
    case = network("vit", quantity="memory")
    values = {"peak_bytes": Metric(110.0, "bytes"), "predicted_bytes": Metric(100.0, "bytes")}
    timed = made(
        replace(case, quantity="latency"), {"latency_ms": Metric(5.0, "ms")}, notes={"predicted_seconds": 0.01}
    )
    rows = table(document([made(case, values), timed]), "prediction")[""]
    assert rows["Peak memory · classification"]["Median ratio"].text == "1.10"
    assert rows["Peak memory · classification"]["Typical error"].text == "10.0 %"
    assert rows["Latency · classification"]["Median ratio"].text == "0.500"


def test_conditions_are_ranges_and_noise_is_told() -> None:
    case = network("vit")
    machines = [{"identity": {"cpu": "A"}, "conditions": {"load": x, "noise, 1 thread": "2 %"}} for x in (0.5, 1.5)]
    records = [made(replace(case, height=s), {}, machine=m) for s, m in zip((64, 128), machines, strict=True)]
    run = section(document(records), "run")
    assert run is not None
    folded = next(p for p in run.blocks if isinstance(p, Part))
    pairs = dict(folded.blocks[0].pairs)  # type: ignore[union-attr]  # facts
    assert pairs == {"load": "0.5 to 1.5", "noise, 1 thread": "2 %"}


def test_a_sweep_has_its_sections_in_the_order_of_reading_and_none_that_it_does_not_hold() -> None:
    records = whole(("vit", "linear", "swin"), sides=(128, 224, 384, 512), modes=("inference",), rounds=2, seeds=2)
    names = [s.id for s in document(records).sections]
    assert names[:4] == ["answers", "accuracy", "scaling", "laws"] and names[-1] == "run"
    static = [s.id for s in document([made(network("vit"), {"macs": Metric(1e9, "MAC")})]).sections]
    assert "accuracy" not in static and "laws" not in static and "prediction" not in static


def test_every_table_is_rectangular() -> None:
    records = whole(
        ("vit", "linear", "swin", "conv"), sides=(128, 224, 384, 512), modes=("inference",), rounds=2, seeds=2
    )
    tables: list[Table] = list(document(records).tables())
    assert len(tables) > 10
    for found in tables:
        assert {len(row.cells) for block in found.blocks for row in block.rows} == {len(found.headings)}


@pytest.mark.parametrize(
    ("axis", "one", "other"), [("backend", "sdpa", "math"), ("memory_format", "contiguous", "channels_last")]
)
def test_the_order_of_designs_is_held_against_that_in_another_setting(axis: str, one: str, other: str) -> None:
    times = {one: {"vit": 10, "linear": 20, "swin": 40}, other: {"vit": 30, "linear": 20, "swin": 40}}
    records = [
        made(network(name, quantity="latency", round=r, **{axis: value}), {"latency_ms": Metric(ms + r / 100, "ms")})
        for value, of in times.items()
        for name, ms in of.items()
        for r in range(3)
    ]
    ((settings, cells),) = table(document(records), "stability")["classification, network"].items()
    assert settings == " | ".join(sorted((one, other)))
    assert [cell.text for cell in cells.values()] == ["3", "1", "33.3 %"]
    assert section(document(records[:9]), "stability") is None


def test_fields_and_shifts_are_a_table() -> None:
    metrics = {
        "layers": Metric(12, "layers"), "field_full_after": Metric(1, "layers"), "field_tokens_1": Metric(1.0, ""),
        "field_tokens_last": Metric(1.0, ""), "effective_tokens_last": Metric(0.615, ""),
        "shift_error_token": Metric(8.61e-16, ""), "shift_error_pixel": Metric(0.489, ""),
    }  # fmt: skip
    without = {name: metric for name, metric in metrics.items() if name != "field_full_after"}
    cases = {name: network(name, quantity="field", batch=3) for name in ("vit", "window")}
    found = document([made(cases["vit"], metrics), made(cases["window"], without)])
    rows = table(found, "reach")["224 pixels"]
    assert rows["vit"]["Effective field nine tenths of the gradient"].text == "61.5 %"
    assert rows["vit"]["Error under a shift by a token"].text == "8.61e-16"
    assert rows["vit"]["Error under a shift by a pixel"].value == 0.489
    assert (rows["vit"]["Layers to see all"].text, rows["window"]["Layers to see all"].text) == ("1", "–")
    assert section(document([made(network("vit"), {"macs": Metric(1e9, "MAC")})]), "reach") is None
