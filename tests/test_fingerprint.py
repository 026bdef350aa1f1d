"""The fingerprint: all that must match for two machines' numbers to be compared, and what is only kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from suite import fingerprint as subject
from suite.fingerprint import fingerprint
from suite.record import machine_name

IDENTITY = set("cpu arch cores processors flags simd os allocator torch build blas sdpa".split())
CONDITIONS = set("load steal_s governor quota python commit dirty lock memory_bytes available_bytes".split())


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """What is kept from call to call is asked for again, before the test and after it."""
    subject._identity.cache_clear()
    subject._source.cache_clear()
    yield
    subject._identity.cache_clear()
    subject._source.cache_clear()


def test_the_fingerprint_tells_identity_from_conditions() -> None:
    found = fingerprint()
    assert set(found) == {"identity", "conditions"}
    assert set(found["identity"]) == IDENTITY
    assert set(found["conditions"]) >= CONDITIONS
    assert found["identity"]["torch"] == torch.__version__
    assert all(isinstance(value, str) and value for value in found["identity"].values())
    json.dumps(found, allow_nan=False)


def test_the_identity_stays() -> None:
    assert fingerprint()["identity"] == fingerprint()["identity"]


def test_another_build_choice_of_kernels_or_share_of_the_processors_is_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {machine_name(fingerprint())}
    for module, name, value in (
        (torch.version, "git_version", "feedfacecafe"),
        (torch.backends.cuda, "flash_sdp_enabled", lambda: not torch.backends.cuda.math_sdp_enabled()),
        (subject, "default_threads", lambda: 1234),
    ):
        monkeypatch.setattr(module, name, value)
        subject._identity.cache_clear()
        names.add(machine_name(fingerprint()))
    assert len(names) == 4


def test_the_libraries_that_torch_was_built_with() -> None:
    told = (
        "Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build\n"
        "Intel(R) MKL-DNN v3.12.0 (Git Hash 80af)\n BLAS_INFO=mkl, X=1"
    )
    assert subject._blas(told) == "mkl 2024.2 onednn 3.12.0"
    assert subject._blas("BLAS_INFO=open, USE=0") == "open"
    assert subject._blas("nothing") == "unknown"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """A machine with a GPU whose driver numbers its devices otherwise; notes the commands that it is asked."""
    asked: list[tuple[str, ...]] = []
    answers = {
        "driver_version": "570.1",
        "clocks.sm": "1980 MHz",
        "clocks.mem": "2619 MHz",
        "clocks.max.sm": "1980 MHz",
    }
    answers |= {"power.limit": "700.00 W", "power.draw": "120.00 W", "temperature.gpu": "41"}

    def output(*command: str) -> str:
        asked.append(command)
        fields = command[2].removeprefix("--query-gpu=").split(",") if command[0] == "nvidia-smi" else []
        return ", ".join(answers[field] for field in fields)

    monkeypatch.setattr(subject, "_output", output)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Abacus 9000")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=f"of-{device}"))
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91900)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (123, 456))
    return asked


def test_a_gpu_adds_its_name_driver_and_libraries_and_its_clocks_as_conditions(gpu: list[tuple[str, ...]]) -> None:
    found = fingerprint("cuda:1")
    assert set(found["identity"]) == IDENTITY | {"gpu", "driver", "cuda", "cudnn", "precision"}
    assert (found["identity"]["gpu"], found["identity"]["driver"]) == ("Abacus 9000", "570.1")
    conditions = found["conditions"]
    assert (conditions["clocks.sm"], conditions["power.limit"]) == ("1980 MHz", "700.00 W")
    assert conditions["gpu_available_bytes"] == 123 < conditions["available_bytes"], "that of the host stands beside it"
    assert {c[1] for c in gpu if c[0] == "nvidia-smi"} == {"--id=GPU-of-cuda:1"}


def test_without_the_drivers_tool_its_fields_are_empty(
    gpu: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "_output", lambda *command: "")
    found = fingerprint("cuda")
    assert found["identity"]["driver"] == "" == found["conditions"]["clocks.sm"]
