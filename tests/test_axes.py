"""What a sweep varies: each combination is a case of its own, and what does not apply to a device is no axis of it."""

from __future__ import annotations

from dataclasses import replace

import fakes
import pytest
from sweeps import CALIBRATIONS, MACHINE, axes, pretend

from avbench.planning import told
from avbench.request import Request, data_of
from suite.axes import Axes, Known, Limits
from suite.case import Case
from suite.plan import plan


def cases(asked: Axes) -> list[Case]:
    """The cases of one fake, on a machine that has a CUDA device too."""
    speeds = CALIBRATIONS | {("cuda", "float32", n): MACHINE for n in (1, 2)}
    return [p.case for p in plan([fakes.find("tiny")], asked, speeds, Limits(), pretend).cases]


def test_compiled_networks_are_rows_of_their_own() -> None:
    found = cases(replace(axes(32, metrics="memory,latency"), rounds=1, compiles=(False, True)))
    assert [(c.quantity, c.mode, c.compiled) for c in found] == [
        ("memory", "inference", False), ("memory", "train", False),
        ("memory", "inference", True), ("memory", "train", True),
        ("latency", "inference", False), ("latency", "inference", True),
    ]  # fmt: skip


def test_memory_formats_are_rows_of_the_memory_and_latency_of_networks_alone() -> None:
    asked = replace(axes(32), scopes=("network", "mixer"), rounds=1, memory_formats=("contiguous", "channels_last"))
    found = cases(replace(asked, metrics=tuple("params,memory,latency,field,probe,accuracy".split(","))))
    last = [(c.quantity, c.mode, c.scope) for c in found if c.memory_format == "channels_last"]
    assert last == [
        ("memory", "inference", "network"),
        ("memory", "train", "network"),
        ("latency", "inference", "network"),
    ]
    plain = [(c.quantity, c.mode, c.scope) for c in found if c.memory_format == "contiguous"]
    assert sorted(plain) == sorted([*last, *(("static", "inference", s) for s in ("network", "mixer")),
        ("field", "inference", "network"), ("accuracy", "train", "network"), ("probe", "inference", "mixer"),
        ("memory", "inference", "mixer"), ("latency", "inference", "mixer")])  # fmt: skip
    alone = cases(replace(asked, metrics=("latency",), memory_formats=("channels_last",)))
    assert [(c.scope, c.memory_format) for c in alone] == [("network", "channels_last"), ("mixer", "contiguous")]


def test_thread_counts_are_rows_of_the_cpu_alone() -> None:
    found = cases(replace(axes(32, metrics="latency"), rounds=1, threads=(2, 1), devices=("cpu", "cuda")))
    assert [(c.device, c.threads) for c in found] == [("cpu", 2), ("cpu", 1), ("cuda", 2)]


def test_counting_and_learning_take_one_thread_count() -> None:
    found = cases(replace(axes(32, metrics="params,accuracy"), threads=(1, 2)))
    assert [(c.quantity, c.threads) for c in found] == [("static", 1), ("accuracy", 2)]


def test_a_cold_cache_is_of_cuda_alone() -> None:
    asked = replace(axes(32, metrics="latency"), rounds=1, caches=("cold", "warm"), devices=("cpu", "cuda"))
    assert [(c.device, c.cache) for c in cases(asked)] == [("cpu", "warm"), ("cuda", "cold"), ("cuda", "warm")]


def test_options_become_axes() -> None:
    asked = {"compile": "no,yes", "cache": "warm", "threads": "1,2", "memory_format": "contiguous,channels_last"}
    found = Request(**asked, device="cpu", data="digits").axes()  # type: ignore[arg-type]  # options that are text
    assert (found.compiles, found.caches, found.threads) == ((False, True), ("warm",), (1, 2))
    assert found.memory_formats == ("contiguous", "channels_last")


def test_options_of_learning() -> None:
    asked = Request(device="cpu", data="digits,scenes:grating", task="classification", train_batch=8, seeds=3)
    learning = asked.axes().learning
    assert learning.of("classification") == (Known("digits", 10, 359), Known("scenes:grating", 4, 400))
    assert (learning.batch, learning.seeds, learning.lr, learning.lrs) == (8, 3, 1e-3, ())
    assert replace(asked, lr=0.1).axes().learning.lr == 0.1
    assert replace(asked, lr_search=True).axes().learning.lrs == (5e-4, 1e-3, 2e-3, 4e-3)


def test_defaults_of_data_are_spelt_out_so_that_one_training_has_one_id() -> None:
    asked = Request(device="cpu", data="scenes,scenes:grating", res="32", metric="accuracy")
    found = cases(asked.axes())
    assert [(c.task, c.data) for c in found] == [("classification", "scenes:grating"), ("segmentation", "scenes:cue")]
    (alone,) = cases(replace(asked, data="scenes:grating", task="classification").axes())
    assert alone.id == found[0].id


def test_a_test_takes_the_whole_test_set_and_every_further_split() -> None:
    assert data_of("digits", ("classification",)).known["classification"].examined == 359
    assert data_of("scenes:relation", ("classification",)).known["classification"].examined == 4 * 400
    assert data_of("scenes:parts", ("segmentation",)).known["segmentation"].examined == 2 * 400


def test_without_a_gpu_what_is_large_learns_at_64_pixels_unless_told_otherwise() -> None:
    asked = Request(device="cpu", res="32,224,512", task="classification", metric="accuracy")
    assert [c.resolution for c in cases(asked.axes())] == ["32", "64"]
    assert [c.resolution for c in cases(replace(asked, train_res="96").axes())] == ["96"]
    everywhere = replace(asked.axes(), learning=replace(asked.axes().learning, most=None))
    assert [c.resolution for c in cases(everywhere)] == ["32", "224", "512"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Request(lr=1e-3, lr_search=True), "--lr 0.001 leaves nothing to search"),
        (Request(lr=-1.0), "a learning rate must be above 0"),
        (Request(compile="maybe"), "--compile maybe is neither: write no, yes or no,yes"),
        (Request(compile=","), "--compile is empty"),
        (Request(cache="tepid"), "there is no cache tepid"),
        (Request(memory_format="nhwc"), "there is no memory-format nhwc: choose from contiguous, channels_last"),
        (Request(memory_format=","), "--memory-format is empty"),
        (Request(threads="0"), "--threads is 0"),
        (Request(threads="all"), "--threads all is no whole number"),
    ],
)
def test_an_option_that_cannot_be_is_refused(asked: Request, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(asked, device="cpu", data="digits").axes()


def test_a_plan_says_what_is_not_as_usual() -> None:
    case = Case("latency", "tiny", "isotropic", "none", "classification", 10, 32, 32)
    assert told(case) == "latency"
    unlike = replace(case, mode="train", compiled=True, threads=2, batch=8, backend="math", device="cuda", cache="warm")
    assert told(unlike) == "latency train cuda math compiled warm batch 8 2 threads"
    assert told(replace(case, memory_format="channels_last")) == "latency channels_last"
