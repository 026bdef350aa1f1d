"""noise.py on processes whose noise is known."""

from __future__ import annotations

import math
import random

import noise as subject
import pytest


def processes(level: float, within: float, n: int = 120) -> list[subject.Process]:
    """Of one network: each has a level of its own, and noise around it, but with new addresses no level."""
    chance = random.Random(0)

    def one() -> dict[str, list[float]]:
        own = chance.gauss(0, level)
        noise = [[chance.gauss(0, within) for _ in range(40)] for _ in range(3)]
        logs = {"avbench": [own + e for e in noise[0]], "one address": [own + e for e in noise[1]]}
        logs["new addresses"] = noise[2]
        return {name: [7 * math.exp(x) for x in values] for name, values in logs.items()}

    return [{"net": one()} for _ in range(n)]


def test_what_persists_within_a_process_is_found_by_its_halves() -> None:
    one, new = subject.again(processes(level=0.02, within=0.01))
    assert one[:2] == ["net", "one address"]
    assert float(one[2]) == pytest.approx(7, rel=0.01)
    assert float(one[3].rstrip("%")) == pytest.approx(2, rel=0.2)
    assert float(one[5]) > 0.9
    assert abs(float(new[5])) < 0.25
    assert float(new[3].rstrip("%")) < 0.3


def test_the_interval_over_three_processes_holds_the_median_of_all() -> None:
    row, total = subject.held(processes(level=0.02, within=0.01))
    assert all(36 <= int(cell.split()[0]) <= 40 and " of 40 (" in cell for cell in row[1:3])
    assert total[1:3] == row[1:3], "of one network"


def test_the_share_has_the_interval_of_wilson() -> None:
    assert subject.share([True] * 38 + [False] * 2) == "38 of 40 (0.83 to 0.99)"


@pytest.mark.parametrize("name", [name for name in subject.noises() if "every other" not in name])
@pytest.mark.parametrize("n", [3, 5])
def test_the_stated_interval_holds_whatever_the_shape_of_the_noise(
    name: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "SIMULATED", 2000)
    assert subject.coverage(subject.noises()[name], n) > 0.92


def test_three_processes_may_miss_what_every_other_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SIMULATED", 2000)
    assert subject.coverage(subject.noises()["every other process 5 % slower"], 3) < 0.9


def test_the_page_holds_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SIMULATED", 100)
    page = subject.text(
        processes(level=0.02, within=0.01, n=12), ["2026-05-04"] * 11 + ["2026-05-06"], pairs=3, threads=1
    )
    assert "measured 2026-05-04 to 2026-05-06: " in page
    assert page.count("\n| ---") == 4
    assert "{" not in page
