"""records.jsonl: each record whole or absent, whatever happens to the process, the disk or the file."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from suite.case import Case
from suite.record import COLUMNS, SCHEMA, Journal, Metric, Record, latest, read, rows

GALLERY = Path(__file__).parents[1] / "reports" / "gallery"


def case(round: int = 0) -> Case:
    return Case("latency", "vit", "isotropic", "learned", "classification", 10, 224, 320, widths=(192,), round=round)


def record(round: int = 0, status: str = "ok") -> Record:
    return Record(case(round), status, metrics={"latency_ms": Metric(1.5, "ms", 1.4, 1.6, 30)}, samples={"x": [1.0]})


def test_a_record_survives_the_file(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record())
    assert read(tmp_path) == [record()]


@pytest.mark.parametrize("kept", sorted(GALLERY.glob("*/records.jsonl.gz")), ids=lambda path: path.parent.name)
def test_records_that_are_kept_are_of_the_cases_of_today(kept: Path) -> None:
    with gzip.open(kept, "rt", encoding="utf-8") as file:
        record = Record.from_json(next(file))
    assert record.id != replace(record.case, pretrain_images=1).id
    assert record.id != replace(record.case, memory_format="channels_last").id


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_torn_last_line_is_cut_off_kept_and_measured_again(tmp_path: Path, cut: int) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(0))
        journal.append(record(1))
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read(tmp_path) == [record(0)]
    with Journal(tmp_path) as journal:
        assert journal.torn and journal.done() == {case(0).id}
        journal.append(record(1))
    assert read(tmp_path) == [record(0), record(1)]
    assert (tmp_path / "torn.txt").read_text().strip() == journal.torn


def test_kill_9_leaves_whole_records(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import test_records as t\n"
        "with t.Journal(Path(sys.argv[1])) as journal:\n"
        "    print('ready', flush=True)\n"
        "    for round in range(10**6): journal.append(t.record(round))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))}
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    while not (tmp_path / "records.jsonl").stat().st_size > 2000:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Journal(tmp_path) as journal:
        rounds = [r.case.round for r in journal.records]
        journal.append(record(len(rounds)))
    assert rounds == list(range(len(rounds))) and rounds
    assert len(read(tmp_path)) == len(rounds) + 1


def test_a_second_sweep_into_one_folder_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(ValueError, match="another sweep is writing"):
        Journal(tmp_path)
    with Journal(tmp_path) as journal:
        assert journal.records == []


@pytest.mark.parametrize("written", [0, 7])
def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    real = os.write

    def full(file: int, data: bytes) -> int:
        real(file, data[:written])
        if written:
            return written
        raise OSError(28, "No space left on device")

    with Journal(tmp_path) as journal:
        journal.append(record(0))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(OSError):
                journal.append(record(1))
        assert read(tmp_path) == journal.records == [record(0)]
        journal.append(record(2))
    assert read(tmp_path) == [record(0), record(2)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"junk\n", "line 2: not a record"),
        (b"{}\n", "line 2: not a record"),
        (b"[1]\n", "line 2: not a record"),
        (record().to_json().replace(f'"schema":{SCHEMA}', '"schema":99').encode() + b"\n", f"reads schema {SCHEMA}"),
        (record().to_json().replace('"height":224', '"height":225').encode() + b"\n", "not the id of its case"),
        (record().to_json().replace('"height"', '"heigth"').encode() + b"\n", "not fields of a case: heigth"),
        (b"\xff\xfe\n", "not a text file"),
    ],
)
def test_a_corrupt_line_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record())
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(ValueError, match=said):
        read(tmp_path)


WRONG = ("x", 7, None, True, [], {}, [[1, {}]], 1e999)


@pytest.mark.parametrize("part", ["", "case", "metrics.macs"])
def test_whatever_is_of_another_type_than_stated_is_refused_by_name(part: str) -> None:
    whole = record()
    kept = replace(whole, metrics={"macs": Metric(1.0, "MAC", 0.5, 1.5)})
    for name in json.loads(kept.to_json())[part] if part == "case" else FIELDS[part]:
        refused = 0
        for value in WRONG:
            line = json.loads(kept.to_json())
            at = line
            for key in filter(None, part.split(".")):
                at = at[key]
            at[name] = value
            try:
                Record.from_json(json.dumps(line))
            except ValueError as error:
                refused += 1
                assert re.search(rf"{name} is of the wrong type|not a record|not the id|reads schema", str(error))
        assert refused >= 4, name


FIELDS = {
    "": ["status", "reason", "samples", "notes", "machine", "started", "seconds", "schema", "metrics"],
    "metrics.macs": ["value", "unit", "low", "high", "n"],
}


def test_a_case_of_wrong_types_is_refused_even_with_its_own_id() -> None:
    wrong = Record(replace(case(), batch="=1+1"), "ok")  # type: ignore[arg-type]  # as a stranger's file may hold it
    with pytest.raises(ValueError, match=r"case\.batch is of the wrong type"):
        Record.from_json(wrong.to_json())
    with pytest.raises(ValueError, match="status is of the wrong type"):
        Record.from_json(record(status="<b>").to_json())


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no records\.jsonl"):
        read(tmp_path)


def test_a_number_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        with pytest.raises(ValueError, match="Out of range float"):
            journal.append(Record(case(), "ok", metrics={"latency_ms": Metric(float("nan"), "ms")}))
        assert journal.path.read_bytes() == b""


def test_the_last_record_of_a_case_counts(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(0, "not_reached"))
        assert journal.done() == set()
        journal.append(record(0, "ok"))
        assert journal.done() == {case().id}
    assert [r.status for r in latest(read(tmp_path))] == ["ok"]


def test_the_long_table_has_a_row_for_each_number_and_for_each_failure() -> None:
    table = rows([record(), Record(case(1), "oom", "no memory")])
    assert [list(row)[: len(COLUMNS)] for row in table] == [COLUMNS, COLUMNS]
    assert (table[0]["value"], table[0]["resolution"], table[0]["unit"]) == (1.5, "224x320", "ms")
    assert (table[1]["status"], table[1]["reason"], table[1]["metric"]) == ("oom", "no memory", "")
