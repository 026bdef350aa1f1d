"""What compiling took, by passes whose times and compilations are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from suite import compiled
from suite.compiled import Compilation, NotCompiledError, compile_by


def compilation(monkeypatch: pytest.MonkeyPatch, *passes: tuple[float, int]) -> Compilation:
    """Of a network whose passes take so many seconds and compile so many graphs."""
    following = iter(passes)

    def seconds(run: Callable[[], object], device: str) -> float:
        took, graphs = next(following)
        compiled.counters["stats"]["unique_graphs"] += graphs
        return took

    monkeypatch.setattr(compiled, "seconds", seconds)
    monkeypatch.setattr(compiled, "start_compiler", lambda device: None)
    monkeypatch.setattr(nn.Module, "compile", lambda network: None)
    return compile_by(nn.Identity(), lambda: None, "cpu")


def test_the_second_pass_says_what_a_pass_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compilation(monkeypatch, (10.0, 1), (0.5, 0)) == Compilation(9.5, 1, 0)


def test_a_network_that_is_compiled_again_is_charged_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that makes its mask in the first pass: the second would have hidden what the first took."""
    assert compilation(monkeypatch, (10.0, 2), (12.0, 1), (0.5, 0)) == Compilation(21.0, 3, 0)


def test_nothing_compiled_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotCompiledError, match="choose --compile no"):
        compilation(monkeypatch, (0.5, 0))
