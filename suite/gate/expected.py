"""perf/expected.json: the accepted figures by machine, and why each change was accepted."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.gate.exact import Figures
from suite.gate.target import is_test

SCHEMA = 1
NUMBERS = ("params", "macs", "peak_bytes", "workspace_bytes")


@dataclass
class Expected:
    """The file's content: `baselines` by machine (see exact.machine), then by case."""

    baselines: dict[str, dict[str, Figures]] = field(default_factory=dict)
    accepted: list[dict[str, str]] = field(default_factory=list)  # date, machine, reason

    @classmethod
    def read(cls, path: Path) -> Expected:
        """ValueError in one sentence for a file that is missing, truncated, corrupt or of another schema."""
        if not path.is_file():
            raise ValueError(f'there is no {path}: write it with `avbench gate --exact --accept --reason "..."`')
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["schema"] != SCHEMA:
                raise ValueError(f"schema {values['schema']}, this avbench reads {SCHEMA}")
            read = cls(values["baselines"], [dict(entry) for entry in values["accepted"]])
            for cases in read.baselines.values():
                for case, figures in cases.items():
                    _check(case, figures)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no baseline ({error}): restore it from version control") from None
        return read

    def accept(self, machine: str, cases: dict[str, Figures], reason: str, date: str) -> None:
        """Takes these figures for the machine's; marked tests keep theirs. ValueError without cases or a reason."""
        if not cases:
            raise ValueError("nothing was measured, so nothing can be accepted: name at least one case")
        if not reason.strip():
            raise ValueError('a change is accepted for a reason: add --reason "why it is right"')
        tests = {name: figures for name, figures in self.baselines.get(machine, {}).items() if is_test(name)}
        self.baselines[machine] = dict(sorted((tests | cases).items()))
        entry = {"date": date, "machine": machine, "reason": reason.strip()}
        if self.accepted[-1:] != [entry]:
            self.accepted.append(entry)

    def write(self, path: Path) -> None:
        """Whole or not at all: a file beside it takes its place. ValueError if it cannot be written."""
        beside = path.with_suffix(".new")
        values = {"schema": SCHEMA, "accepted": self.accepted, "baselines": self.baselines}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(_compact(values) + "\n", encoding="utf-8")
            os.replace(beside, path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise ValueError(f"{path} stays as it was ({error.strerror or error}): make room, accept again") from None


def _check(case: str, figures: Any) -> None:
    numbers = [figures[key] for key in NUMBERS] + list(figures["operators"].values())
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers) or figures["params"] < 0:
        raise ValueError(f"{case} holds something else than whole numbers")
    if set(figures) != {*NUMBERS, "operators"} or not figures["operators"]:
        raise ValueError(f"{case} does not hold {', '.join(NUMBERS)} and operators")


def _compact(values: dict[str, Any]) -> str:
    """JSON with one line for each case, so that a change of one case is one line of a diff."""
    lines = [f'{{"schema": {values["schema"]},', '"accepted": [']
    lines.append(",\n".join(json.dumps(entry) for entry in values["accepted"]) + "],")
    machines = []
    for machine, cases in values["baselines"].items():
        inner = ",\n".join(f"{json.dumps(case)}: {json.dumps(figures)}" for case, figures in cases.items())
        machines.append(f"{json.dumps(machine)}: {{\n{inner}}}")
    return "\n".join([*lines, '"baselines": {', ",\n".join(machines) + "}}"])
