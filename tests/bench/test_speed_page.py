"""The page of bench_peers.py, from rows that are known."""

from __future__ import annotations

from dataclasses import replace

import bench_peers as subject
import pytest
from duel import Ratio

from avbench.find import names

EQUAL = subject.Row("forward", 7.0, 7.0, Ratio(1.0, 0.9, 1.1), 1.0)
NAMES = [*(pair.name for pair in subject.PAIRS), subject.LOCAL]


def written(**others: list[subject.Row] | str) -> str:
    """The page of pairs that are all equal, but for others."""
    return subject.page({name: [EQUAL] for name in NAMES} | others, "some machine", 9)


def test_pairs_have_names_of_their_own() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_every_design_is_measured_or_left_out() -> None:
    measured = {pair.name.split()[0].rstrip(",") for pair in subject.PAIRS} | {"local"}
    left_out = [name for names in subject.LEFT_OUT for name in names.split()]
    assert sorted([*measured, *left_out]) == names()
    assert all(f"`{name}`" in written() for name in left_out)


def test_every_pair_has_a_line() -> None:
    text = written()
    assert all(f"| {pair.name}, " in text for pair in subject.PAIRS)
    assert "None.\n\n## Local attention" in text and f"* forward: {1 / subject.local_share():.2f} (" in text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (replace(EQUAL, time=Ratio(1.1, 1.01, 1.2)), "vit / timm, forward: 1.10 (1.01 to 1.20) of the time."),
        (replace(EQUAL, memory=1.03), "vit / timm, forward: 1.03 of the memory."),
        (replace(EQUAL, time=Ratio(1.1, 0.99, 1.2), memory=1.02), "None."),
    ],
)
def test_what_takes_more_is_said(row: subject.Row, said: str) -> None:
    more = written(**{"vit / timm": [row]}).split("## Where ours takes more")[1].split("## Local")[0]
    assert said in more
    assert more.count("\n* ") == (said != "None.")


def test_the_reason_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [replace(pair, why={"memory": "It keeps a copy."}) for pair in subject.PAIRS]
    monkeypatch.setattr(subject, "PAIRS", known)
    row = replace(EQUAL, time=Ratio(1.1, 1.01, 1.2), memory=2.0)
    text = written(**{"vit / timm": [row]})
    assert "2.00 of the memory. It keeps a copy." in text and "of the time. Why has not been found." in text


def test_a_package_that_is_missing_is_named() -> None:
    assert "| vit / timm | timm is not installed | | | | |" in written(**{"vit / timm": "timm"})
