"""Records: what was measured, each line of the file whole or absent. No torch here.

A run folder holds `records.jsonl`: one JSON object a line, only ever appended to. A line that a killed process or a
full disk left unfinished is cut off at the next start (and kept in `torn.txt`), so its case is measured again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from suite.case import Case
from suite.typed import mistyped

SCHEMA = 2
STARTS = "starts.jsonl"  # of a run folder: what each start asked for, and how it ended
STATUSES = (
    "ok",
    "oom",  # the memory ran out
    "crash",  # the worker died
    "timeout",  # the case's time limit passed
    "nan",  # a result or a loss that is not finite
    "diverged",  # a training whose loss ended far above that of a blind guess
    "error",  # an exception
    "not_applicable",  # the design does not take this layout, position or task
    "too_large",  # predicted to exceed the memory: not tried
    "too_slow",  # predicted to exceed the case's time limit: not tried
    "not_reached",  # the run's minutes were over
)
TRY_AGAIN = frozenset({"not_reached"})  # statuses that a later start of the same command measures again
COLUMNS = (
    "design layout position decoder task resolution batch device dtype backend compiled mode seed params_budget "
    "metric tested_at value unit low high n status reason"
).split()


@dataclass(frozen=True)
class Metric:
    """One number with its unit, its 95 % interval where it has one, and the number of samples behind it."""

    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    n: int = 1


@dataclass(frozen=True)
class Record:
    """What became of one case."""

    case: Case
    status: str  # one of STATUSES
    reason: str = ""  # one sentence unless the status is ok
    metrics: dict[str, Metric] = field(default_factory=dict)  # by name; `top1@512` is top1 tested at 512 pixels
    samples: dict[str, list[float]] = field(default_factory=dict)  # raw, by metric
    notes: dict[str, Any] = field(default_factory=dict)  # what a reader needs besides: policy, marks, curves
    machine: dict[str, Any] = field(default_factory=dict)  # {"identity": {...}, "conditions": {...}}
    started: str = ""  # ISO 8601, UTC
    seconds: float = 0.0
    schema: int = SCHEMA

    @property
    def id(self) -> str:
        return self.case.id

    def to_json(self) -> str:
        """One line of strict JSON, without its line feed. ValueError on a number that is not finite."""
        return json.dumps({"id": self.id, **asdict(self)}, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """The record of one line. ValueError says what is wrong with it."""
        try:
            values = json.loads(line)
            stated = values.pop("id")
            values["case"] = Case.from_dict(values["case"])
            values["metrics"] = {k: Metric(**v) for k, v in values["metrics"].items()}
            record = cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a record ({error})") from None
        if record.schema != SCHEMA:
            raise ValueError(f"a record of schema {record.schema}; this avbench reads schema {SCHEMA}")
        if wrong := _mistyped(record):
            raise ValueError(f"not a record ({wrong} is of the wrong type)")
        if stated != record.id:
            raise ValueError(f"its id {stated} is not the id of its case, {record.id}")
        return record


def _mistyped(record: Record) -> str:
    """What in a record is of another type than stated, or no status; empty if nothing is: readers rely on it."""
    parts: dict[str, Any] = {"": record, "case.": record.case}
    parts |= {f"metrics.{name}.": metric for name, metric in record.metrics.items()}
    wrong = [prefix + name for prefix, part in parts.items() for name in mistyped(part)]
    if not wrong:
        wrong = [f"machine.{key}" for key, value in record.machine.items() if not isinstance(value, dict)]
    return wrong[0] if wrong else "" if record.status in STATUSES else "status"


def read(run: Path) -> list[Record]:
    """All whole records of a run folder, in the order in which they were made.

    A last line without a line feed is left out: it was never finished. Any other line that is no record raises
    ValueError, which names the file and the line.
    """
    path = run / "records.jsonl"
    if not path.is_file():
        raise ValueError(f"{run} holds no records.jsonl: name a folder that `avbench sweep --run` wrote")
    try:
        *lines, _unfinished = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file: restore it from a copy, or start a new run folder") from None
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(Record.from_json(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}; delete that line to go on without it") from None
    return records


def starts(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's starts.jsonl; none if it is missing or broken."""
    try:
        return [dict(json.loads(line)) for line in (run / STARTS).read_text(encoding="utf-8").splitlines()]
    except (OSError, TypeError, ValueError):
        return []


class Journal:
    """The open records.jsonl of one run folder, held by one process at a time."""

    def __init__(self, run: Path) -> None:
        """Makes the folder if need be. ValueError if another process holds it, or if a line is no record."""
        run.mkdir(parents=True, exist_ok=True)
        self.path = run / "records.jsonl"
        self.lock = FileLock(run / "lock")
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"another sweep is writing to {run}: wait for it, or choose another --run") from None
        self.torn = self._cut_off_torn_line(run / "torn.txt")
        self.records = read(run) if self.path.exists() else []
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def _cut_off_torn_line(self, keep: Path) -> str:
        if not self.path.exists():
            return ""
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if torn := data[whole:]:
            with keep.open("ab") as file:
                file.write(torn + b"\n")
            os.truncate(self.path, whole)
        return torn.decode(errors="replace")

    def append(self, record: Record) -> None:
        """Writes the record to disk, whole; on a full disk (OSError) the file is left as it was."""
        line = record.to_json().encode() + b"\n"
        size = os.fstat(self.file).st_size
        try:
            if os.write(self.file, line) != len(line):
                raise OSError("the disk is full")
            os.fsync(self.file)
        except OSError:
            os.ftruncate(self.file, size)
            raise
        self.records.append(record)

    def done(self) -> set[str]:
        """The ids of the cases that need not be measured again."""
        return {r.id for r in self.records if r.status not in TRY_AGAIN}

    def close(self) -> None:
        os.close(self.file)
        self.lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def latest(records: Iterable[Record]) -> list[Record]:
    """Of several records of one case, the last: a case that was not reached and then measured counts once."""
    return list({r.id: r for r in records}.values())


def rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The tidy long table: one row for each metric of each record, and one for each record that has none.

    The first columns are COLUMNS; after them come the id, the remaining fields of the case, and the machine's identity.
    """
    table = []
    for record in records:
        case = {f.name: getattr(record.case, f.name) for f in fields(Case)}
        height, width = case.pop("height"), case.pop("width")
        common = case | {"resolution": record.case.resolution, "status": record.status, "reason": record.reason}
        rest = {"height": height, "pixel_width": width, "id": record.id, "started": record.started}
        rest["machine"] = machine_name(record.machine)
        for named, metric in record.metrics.items() or [("", Metric(float("nan"), ""))]:
            name, _, tested_at = named.partition("@")
            row = common | {"metric": name, "tested_at": tested_at} | vars(metric) | rest
            table.append({c: row[c] for c in COLUMNS} | {c: v for c, v in row.items() if c not in COLUMNS})
    return table


def machine_name(machine: dict[str, Any]) -> str:
    """The identity of a machine in one line; records whose names differ are never ranked together."""
    return ", ".join(f"{k} {v}" for k, v in sorted(machine.get("identity", {}).items()))
