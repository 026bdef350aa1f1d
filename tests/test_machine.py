"""The machine: its devices, its memory, its calibration."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite import machine


def test_calibration_measures_every_speed_and_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    speed = machine.calibrate("cpu", "float32", 1)
    assert torch.get_num_threads() == before
    assert speed.threads == 1
    assert all(1e6 < rate < 1e15 for rate in (speed.matmul, speed.conv, speed.grouped, speed.attention))
    assert all(1e7 < rate < 1e13 for rate in (speed.plain, speed.heavy, speed.strided))
    assert speed.matmul > speed.grouped, "a depthwise convolution reuses nothing"
    assert 0 < speed.operator_seconds < 1e-2
    assert 0 < speed.available_bytes


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "cuda0", "cpu:1"])
def test_a_device_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match="choose cpu, cuda or cuda:1"):
        machine.require(device)


def test_missing_cuda_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="no CUDA device that torch can use: choose --device cpu"):
        machine.require("cuda")
    with pytest.raises(ValueError, match="no CUDA device"):
        machine.calibrate("cuda:1")


def test_a_cuda_device_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    machine.require("cuda")
    machine.require("cuda:1")
    with pytest.raises(ValueError, match="this machine has cuda:0 to cuda:1"):
        machine.require("cuda:2")


def test_a_control_group_bounds_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    free = machine.available_bytes()
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    assert machine.available_bytes() == 3_000_000 < free
    (tmp_path / "memory.stat").write_text("anon 1000000\ninactive_file 900000\nactive_file 100000\n")
    assert machine.available_bytes() == 3_900_000, "what is kept of files is given up when memory is asked for"
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_bytes() > 3_000_000
