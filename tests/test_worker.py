"""Whatever becomes of the worker's process, the case has a record and the next case runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from suite.case import Case
from suite.process import KEEPING
from suite.record import Record
from suite.worker import SLACK_BYTES, Worker, environment, limit_memory, line_of

CASE = Case("memory", "tiny", "isotropic", "none", "classification", 10, 32, 48)
LIMIT_S, MEMORY = 60.0, 2**30


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker("fakes:find", threads=1, log=tmp_path_factory.mktemp("worker") / "logs" / "worker.log") as worker:
        yield worker


def run(worker: Worker, limit_s: float = LIMIT_S, **changes: Any) -> Record:
    return worker.measure(replace(CASE, **changes), limit_s, MEMORY)


def pid(worker: Worker) -> int:
    assert worker.process is not None
    return worker.process.pid


def test_a_healthy_worker_is_used_again(worker: Worker) -> None:
    first = run(worker)
    process = pid(worker)
    second = run(worker)
    assert first.status == second.status == "ok"
    assert first.metrics == second.metrics
    assert pid(worker) == process


def test_an_exception_leaves_it_alive_and_a_traceback_in_the_log(worker: Worker) -> None:
    run(worker)
    process = pid(worker)
    record = run(worker, design="raiser")
    assert (record.status, record.reason) == ("error", "RuntimeError: the mixer broke")
    assert 'raise RuntimeError("the mixer' in worker.log.read_text()
    assert run(worker).status == "ok"
    assert pid(worker) == process


def test_what_a_design_prints_goes_to_the_log(worker: Worker) -> None:
    assert run(worker, design="printer").status == "ok"
    assert "noise" in worker.log.read_text()


def test_numbers_that_are_not_finite_are_a_status(worker: Worker) -> None:
    assert run(worker, design="nan").status == "nan"


@pytest.mark.parametrize(
    ("design", "reason"),
    [
        ("killer", "the process was ended by SIGKILL; see worker.log"),
        ("leaver", "the process ended with exit code 3; see worker.log"),
    ],
)
def test_a_death_is_a_crash_and_the_next_case_runs(worker: Worker, design: str, reason: str) -> None:
    record = run(worker, design=design)
    assert (record.status, record.reason) == ("crash", reason)
    assert record.seconds > 0
    assert record.started
    assert run(worker).status == "ok"


def test_a_hang_ends_at_its_limit_and_the_next_case_runs(worker: Worker) -> None:
    run(worker)
    process = pid(worker)
    start = time.monotonic()
    record = run(worker, 1.0, design="sleeper")
    assert (record.status, record.reason) == ("timeout", "not over after 1 s, and stopped")
    assert time.monotonic() - start < 30
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert run(worker).status == "ok"


def test_another_thread_can_stop_a_measurement(worker: Worker) -> None:
    run(worker)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, worker, design="sleeper")
        time.sleep(0.5)
        worker.stop()
        assert waiting.result(30).status == "crash"
    assert run(worker).status == "ok"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may hold")
def test_memory_beyond_the_limit_is_a_status_and_the_next_case_runs(worker: Worker) -> None:
    record = run(worker, design="hog")
    assert record.status == "oom"
    assert record.reason.startswith("the memory ran out")
    assert run(worker).status == "ok"


def test_threads_and_the_allocator_are_pinned_before_torch_is_imported() -> None:
    added = environment(3)
    assert added["OMP_NUM_THREADS"] == added["MKL_NUM_THREADS"] == "3"
    assert added.items() >= KEEPING.items()
    program = "import sys, suite.worker; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | added)


def test_progress_is_handed_on(tmp_path: Path) -> None:
    training = replace(CASE, quantity="accuracy", mode="train", data="digits", batch=16, train_images=64, lr=1e-3)
    told: list[float] = []
    with Worker("fakes:find", log=tmp_path / "log") as worker:
        record = worker.measure(training, LIMIT_S, MEMORY, told.append)
    assert (record.status, record.reason) == ("ok", "")
    assert told == sorted(told) and told[-1] == 1.0


def test_a_place_that_does_not_exist_is_an_error_record(worker: Worker, tmp_path: Path) -> None:
    with Worker("no.such:find", log=tmp_path / "log") as other:
        record = other.measure(CASE, LIMIT_S, MEMORY)
    assert record.status == "error"
    assert "No module named 'no'" in record.reason


def test_an_interrupted_parent_leaves_no_process(tmp_path: Path) -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Worker("fakes:find", log=tmp_path / "log") as worker:
            assert run(worker).status == "ok"
            process = pid(worker)
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            with pytest.raises(KeyboardInterrupt):
                run(worker, design="sleeper")
            with pytest.raises(ProcessLookupError):
                os.kill(process, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert "Traceback" not in (tmp_path / "log").read_text()


def alive(process: int) -> bool:
    """Whether the process runs: neither gone nor waiting to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_orphan_ends_itself(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from suite.case import Case; from suite.worker import Worker\n"
        f"w = Worker('fakes:find', log=Path({str(tmp_path / 'log')!r}))\n"
        "c = dict(layout='isotropic', position='none', task='classification', classes=3, height=8, width=8)\n"
        "w.measure(Case('memory', 'tiny', **c), 60, 2**30); print(w.process.pid, flush=True)\n"
        "w.measure(Case('memory', 'sleeper', **c), 60, 2**30)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ | environment(1))
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 30
    while alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(child)


def test_a_number_that_json_does_not_know_is_a_status() -> None:
    record = Record(CASE, "ok", notes={"loss": float("inf")}, started="now")
    read = Record.from_json(line_of(record))
    assert (read.status, read.reason, read.case) == ("nan", "a measured number is not finite", CASE)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_another_thread_count_takes_another_process(worker: Worker) -> None:
    def pinned() -> str:
        variables = Path(f"/proc/{pid(worker)}/environ").read_text().split("\0")
        return next(v for v in variables if v.startswith("OMP_NUM_THREADS="))

    run(worker)
    first = pid(worker)
    assert pinned() == "OMP_NUM_THREADS=1"
    assert run(worker, threads=2).case.threads == 2
    assert pinned() == "OMP_NUM_THREADS=2"
    assert pid(worker) != first


def test_on_cuda_the_limit_is_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(torch.cuda, "device", lambda name: done.append(name) or nullcontext())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append("emptied"))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(total_memory=80 * 10**9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", done.append)
    limit_memory("cuda:1", 20 * 10**9)
    limit_memory("cuda:1", 10**12)
    assert done == ["cuda:1", "emptied", 0.25, "cuda:1", "emptied", 1.0]


def test_what_an_earlier_case_left_in_the_cache_is_free_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 GB an earlier case cached 60 and a network of 1 GB is kept: the next case may have 1 + 0.9 x 79."""
    gb, reserved, done = 10**9, [61 * 10**9], list[float]()
    monkeypatch.setattr(torch.cuda, "device", lambda name: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: reserved.append(gb))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: reserved[-1])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * gb - reserved[-1], 80 * gb))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(total_memory=80 * gb))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", done.append)
    limit_memory("cuda", 0)
    assert done == [pytest.approx((1 + 0.9 * 79) / 80)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may hold")
def test_on_the_cpu_nothing_stated_is_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    monkeypatch.setattr("suite.machine.available_bytes", lambda device="cpu": 10**9)
    monkeypatch.setattr("suite.worker.status_bytes", lambda name: 5 * 10**9)
    monkeypatch.setattr("suite.worker.resource.setrlimit", lambda kind, both: limits.append(both[0]))
    limit_memory("cpu", 0)
    assert limits == [5 * 10**9 + int(0.9 * 10**9) + SLACK_BYTES]
