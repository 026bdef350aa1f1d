"""plan: what is tried, what is not and why; sizes solved once; nothing simulated twice."""

from __future__ import annotations

from dataclasses import replace

import fakes
import pytest
from sweeps import CALIBRATIONS, DATA, MACHINE, axes, pretend

from suite.axes import Axes, Data, Known, Learning, Limits
from suite.case import Case
from suite.plan import Plan, plan
from suite.predict import BUILD_SECONDS, COMPILE_SECONDS, EFFECTIVE_PASSES, ON_CPU, ON_CUDA, pass_seconds, predict
from suite.simulate import Simulated, simulate
from suite.units import bytes_text, count_text, duration, parse_bytes, parse_count, parse_size
from variants.contract import Grid

LIMITS = Limits()
TINY = fakes.find("tiny")


def made(axes: Axes, limits: Limits = LIMITS) -> Plan:
    return plan([TINY], axes, CALIBRATIONS, limits, pretend)


def test_every_quantity_of_every_network_is_a_case() -> None:
    cases = made(replace(axes(32, 64, tasks=("classification", "segmentation")), metrics=Axes().metrics)).cases
    kinds = [(p.case.quantity, p.case.mode) for p in cases if p.case.height == 64 and p.case.task == "segmentation"]
    assert kinds == [
        ("static", "inference"), ("memory", "inference"), ("memory", "train"),
        ("latency", "inference"), ("latency", "inference"), ("latency", "inference"), ("accuracy", "train"),
    ]  # fmt: skip
    assert len({p.case.id for p in cases}) == len(cases) == 2 * 2 * 7


def test_a_case_carries_the_sizes_that_the_budget_was_solved_to() -> None:
    class Solved(fakes.Fake):
        def fitted(self, params: int) -> fakes.Fake:
            return replace(TINY, widths=(params,))

    case = plan([Solved("tiny")], replace(axes(32), params=48), CALIBRATIONS, LIMITS, pretend).cases[0].case
    assert (case.widths, case.params_budget) == ((48,), 48)
    assert "48" in case.recipe


def test_a_network_is_simulated_once_for_each_mode_and_batch() -> None:
    seen = []

    def counted(design: fakes.Fake, **work: object) -> object:
        seen.append(tuple(work.values()))
        return pretend(design, **work)  # type: ignore[arg-type]  # passed on as it came

    plan([TINY], replace(axes(32, metrics="params,memory,latency,accuracy"), rounds=10), CALIBRATIONS, LIMITS, counted)
    assert len(seen) == len(set(seen)) == 3, "inference, and training of one image and of a batch"


def test_what_does_not_fit_is_a_row_with_both_numbers() -> None:
    (row,) = [p for p in made(axes(8192)).cases if p.case.mode == "train"]
    assert row.status == "too_large"
    assert "20.1 GB of memory" in row.reason and "900 MB are available" in row.reason
    assert row.peak_bytes == 300 * 8192**2


def test_the_memory_may_be_given() -> None:
    assert "20.1 GB" not in " ".join(p.reason for p in made(axes(8192), Limits(1e6, 10**12)).cases)


def test_what_takes_too_long_is_a_row_with_both_times() -> None:
    rows = {p.case.quantity: p for p in made(axes(2048), Limits(case_seconds=2)).cases if p.case.mode == "inference"}
    assert rows["latency"].status == "too_slow"
    assert rows["latency"].reason == "needs about 3.65 s, the limit is 2.00 s (--case-seconds)"
    assert rows["static"].status == "ok", "counting takes no time, whatever the size"


def test_the_prediction_adds_work_traffic_and_overhead() -> None:
    (row,) = [p for p in made(axes(32)).cases if p.case.quantity == "memory" and p.case.mode == "inference"]
    alone = 2 * 100 * 32**2 / 1e9 + 10 * MACHINE.operator_seconds
    assert row.pass_seconds == pytest.approx(ON_CPU * alone)
    assert row.macs == 100 * 32**2


def test_on_cuda_the_slower_of_host_and_device_decides() -> None:
    launching = 10 * MACHINE.operator_seconds
    for macs, expected in ((0, launching), (1_000_000, 2e-3)):
        work = Simulated(macs, 1000, {}, {"mm": 10}, {"matmul": macs}, 0, {"plain": macs}, 10)
        found = pass_seconds(work, replace(MACHINE, device="cuda"))
        assert found == pytest.approx(ON_CUDA * expected)


def test_a_batch_multiplies_memory_and_time_but_not_macs() -> None:
    one, many = made(replace(axes(64, metrics="memory"), batches=(1, 8))).cases[::2]
    assert many.peak_bytes == 8 * (one.peak_bytes or 0)
    assert many.macs == one.macs


def test_a_layout_that_a_design_does_not_take_is_a_row_with_its_sentence() -> None:
    found = made(replace(axes(32), layouts=("pyramid", "bottleneck"))).cases
    assert {p.case.layout: p.status for p in found} == {"pyramid": "ok", "bottleneck": "not_applicable"}
    assert "choose isotropic or pyramid" in found[-1].reason


