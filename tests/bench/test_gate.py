"""Each case of the gate's table, timed by pytest-benchmark: `inv bench`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.skipif("--benchmark-only" not in sys.argv, reason="every design, built only to be timed")


def test_case(benchmark: Any, avbench_case: Callable[[], object]) -> None:
    benchmark(avbench_case)
