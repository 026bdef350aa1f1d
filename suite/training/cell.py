"""A cell of accuracy: trains a network as its case says, tests it, and writes down what a reader needs to judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from torch import nn

from suite import failure
from suite.case import Case
from suite.data.source import Source, held
from suite.field import effective, settled
from suite.record import Metric, Record
from suite.training import masked, plateau, search
from suite.training.checkpoint import Checkpoint
from suite.training.elsewhere import examine_in_parts, take_over
from suite.training.exam import Exam, asked, metric_of, scores, speed
from suite.training.feed import Images
from suite.training.keep import Keep
from suite.training.loop import Progress, Training, prepared, seeded, thinned, train
from suite.training.recipe import Schedule
from suite.training.search import SEED, VALIDATION, Searching, Tried
from suite.units import parse_size
from variants.contract import Grid

Metrics = dict[str, Metric]
LOWER = "lower the rate (--lr), or let --lr-search choose one"
WHY = {
    "nan": f"the loss or the answers are not finite: {LOWER}",
    "diverged": f"the loss ended far above that of a blind guess: {LOWER}",
}


class Cell:
    """One accuracy case. `build` makes its network for a size, with weights drawn from torch's current seed."""

    def __init__(self, case: Case, build: Callable[[Grid], nn.Module], progress: Progress, keep: Keep) -> None:
        """ValueError for a device or a dtype that training cannot have."""
        self.case, self.build, self.progress, self.keep = case, build, progress, keep
        self.fabric, self.size = prepared(case.device, case.dtype), Grid(case.height, case.width)
        self.trainings_over = 0

    def record(self) -> Record:
        """Searches for a rate if the case asks for it, trains, tests. ValueError names an image that cannot be read."""
        case, lr, notes = self.case, self.case.lr, dict[str, Any]()
        if case.lrs:
            tried = self.search()
            chosen = search.best(tried)
            notes |= {"search": [asdict(one) for one in tried]}
            if chosen is None:
                return Record(case, tried[0].status, "every rate failed: choose smaller ones", notes=notes)
            lr, notes = chosen.lr, notes | {"rate_at_edge": search.is_at_edge(tried, chosen)}
        source = held(case.data, case.task, case.seed)
        self.trainings_over = len(case.lrs)
        network, training = self.train(source, case.seed, lr, case.id)
        notes |= told(source, training) | {"resizing": source.resizing}
        scored = self.scored(source, network, self.size) if training.status == "ok" else {}
        status = training.status if scored or training.status != "ok" else "nan"
        if not scored:
            where = "" if training.images else "on masked patches, "
            return Record(case, status, where + WHY[status], notes=notes)
        elsewhere, untested = self.elsewhere(source, network)
        notes |= {"untested": untested} if untested else {}
        field, unknown = self.field(source, network)
        notes |= {"no_field": unknown} if unknown else {}
        return Record(case, "ok", metrics=self.learnt(source, training, lr, scored) | elsewhere | field, notes=notes)

    def search(self) -> list[Tried]:
        """What each of the case's rates leads to."""
        name = search.name_of(self.case)
        tried = search.searched(self.case.lrs, self.attempt, self.keep.search(name))
        for lr in self.case.lrs:
            self.keep.discard(f"{name}-{lr:g}")
        return tried

    def attempt(self, lr: float) -> Tried:
        """What one rate leads to."""
        source = Searching(held(self.case.data, self.case.task, SEED))
        network, training = self.train(source, SEED, lr, f"{search.name_of(self.case)}-{lr:g}")
        self.trainings_over += 1
        if training.status != "ok":
            return Tried(lr, training.status, images=training.images, seconds=training.seconds)
        exam = self.exam(network, source, VALIDATION, self.size)
        if exam is None:
            return Tried(lr, "nan", images=training.images, seconds=training.seconds)
        found = scores(self.case.task, exam.counts)[metric_of(self.case.task)]
        return Tried(lr, "ok", found.value, found.low, found.high, training.images, training.seconds)

    def train(self, source: Images, seed: int, lr: float, name: str) -> tuple[nn.Module, Training]:
        """A new network, trained; its state is kept under the name until then."""
        case, network = self.case, seeded(seed, partial(self.build, self.size)).to(self.fabric.device)
        schedule = Schedule(case.train_images, case.train_minutes, lr, case.batch, case.at_once, case.augment, seed)
        pretraining = self.pretrain(network, source, schedule, name) if case.pretrain_images else None
        if pretraining and pretraining.status != "ok":
            return network, Training(stopped_by=pretraining.stopped_by, pretraining=pretraining)
        checkpoint = Checkpoint(self.keep.state(name), self.keep.every_s)
        tell = partial(self.tell, self.share, 1.0)
        model, training = train(self.fabric, network, source, self.size, schedule, tell, checkpoint)
        if name == case.id:
            Checkpoint(self.keep.final(name)).save({"network": network.state_dict()})
        return model, replace(training, pretraining=pretraining)

    def pretrain(self, network: nn.Module, source: Images, schedule: Schedule, name: str) -> Training:
        """What its backbone learns from masked patches, by the same recipe."""
        schedule = replace(schedule, images=self.case.pretrain_images)
        filling = masked.Filling(network.backbone, self.size)  # type: ignore[arg-type]  # a Network
        objective = masked.pixels(masked.patch_side(self.size, self.case.patch))
        checkpoint = Checkpoint(self.keep.pretrained(name), self.keep.every_s)
        tell = partial(self.tell, 0.0, self.share)
        return train(self.fabric, filling, source, self.size, schedule, tell, checkpoint, objective)[1]

    @property
    def share(self) -> float:
        """Of a training, what its pre-training takes, about."""
        images = self.case.pretrain_images
        return images / (images + (self.case.train_images or images or 1))

    def tell(self, first: float, last: float, share: float) -> None:
        """Tells which share of all trainings of the case is over, where that share of one between these two is."""
        over = self.trainings_over + first + (last - first) * share
        self.progress(over / (len(self.case.lrs) + 1))

    def exam(self, network: nn.Module, source: Images, split: str, size: Grid) -> Exam | None:
        """The answers to a split at a size."""
        return examine_in_parts(network, source, split, size, asked(source, split), self.case.batch, self.fabric.device)

    def learnt(self, source: Source, training: Training, lr: float, scored: Metrics) -> Metrics:
        """The scores at the size of the training, and what they took, its pre-training with it."""
        images = sum(phase.images for phase in training.phases)
        seconds = sum(phase.seconds for phase in training.phases)
        taken = {
            "images_seen": Metric(images, ""),
            "lr": Metric(lr, ""),
            "train_seconds": Metric(seconds, "s"),
            "train_ms_per_image": Metric(1e3 * seconds / images, "ms"),
            "images_per_s": Metric(images / seconds, "img/s"),
        }
        return scored | left(source, training) | taken

    def elsewhere(self, source: Source, trained: nn.Module) -> tuple[Metrics, dict[str, str]]:
        """The scores at the case's further sizes, as `top1@512`; and why there are none at some, by size.

        Whatever a network cannot do at another size takes nothing from what it did at its own.
        """
        metrics, untested, weights = Metrics(), dict[str, str](), trained.state_dict()
        for text in self.case.tests:
            try:
                network = self.build(size := parse_size(text))
                take_over(network, weights)
                scored = self.scored(source, self.fabric.setup_module(network), size)
                untested |= {} if scored else {text: "the answers are not finite"}
                metrics |= {f"{name}@{text}": metric for name, metric in scored.items()}
            except Exception as error:
                untested[text] = failure.told(error)[1]
        return metrics, untested

    def field(self, source: Source, trained: nn.Module) -> tuple[Metrics, str]:
        """The last layer's effective field before and after training, on the same test images; or why it is unknown.

        Before, batch norms have the statistics of these images. What fails here takes nothing from what was learnt.
        """
        try:
            network = seeded(self.case.seed, partial(self.build, self.size)).to(self.fabric.device)
            if not hasattr(network, "layers"):
                return {}, "the design does not tell its layers"
            chosen = range(min(Schedule.field_images, asked(source, "test")))
            images, _ = source.batch("test", chosen, self.size, str(self.fabric.device))
            found = {"before": effective(settled(network, images), images)}
            network.load_state_dict(trained.state_dict())
            found["after"] = effective(network.eval(), images)
        except Exception as error:
            return {}, failure.told(error)[1]
        return {
            f"effective_{of}_{when}": Metric(share, f"of {of}", n=len(images))
            for when, shares in found.items()
            for of, share in zip(("tokens", "pixels"), shares, strict=True)
        }, ""

    def scored(self, source: Source, network: nn.Module, size: Grid) -> Metrics:
        """The scores at a size, what they lie between, and how fast they came; nothing where one is not finite."""
        exam = self.exam(network, source, "test", size)
        if exam is None:
            return {}
        metrics = self.known(source, size) | scores(self.case.task, exam.counts, source.ground, exam.boundary)
        metrics |= self.by_group(source, exam) | self.further(source, network, size)
        if count := getattr(network, "macs", None):  # models of others state no cost
            metrics["image_macs"] = Metric(count(size), "MAC")
        taken = {"test_images": Metric(len(exam.counts), ""), "test_batch": Metric(exam.batch, "images")}
        return metrics | taken | {"test_img_s": speed(exam)}

    def known(self, source: Source, size: Grid) -> Metrics:
        """What is known of the test before anyone takes it; what nobody knows is left out."""
        native, grown = source.native("test"), source.upsampled("test", size)
        known = {"chance": source.chance(size), "boundary_chance": source.boundary_chance(size)}
        known |= {"ceiling": source.ceiling(size), "native": native, "upsampled_x": grown}
        units = {"native": "px", "upsampled_x": "×"}
        return {name: Metric(value, units.get(name, "")) for name, value in known.items() if value is not None}

    def by_group(self, source: Source, exam: Exam) -> Metrics:
        """The score over the test images of each group: `miou_keys3`."""
        name, place = metric_of(self.case.task), source.group("test", range(len(exam.counts)))
        parts = {group: exam.counts[place == i] for i, group in enumerate(source.groups)}
        return {f"{name}_{g}": scores(self.case.task, part)[name] for g, part in parts.items() if len(part)}

    def further(self, source: Source, network: nn.Module, size: Grid) -> Metrics:
        """The score on each further split: `top1_moved50`. Left out where an answer is not finite."""
        name = metric_of(self.case.task)
        exams = {split: self.exam(network, source, split, size) for split in source.further}
        return {f"{name}_{s}": scores(self.case.task, exam.counts)[name] for s, exam in exams.items() if exam}


def left(source: Source, training: Training) -> Metrics:
    """After how many images with labels the loss left its plateau; and whether it never did. Nothing where the source
    has no plateau.
    """
    if source.plateau is None:
        return {}
    images = plateau.left(thinned(training.foreground_losses or training.losses), source.plateau)
    metrics = {"never_left": Metric(float(images is None), "")}
    return metrics if images is None else metrics | {"images_to_leave": Metric(images, "images")}


def told(source: Source, training: Training) -> dict[str, Any]:
    """What a reader may want to know of a training, whatever became of it."""
    notes: dict[str, Any] = {"losses": thinned(training.losses), "stopped_by": training.stopped_by}
    notes |= {"plateau_loss": source.plateau} if source.plateau is not None else {}
    if training.foreground_losses:
        notes["foreground_losses"] = thinned(training.foreground_losses)
    if (before := training.pretraining) is not None:
        taken = {"images": before.images, "seconds": before.seconds, "stopped_by": before.stopped_by}
        notes["pretraining"] = {"losses": thinned(before.losses), "guess": masked.GUESS} | taken
    resumed_at = sum(phase.resumed_at for phase in training.phases)
    return notes | ({"resumed_at": resumed_at} if resumed_at else {})