def test_decoders_multiply_segmentation_alone_and_a_mismatch_is_a_row() -> None:
    tasks = ("classification", "segmentation")
    one = made(axes(32, tasks=tasks, metrics="params,memory")).cases
    many = made(replace(axes(32, tasks=tasks, metrics="params,memory"), decoders=("", "naive", "pup"))).cases
    assert [p.case for p in many if p.case.task == "classification"] == [p.case for p in one[:3]]
    seen = {(p.case.decoder, p.status) for p in many if p.case.task == "segmentation"}
    assert seen == {("linear", "ok"), ("naive", "ok"), ("pup", "not_applicable")}
    assert len(many) == 3 + 3 * 3
    assert many[-1].reason == "tiny takes no decoder pup: choose linear or naive"


def test_nothing_that_applies_is_an_error() -> None:
    with pytest.raises(ValueError, match="choose none"):
        made(replace(axes(32), positions=("rotary",)))


def test_a_task_without_data_is_a_row_with_its_sentence() -> None:
    lacking = Data("digits", {"classification": Known("digits", 10)}, {"segmentation": "digits have no masks"})
    tasks = ("classification", "segmentation")
    cases = made(replace(axes(32, tasks=tasks, metrics="accuracy,memory"), learning=Learning((lacking,)))).cases
    (row,) = [p for p in cases if p.case.quantity == "accuracy" and p.case.task == "segmentation"]
    assert (row.status, row.reason) == ("not_applicable", "digits have no masks")
    assert {p.case.classes for p in cases} == {10}


def test_a_design_that_breaks_in_the_simulation_is_still_tried() -> None:
    def broken(design: fakes.Fake, **work: object) -> object:
        raise RuntimeError("no such kernel")

    found = plan([TINY], axes(32), CALIBRATIONS, LIMITS, broken).cases
    assert {p.status for p in found} == {"ok"}
    assert "no such kernel" in found[0].reason


def test_processes_make_the_same_plan() -> None:
    designs = [TINY, fakes.find("convnet")]
    assert plan(designs, axes(32), CALIBRATIONS, LIMITS, pretend, processes=2) == plan(
        designs, axes(32), CALIBRATIONS, LIMITS, pretend
    )


def test_the_real_simulation_serves_the_plan() -> None:
    found = plan([TINY], axes(32), CALIBRATIONS, LIMITS).cases
    network = TINY.build("classification", 4, Grid(32, 32))
    assert {p.macs for p in found} == {network.macs(Grid(32, 32))}  # type: ignore[operator]  # a Network
    assert all(p.peak_bytes for p in found)


def test_a_batch_is_simulated_with_all_of_its_images() -> None:
    """Its peak may be at another moment than that of one image."""
    asked = replace(axes(32, metrics="memory,accuracy"), batches=(8,))
    found = {(p.case.quantity, p.case.mode): p for p in plan([TINY], asked, CALIBRATIONS, LIMITS).cases}
    for key, images in {("memory", "inference"): 8, ("memory", "train"): 8, ("accuracy", "train"): 16}.items():
        work = simulate(TINY, "classification", 4, Grid(32, 32), images, key[1])
        assert found[key].peak_bytes == work.peak_bytes


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("tasks", ("detection",), "no task detection"),
        ("metrics", ("speed",), "no metric speed"),
        ("modes", ("test",), "no mode test"),
        ("dtypes", ("int8",), "no dtype int8"),
        ("backends", ("flash",), "no backend flash"),
        ("tasks", (), "--task is empty"),
        ("resolutions", (), "--res is empty"),
        ("rounds", 0, "--rounds is 0"),
        ("batches", (0,), "--batch is 0"),
        ("classes", 0, "--classes is 0"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(Axes(learning=Learning((DATA,))), **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seeds", 0, "--seeds is 0"),
        ("batch", 0, "--train-batch is 0"),
        ("lr", 0.0, "a learning rate must be above 0"),
        ("lrs", (1e-3, -1.0), "a learning rate must be above 0"),
        ("images", -1, "training has no end: give --train-images or --train-minutes"),
        ("pretrain_images", -1, "--pretrain-images is -1: give a number of images, or leave it out"),
    ],
)
def test_learning_that_cannot_be_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(Learning(), **{field: value})  # type: ignore[arg-type]  # whatever it is


def test_each_data_set_of_a_task_is_learnt_by_itself() -> None:
    digits = Data("digits", {"classification": Known("digits", 10)}, {"segmentation": "digits have no masks"})
    cue = Data("scenes:cue", {"segmentation": Known("scenes:cue", 3)}, {"classification": "cue is for segmentation"})
    tasks = ("classification", "segmentation")
    asked = replace(axes(32, tasks=tasks, metrics="accuracy"), learning=Learning((DATA, digits, cue), seeds=2))
    found = [(p.case.task, p.case.data, p.case.classes, p.case.seed, p.status) for p in made(asked).cases]
    assert found == [
        (task, data, classes, seed, "ok")
        for task, data, classes in (
            ("classification", "scenes", 4), ("classification", "digits", 10),
            ("segmentation", "scenes", 2), ("segmentation", "scenes:cue", 3),
        )
        for seed in (0, 1)
    ]  # fmt: skip


