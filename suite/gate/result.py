"""Result: what a run of the gate found, as one row for each thing that was held to what it was; and its exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from suite.gate.exact import Difference, Figures
from suite.gate.latency import Compared
from suite.gate.verdict import BROKEN, FASTER, MINIMUM, SAME, SLOWER, UNCLEAR, Verdict, percent

PASS, REGRESSION, USAGE, INCONCLUSIVE, NOTHING = 0, 1, 2, 3, 4  # exit codes
WORDS = {PASS: "pass", REGRESSION: "FAIL", INCONCLUSIVE: "inconclusive", NOTHING: "nothing measured"}


@dataclass(frozen=True)
class Row:
    """One case and what of it was compared."""

    case: str
    what: str  # exact, wall_ms, cpu_ms or device_ms
    code: int  # PASS, REGRESSION, INCONCLUSIVE or NOTHING
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> str:
        return WORDS[self.code]


@dataclass(frozen=True)
class Result:
    """All rows, and what a reader needs to judge them."""

    tier: str  # exact or latency
    rows: tuple[Row, ...]
    about: dict[str, Any]  # command, started, machine; of the latency tier revisions, and how busy the machine was
    samples: dict[str, Any] = field(default_factory=dict)  # raw, latency only: case -> quantity -> side -> processes

    @property
    def code(self) -> int:
        """A regression outweighs a broken measurement, that an unclear one; nothing at all is never a pass."""
        return worst(row.code for row in self.rows)

    @property
    def word(self) -> str:
        return WORDS[self.code]


def worst(codes: Iterable[int]) -> int:
    """The exit code that outweighs the others; NOTHING of no codes."""
    found = set(codes)
    return next((code for code in (REGRESSION, NOTHING, INCONCLUSIVE, PASS) if code in found), NOTHING)


def of_exact(
    found: dict[str, Figures], failed: dict[str, str], differences: Iterable[Difference], accepting: str = ""
) -> tuple[Row, ...]:
    """A row for each case that was measured, is gone or is broken; `accepting` is the command that accepts it."""
    by_case: dict[str, list[Difference]] = {}
    for one in differences:
        if one.case not in failed:
            by_case.setdefault(one.case, []).append(one)
    rows = [Row(case, "exact", REGRESSION, f"it does not run: {why}") for case, why in failed.items()]
    for case in sorted({*found, *by_case}):
        if told := by_case.get(case):
            said = "; ".join(str(one).removeprefix(f"{case}: ") for one in told)
            rows.append(Row(case, "exact", REGRESSION, f"{said}; if that is right: {accepting}", found.get(case, {})))
        else:
            rows.append(Row(case, "exact", PASS, "every figure is as expected", found[case]))
    return tuple(sorted(rows, key=lambda row: row.case))


def of_latency(compared: Compared, listed: Collection[str] = (), deleted: Iterable[str] = ()) -> tuple[Row, ...]:
    """A row for each case and quantity; `listed`: the base's table holds it; `deleted`: and the head's does not."""
    rows = [Row(name, "case", REGRESSION, "the base lists it and the head does not: put it back") for name in deleted]
    rows += [
        Row(name, "case", REGRESSION, f"it runs at the base, not at the head: {w}") for name, w in compared.lost.items()
    ]
    rows += [Row(name, "case", NOTHING, f"it runs at neither revision: {why}") for name, why in compared.failed.items()]
    rows += [_row(one) for one in compared.verdicts]
    rows += [_new(name, why, name in listed, bool(compared.verdicts)) for name, why in compared.new.items()]
    return tuple(sorted(rows, key=lambda row: (row.case, row.what)))


def _new(name: str, why: str, is_listed: bool, others: bool) -> Row:
    """A case that runs at the head only: no pass if the base lists it, nor if nothing else was compared."""
    if is_listed:
        said = "the base lists it, but it does not run there"
        return Row(name, "case", NOTHING, f"{said}: {why}; if it is another thing now, give it another name")
    return Row(name, "case", PASS if others else NOTHING, f"new, so not compared: it does not run at the base: {why}")


def _row(one: Verdict) -> Row:
    code = {SLOWER: REGRESSION, FASTER: PASS, SAME: PASS, UNCLEAR: INCONCLUSIVE, BROKEN: NOTHING}[one.outcome]
    return Row(one.case, one.quantity, code, sentence(one), {k: v for k, v in vars(one).items() if k not in ("case",)})


def sentence(one: Verdict) -> str:
    """A verdict in one sentence, with its number and its bounds."""
    if one.outcome == BROKEN:
        return one.reason
    told = f"{percent(one.ratio)} ({percent(one.low)} to {percent(one.high)}, 99 % bounds, {one.triples} triples)"
    if one.outcome == SAME:
        return f"no slowdown seen: {told}; one of {percent(one.visible)} or more would have been"
    if one.outcome == UNCLEAR:
        return f"no verdict: {told}; {one.reason}"
    return f"{one.outcome}: {told}, beyond {MINIMUM[one.quantity]:.0%} in a rerun too"


def command() -> str:
    """What was typed."""
    return shlex.join(["avbench", *sys.argv[1:]])


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
