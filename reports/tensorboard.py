"""Trainings -> event files that TensorBoard reads: a folder for each training, whatever became of it.

    loss       by images seen, as its record keeps it: each point the mean since the one before; and `foreground_loss`
               of pixels that are no ground, and `pretraining_loss` of masked patches, where there are such
    metrics    every number of its record, at its last image; `top1/at_512` is top1 tested at 512 pixels
    hparams    what one training had and another may not have, beside its scores

A step is an image. Records do not keep the times between, so every event bears that of the training's start.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from reports.units import HEADLINES
from suite.record import Record

FILE = "events.out.tfevents.avbench"  # TensorBoard takes every file with `tfevents` in its name
VERSION = "brain.Event:2"  # of the format, as its first event says
HPARAMS = (
    "design layout position decoder task data resolution params_budget batch pretrain_images augment train_images "
    "train_minutes dtype device seed"
).split()


def write_events(runs: Mapping[str, Sequence[Record]], folder: Path) -> Path:
    """Writes the folder anew: in it one for each run of a name, and for each training. Returns its path.

    ValueError where nothing was trained, and without tensorboardX.
    """
    trained = [(run, record) for run, records in runs.items() for record in records if record.notes.get("losses")]
    if not trained:
        raise ValueError("TensorBoard shows trainings, and there are none here: measure accuracy, or take --format csv")
    try:
        from tensorboardX import RecordWriter
    except ImportError:
        raise ValueError("TensorBoard needs tensorboardX: `pip install tensorboardX`, or take --format csv") from None
    if folder.exists():
        shutil.rmtree(folder)
    for run, record in trained:
        place = folder / run / name_of(record)
        place.mkdir(parents=True)
        writer = RecordWriter(str(place / FILE))
        for event in events(record):
            writer.write(event)
        writer.close()
    return folder


def name_of(record: Record) -> str:
    """What tells a training to a reader, and its id, as the name of a folder."""
    case = record.case
    said = f"{case.design} {case.data.rpartition('/')[2]} {case.resolution} seed {case.seed} {case.id}"
    return re.sub(r"[^\w.-]+", "-", said).strip(".-")


def events(record: Record) -> Iterator[bytes]:
    """The events of a training, in the order in which TensorBoard wants them."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import hparams, scalar

    began = datetime.fromisoformat(record.started).timestamp() if record.started else 0.0
    yield Event(wall_time=began, file_version=VERSION).SerializeToString()
    for summary in hparams(hparams_of(record), scores_of(record)):
        yield Event(wall_time=began, summary=summary).SerializeToString()
    for tag, images, value in points(record):
        yield Event(wall_time=began, step=images, summary=scalar(tag, value)).SerializeToString()


def points(record: Record) -> Iterator[tuple[str, int, float]]:
    """A tag, the images seen and a number: of every curve, and of every metric."""
    notes = record.notes
    yield from (("loss", *point) for point in notes["losses"])
    yield from (("foreground_loss", *point) for point in notes.get("foreground_losses", []))
    yield from (("pretraining_loss", *point) for point in notes.get("pretraining", {}).get("losses", []))
    last, _ = notes["losses"][-1]
    yield from ((tag_of(name), last, metric.value) for name, metric in record.metrics.items())


def tag_of(metric: str) -> str:
    """`top1@512` -> `top1/at_512`: TensorBoard shows what is alike before the stroke together."""
    return metric.replace("@", "/at_")


def scores_of(record: Record) -> dict[str, float]:
    """The scores of its task, at every size of a test."""
    return {tag_of(n): m.value for n, m in record.metrics.items() if n.partition("@")[0] in HEADLINES}


def hparams_of(record: Record) -> dict[str, Any]:
    """What the training had, its learning rate and status with it."""
    rate = record.metrics.get("lr")
    found = {name: getattr(record.case, name) for name in HPARAMS}
    return found | {"lr": rate.value if rate else record.case.lr, "status": record.status}
