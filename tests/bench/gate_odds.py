"""How the rule of the gate's latency tier does on noise that is known: the two simulations of docs/gate.md.

    python tests/bench/gate_odds.py

No process is timed: effects are drawn, and judged by suite/gate/verdict.py itself.
"""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np

from suite.gate.verdict import ALPHA, bound, least_triples, p_value, triples_for

EFFECT, NOISE, SPOILT, SPOILT_NOISE = log(1.10), 0.013, 0.05, 0.08
SERIES, TRIPLES = 300, 10


def main() -> None:
    """Prints both."""
    for tests, count in ((n, k) for n in (6, 20, 140) for k in (least_triples(n), triples_for(n))):
        print(f"{tests} tests, {count} triples: {found(tests, count):.0%} found", flush=True)
    chance = np.random.default_rng(0)
    for name, draw in (("normal", chance.standard_normal), ("exponential", chance.standard_exponential)):
        noise = draw((200_000, TRIPLES, 3))
        effects = noise[..., 2] - noise[..., :2].mean(-1)
        slower, faster = significant(effects), significant(-effects)
        print(f"{name} noise, level {5 / 2**TRIPLES:.2%}: slower {slower:.2%}, faster {faster:.2%}", flush=True)


def found(tests: int, count: int) -> float:
    """The share of series of `count` triples that are called slower, where Holm is strictest; without the rerun."""
    chance, hits = np.random.default_rng((tests, count)), 0
    for _ in range(SERIES):
        spoilt = (chance.random(count) < SPOILT) * SPOILT_NOISE * chance.standard_normal(count)
        effects = EFFECT + NOISE * chance.standard_normal(count) + spoilt
        hits += p_value(effects) <= ALPHA / tests and bound(effects) > log(1.05)
    return hits / SERIES


def significant(effects: np.ndarray) -> float:
    """The share of series `s k` with at most five patterns of signs whose sum is as large: p_value of many."""
    signs = np.array(list(product((1.0, -1.0), repeat=TRIPLES))).T  # k 2ᵏ
    total = 0
    for some in np.array_split(effects, 100):
        sums = np.abs(some) @ signs  # s 2ᵏ
        total += int(((sums >= some.sum(1, keepdims=True) - 1e-12).sum(1) <= 5).sum())
    return total / len(effects)


if __name__ == "__main__":
    main()
