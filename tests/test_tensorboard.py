"""TensorBoard's event files hold the curves, scores and settings of records; each is read back, with checksums."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from report_fakes import failed, held, learnt, made, save
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from avbench.cli import main
from reports.report import report
from reports.tensorboard import write_events
from reports.write import put
from suite.record import Metric, Record

LOSSES = [[16, 1.4], [320, 0.75], [640, 0.25]]


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum, bit by bit, masked as in a TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read(path: Path) -> list[Event]:
    """The events of a file."""
    data, found = path.read_bytes(), []
    while data:
        (length,), (of_length,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        content, (of_content,) = data[12 : 12 + length], struct.unpack("<I", data[12 + length : 16 + length])
        assert (crc32c(data[:8]), crc32c(content)) == (of_length, of_content)
        found.append(Event.FromString(content))
        data = data[16 + length :]
    return found


def scalars(events: list[Event]) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag; what belongs to a plugin is none."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        for value in event.summary.value:
            if not value.metadata.plugin_data.plugin_name:
                found.setdefault(value.tag, []).append((event.step, pytest.approx(value.simple_value)))
    return found


def training() -> Record:
    (record,) = learnt("./mine.py", 0.8, data="folder:/home/me/my pets", augment="shift+flip", lr=2e-3)
    metrics = record.metrics | {"top1@512": Metric(0.5, "", 0.4, 0.6, 400), "lr": Metric(2e-3, "")}
    notes = {"losses": LOSSES, "foreground_losses": [[640, 0.5]], "pretraining": {"losses": [[32, 1.0]], "guess": 1.0}}
    return replace(record, metrics=metrics, notes=notes)


def test_a_training_is_read_back(tmp_path: Path) -> None:
    record = training()
    folder = write_events({"": [record]}, tmp_path / "tensorboard")
    (path,) = folder.rglob("*tfevents*")
    assert path.parent.name == f"mine.py-my-pets-224-seed-0-{record.id}" and path.parent.parent == folder
    events = read(path)
    assert events[0].file_version == "brain.Event:2"
    assert {e.wall_time for e in events} == {datetime.fromisoformat(record.started).timestamp()}
    found = scalars(events)
    assert found.pop("loss") == [(16, 1.4), (320, 0.75), (640, 0.25)]
    assert (found.pop("foreground_loss"), found.pop("pretraining_loss")) == ([(640, 0.5)], [(32, 1.0)])
    assert found == {"top1": [(640, 0.8)], "top1/at_512": [(640, 0.5)], "chance": [(640, 0.25)], "lr": [(640, 2e-3)]}


def test_settings_and_scores_are_hparams(tmp_path: Path) -> None:
    (path,) = write_events({"": [training()]}, tmp_path / "tensorboard").rglob("*tfevents*")
    values = [value for event in read(path) for value in event.summary.value]
    plugins = [v.metadata.plugin_data for v in values if v.metadata.plugin_data.plugin_name == "hparams"]
    content = [HParamsPluginData.FromString(plugin.content) for plugin in plugins]
    (start,) = (c.session_start_info for c in content if c.HasField("session_start_info"))
    assert start.hparams["augment"].string_value == "shift+flip" and start.hparams["status"].string_value == "ok"
    assert (start.hparams["lr"].number_value, start.hparams["params_budget"].number_value) == (2e-3, 5e6)
    (experiment,) = (c.experiment for c in content if c.HasField("experiment"))
    assert {m.name.tag for m in experiment.metric_infos} == {"top1", "top1/at_512"}


def test_every_training_has_a_folder_and_nothing_else_has(tmp_path: Path) -> None:
    ok = training()
    diverged = made(replace(ok.case, seed=1), {}, status="diverged", reason="too fast", notes={"losses": LOSSES[:1]})
    lost = failed(replace(ok.case, seed=2), "not_reached", "not reached")
    folder = write_events({"": [ok, diverged, lost, held("vit", 3.0)]}, tmp_path / "tensorboard")
    (folder / "older").mkdir()
    again = write_events({"": [ok, diverged]}, folder)
    assert {p.name for p in again.iterdir()} == {p.parent.name for p in folder.rglob("*tfevents*")}
    assert len(list(again.iterdir())) == 2
    (path,) = again.glob(f"*{diverged.id}/*")
    assert scalars(read(path)) == {"loss": [(16, 1.4)]}


def test_the_same_records_are_written_to_the_same_bytes(tmp_path: Path) -> None:
    first, second = (next(write_events({"": [training()]}, tmp_path / n).rglob("*tfevents*")) for n in ("a", "b"))
    assert first.read_bytes() == second.read_bytes() and first.name == "events.out.tfevents.avbench"


def test_a_run_without_trainings_and_a_machine_without_tensorboardx_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"^TensorBoard shows trainings, and there are none here: measure accuracy"):
        put(report("run", [held("vit", 3.0)]), tmp_path / "report", ["tensorboard"])
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        ValueError, match=r"^TensorBoard needs tensorboardX: `pip install tensorboardX`, or take --format"
    ):
        write_events({"": [training()]}, tmp_path / "tensorboard")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = save(tmp_path / "run", [training()])
    with pytest.raises(SystemExit) as ended:
        main(["report", str(run), "--format", "tensorboard"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip().endswith("tensorboard")
    assert len(list((run / "report" / "tensorboard").rglob("*tfevents*"))) == 1
