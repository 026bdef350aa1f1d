"""A training that was cut short goes on to the same weights, bit for bit, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
import torch
from sweeps import FakeWorker
from test_accuracy_cell import CASE
from test_run import planned, ran
from test_training import SIZE, Squares, Tiny
from torch import Tensor, nn

from suite.axes import Limits
from suite.measure import Bench
from suite.record import Record, read
from suite.training.checkpoint import Checkpoint
from suite.training.keep import Keep
from suite.training.loop import Training, prepared, seeded, train
from suite.training.recipe import Schedule
from suite.worker import Worker
from variants.contract import Grid


class Stopped(Squares):
    """Breaks off when image number `end` is asked for."""

    end = 10**9

    def batch(self, split: str, indices: Sequence[int], size: Grid, device: str = "cpu") -> tuple[Tensor, Tensor]:
        if len(self.asked) >= self.end:
            raise KeyboardInterrupt
        return super().batch(split, indices, size, device)


class Random(Tiny):
    """With chance inside, and with statistics over batches."""

    def __init__(self) -> None:
        super().__init__(3, 4, dense=True)
        self.body.append(nn.BatchNorm2d(8))
        self.body.append(nn.Dropout(0.2))


def trained(checkpoint: Checkpoint | None = None, end: int = 10**9) -> tuple[nn.Module, Training]:
    network, source = seeded(0, Random), Stopped(classes=3, ground=0)
    source.end = end
    fabric, schedule = prepared("cpu", "float32"), Schedule(images=330, lr=1e-2, batch=8)
    return train(fabric, network, source, SIZE, schedule, checkpoint=checkpoint)


def test_a_training_goes_on_to_the_same_weights_and_curve(tmp_path: Path) -> None:
    whole, training = trained()
    path, reached = tmp_path / "it.pt", 0
    for end in (96, 200):
        checkpoint = Checkpoint(path, every_s=0.0)
        checkpoint.next = 0.0
        with pytest.raises(KeyboardInterrupt):
            trained(checkpoint, end - reached)
        reached = torch.load(path, weights_only=True)["state"]["feed"]["images"]
        assert 0 < reached <= end
    again, resumed = trained(Checkpoint(path))
    assert resumed.resumed_at == reached
    assert (resumed.losses, resumed.images, resumed.status) == (training.losses, training.images, "ok")
    assert resumed.foreground_losses == training.foreground_losses != []
    for name, tensor in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_a_state_of_an_earlier_avbench_is_begun_anew(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "it.pt", every_s=inf)
    checkpoint.save({"losses": [[96, 0.7]], "seconds": 3.0})
    assert trained(checkpoint)[1].resumed_at == 0


def test_the_seconds_before_count(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "it.pt", every_s=0.0)
    checkpoint.next = 0.0
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint, 100)
    state = checkpoint.load() or {}
    state["seconds"] += 1000
    checkpoint.save(state)
    schedule = Schedule(images=10**6, minutes=1001 / 60, batch=8)
    _, training = train(prepared("cpu", "float32"), Random(), Squares(), SIZE, schedule, checkpoint=checkpoint)
    assert training.stopped_by == "minutes" and 1001 < training.seconds < 1100


@pytest.mark.parametrize("broken", [b"", b"not a checkpoint", None])
def test_a_checkpoint_that_cannot_be_read_is_left_out(tmp_path: Path, broken: bytes | None) -> None:
    path = tmp_path / "it.pt"
    if broken is None:
        torch.save({"torch": "0.1", "state": {}}, path)
    else:
        path.write_bytes(broken)
    assert Checkpoint(path).load() is None


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    checkpoint = Checkpoint(tmp_path / "file" / "it.pt", every_s=0.0)
    checkpoint.next = 0.0
    assert trained(checkpoint)[1].status == "ok"
    assert "no checkpoint at" in capsys.readouterr().err


def test_a_worker_killed_in_the_middle_of_a_training_goes_on(tmp_path: Path) -> None:
    case = replace(CASE, train_images=1600, tests=("24",), pretrain_images=800, patch=4)
    keep = Keep(str(tmp_path / "run"), every_s=0.01, weights=True)
    phases, final = [keep.pretrained(case.id), keep.state(case.id)], keep.final(case.id)
    assert final is not None

    def kill(share: float) -> None:
        if share > 0.1 and phases[0] is not None and phases[0].exists() and worker.process is not None:
            os.kill(worker.process.pid, signal.SIGKILL)

    with Worker("fakes:find", log=tmp_path / "log", keep=keep) as worker:
        for _ in range(len(phases)):
            crashed = worker.measure(case, 60, 2**30, kill)
            assert (crashed.status, final.exists()) == ("crash", False)
            phases.pop(0)
        resumed = worker.measure(case, 60, 2**30)
        weights = torch.load(final, weights_only=True)["state"]["network"]
    whole = Bench(__import__("fakes").find).measure(case, keep=replace(keep, folder=str(tmp_path / "other")))
    assert 800 < resumed.notes["resumed_at"] < 2400
    for one, other in ((resumed.notes, whole.notes), (resumed.notes["pretraining"], whole.notes["pretraining"])):
        assert [list(point) for point in one["losses"]] == [list(point) for point in other["losses"]]
    assert [resumed.metrics[name] == whole.metrics[name] for name in ("top1", "top1@24")] == [True, True]
    other = torch.load(Path(tmp_path, "other", "checkpoints", final.name), weights_only=True)["state"]["network"]
    assert all(torch.equal(weights[name], tensor) for name, tensor in other.items())


def test_a_training_that_was_over_is_not_begun_again(tmp_path: Path) -> None:
    whole, training = trained(Checkpoint(tmp_path / "it.pt"))
    again, resumed = trained(Checkpoint(tmp_path / "it.pt"), end=0)
    assert (resumed.losses, resumed.stopped_by, resumed.resumed_at) == (training.losses, "images", training.images)
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in whole.state_dict().items())


class Keeping(FakeWorker):
    """Leaves a state of each training, as a worker that was stopped in the middle would."""

    folder = Path()

    def measure(self, case, limit_s, memory_bytes, progress=None) -> Record:  # type: ignore[no-untyped-def]
        path = Keep(str(self.folder)).state(case.id)
        if case.quantity == "accuracy" and path is not None:
            path.parent.mkdir(exist_ok=True)
            path.touch()
        return super().measure(case, limit_s, memory_bytes, progress)


def test_a_run_deletes_the_state_of_what_it_recorded_and_keeps_that_of_the_rest(tmp_path: Path) -> None:
    worker = Keeping(takes=lambda case: 1e9 if case.design == "convnet" else 1.0)
    worker.folder = tmp_path
    ran(planned(32, metrics="accuracy"), tmp_path, worker, Limits(minutes=0.3))
    assert [r.status for r in read(tmp_path)] == ["ok", "not_reached"]
    assert [p.stem for p in (tmp_path / "checkpoints").iterdir()] == [read(tmp_path)[1].id]
    worker.takes = lambda case: 1.0
    ran(planned(32, metrics="accuracy"), tmp_path, worker)
    assert not list((tmp_path / "checkpoints").iterdir())