def test_the_first_seed_pays_for_the_search() -> None:
    learning = Learning((DATA,), lrs=(1e-3, 2e-3, 4e-3), seeds=2)
    first, second = made(replace(axes(32, metrics="accuracy"), learning=learning)).cases
    assert (first.case.lr, first.case.lrs) == (0.0, (1e-3, 2e-3, 4e-3))
    forward = made(axes(32, metrics="memory")).cases[0].pass_seconds or 0
    field = BUILD_SECONDS + EFFECTIVE_PASSES * forward
    assert first.seconds - field - BUILD_SECONDS == pytest.approx(4 * (second.seconds - field - BUILD_SECONDS))


def test_a_training_that_does_not_fit_takes_its_batch_in_parts() -> None:
    asked = replace(axes(512, metrics="accuracy"), learning=Learning((DATA,), batch=16))
    needed = 300 * 512**2  # bytes of one image
    roomy, tight, tighter = (made(asked, Limits(1e6, n * needed + 1000)).cases[0] for n in (16, 15, 1))
    assert [p.case.at_once for p in (roomy, tight, tighter)] == [0, 8, 1]
    assert tight.peak_bytes == 8 * needed
    assert tight.pass_seconds == pytest.approx(roomy.pass_seconds, rel=1e-3)
    assert made(asked, Limits(1e6, needed // 2)).cases[0].status == "too_large"


def test_compiling_takes_its_time_which_is_not_of_the_cases_limit() -> None:
    """A simulated pass calls 10 operators; the limit is of what is measured, and compiling comes on top."""
    asked = replace(axes(32, metrics="memory,latency"), compiles=(False, True), rounds=1)
    cases = {(p.case.quantity, p.case.mode, p.case.compiled): p for p in made(asked).cases}
    for quantity in ("memory", "latency"):
        plain, compiled = (cases[quantity, "inference", c] for c in (False, True))
        assert compiled.seconds == pytest.approx(plain.seconds + 10 * COMPILE_SECONDS)
    (slow,) = [p for p in made(replace(asked, resolutions=(Grid(2048, 2048),)), Limits(case_seconds=2.0)).cases
               if p.case.quantity == "latency" and p.case.compiled]  # fmt: skip
    assert slow.status == "too_slow" and "s beside compiling, the limit is 2.00 s" in slow.reason
    fast = made(asked, Limits(case_seconds=2.1)).cases
    assert {p.status for p in fast} == {"ok"} and max(p.seconds for p in fast) > 2.1


@pytest.mark.parametrize(("device", "backend"), [("cpu", "sdpa"), ("cuda", "math")])
def test_a_field_is_planned_as_it_is_taken_in_float64_with_its_graph(device: str, backend: str) -> None:
    asked: list[Case] = []

    def simulated(case: Case) -> Simulated:
        asked.append(case)
        return Simulated(8 if case.dtype == "float64" else 4, 0, {}, {}, {}, 0, {}, 0)

    case = Case("field", "tiny", "isotropic", "none", "classification", 4, 32, 32, device=device, batch=3)
    assert predict(case, simulated, MACHINE).peak_bytes == 8
    assert replace(case, mode="train", dtype="float64", backend=backend) in asked


@pytest.mark.parametrize("bad", [{"case_seconds": 0}, {"minutes": -1}, {"minutes": float("nan")}])
def test_limits_are_above_zero(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Limits(**bad)


def test_numbers_as_people_write_them() -> None:
    assert [parse_count(t) for t in ("5M", "0.3M", "300k", "100m", "7")] == [5_000_000, 300_000, 300_000, 10**8, 7]
    assert [parse_bytes(t) for t in ("24GB", "512MiB", "100")] == [24 * 10**9, 512 * 2**20, 100]
    assert (parse_size("224"), parse_size("224x320")) == (Grid(224, 224), Grid(224, 320))
    assert [count_text(n) for n in (7, 5e6, 1.13e9)] == ["7", "5.00M", "1.13G"]
    assert [bytes_text(n) for n in (12, 3.5e6, 2.45e10)] == ["12 B", "3.50 MB", "24.5 GB"]
    assert [duration(s) for s in (9e-6, 0.0032, 12, 270, 7560, 10**6)] == [
        "9.00 µs", "3.20 ms", "12.0 s", "4.50 min", "2.10 h", "11.6 days",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "x", "5 apples", "-1M", "0", "1e9999", "5MB"])
def test_a_budget_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 5M"):
        parse_count(text)


@pytest.mark.parametrize("text", ["", "0", "-224", "224x", "axb", "224x0", "1e3", "99999999", "224x320x3"])
def test_a_resolution_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no resolution"):
        parse_size(text)


def test_what_has_no_cache_of_its_own_is_compared_with_what_has() -> None:
    """A memory and a latency of one network are one setting of a report: all fields but the quantity's own agree."""
    asked = axes(32, metrics="params,memory,latency")
    found = plan([fakes.find("tiny")], asked, CALIBRATIONS, Limits(), pretend).cases
    assert {p.case.cache for p in found} == {"warm"}
