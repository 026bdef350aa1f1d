"""Exams: what they ask, and how fast the answers come."""

from __future__ import annotations

import pytest
import torch
from test_data_scenes import Heard
from test_training import CPU, SIZE, Squares, Tiny, exam

from suite.data.source import load
from suite.record import Metric
from suite.training.exam import Exam, asked, examine, speed
from suite.training.loop import seeded


def test_answers_that_are_not_finite_are_no_exam() -> None:
    network = Tiny(2, 4, dense=True)
    network.head.bias.data.fill_(float("inf"))
    assert examine(network, Squares(), "test", SIZE, 400, 8, CPU) is None


def test_the_test_set_may_be_cut_and_batches_do_not_matter() -> None:
    network, digits = seeded(1, lambda: Tiny(10)), load("digits", "classification")
    cut, whole = (exam(network, digits, n, batch).counts for n, batch in ((50, 7), (1000, 64)))
    assert cut.shape == (50, 3, 1) and torch.equal(cut, whole[:50])
    assert whole.shape == (asked(digits, "test"), 3, 1)


def test_what_is_timed_is_the_network_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = Tiny(2, 4, dense=True), Squares().batch("test", range(7), SIZE)[0]
    with torch.inference_mode(), Heard() as alone:
        network(images)
    with Heard() as heard:
        monkeypatch.setattr("suite.training.exam.perf_counter", lambda: heard.names.append("clock") or 0.0)
        examine(network, Squares(), "test", SIZE, 400, 8, CPU)
    start, stop = (place for place, name in enumerate(heard.names) if name == "clock")
    assert heard.names[start + 1 : stop] == alone.names != []


def test_speed_is_that_of_the_median_batch_after_the_first() -> None:
    found = speed(Exam(torch.zeros(1), [9.0, *[0.1] * 6, 0.2], batch=4))
    assert found.value == pytest.approx(10) and found.n == 7
    assert (found.low or 11) <= found.value <= (found.high or 0)
    assert speed(Exam(torch.zeros(1), [0.5], batch=4)) == Metric(2.0, "img/s")
