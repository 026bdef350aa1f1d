"""One loop for every design: the same images in the same order by the same recipe, from any point on.

A step shows the network one batch, in parts where it would not fit, and divides the gradient by what counts in all of
it: neither parts nor several processes change what is learnt, but for rounding, and for batch norms, which see parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, isfinite
from time import perf_counter
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from suite.data.source import IGNORE
from suite.step import Answer, losses_of
from suite.training.checkpoint import Checkpoint
from suite.training.feed import Images
from suite.training.objective import Objective, labels, wrongness
from suite.training.recipe import Schedule, optimiser
from variants.contract import Grid

LOOK = 16  # steps between two looks at the loss, each of which waits for the device
CURVE = 100  # points that are kept of the loss, at most
TELL_S = 0.25  # between two tellings of progress
DIVERGED = 2.0  # times the loss of a blind guess: a training that ends above this has diverged
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}

Progress = Callable[[float], None]


@dataclass
class Training:
    """What happened so far."""

    images: int = 0
    seconds: float = 0.0  # without those of saving checkpoints
    losses: list[tuple[int, float]] = field(default_factory=list)  # images seen, and the mean loss since the last point
    foreground_losses: list[tuple[int, float]] = field(default_factory=list)  # the same, see `foreground`
    recent: list[Tensor] = field(default_factory=list)  # 3, of each step since the last point: see `_backward`
    stopped_by: str = ""  # images, minutes, nan or diverged; empty while it goes on
    resumed_at: int = 0  # images that an earlier process had shown
    pretraining: Training | None = None  # on masked patches, before this one

    @property
    def status(self) -> str:
        """`ok`, or what went wrong: `nan`, `diverged`."""
        return self.stopped_by if self.stopped_by in ("nan", "diverged") else "ok"

    @property
    def phases(self) -> tuple[Training, ...]:
        """Itself, after its pre-training."""
        return (self,) if self.pretraining is None else (self.pretraining, self)


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` makes under this seed; the state of torch's generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def prepared(device: str, dtype: str) -> Fabric:
    """Fabric on one device. In bfloat16 the weights stay in float32, and the passes are in bfloat16 where torch's
    autocast allows it. ValueError for a device or dtype that cannot be had.
    """
    if dtype not in PRECISIONS:
        raise ValueError(f"training runs in {' or '.join(PRECISIONS)}, not in {dtype}: choose one of these as --dtype")
    kind = torch.device(device)
    if kind.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("this machine has no CUDA device that torch can use: take the device cpu")
    devices = [kind.index or 0] if kind.type == "cuda" else 1
    return Fabric(accelerator=kind.type, devices=devices, precision=PRECISIONS[dtype])  # type: ignore[arg-type]


def train(
    fabric: Fabric,
    network: nn.Module,
    source: Images,
    size: Grid,
    schedule: Schedule,
    progress: Progress = lambda share: None,
    checkpoint: Checkpoint | None = None,
    objective: Objective | None = None,
) -> tuple[nn.Module, Training]:
    """Trains the network in place, until the images or the minutes are over or a loss is not finite.

    The objective is to name what the images are, unless it is another one.

    Goes on from the checkpoint's state if it has one: on the CPU, with a number of images as the limit, to the same
    weights, bit for bit. `progress` hears now and then which share of the training is over. Returns the network as
    Fabric runs it, and what happened. ValueError names an unreadable image.
    """
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(schedule.seed)
        loop = Loop(fabric, network, source, size, schedule, objective or labels(source))
        loop.run(progress, checkpoint or Checkpoint())
    return loop.model, loop.so_far


class Loop:
    """A training and all that the rest of it depends on."""

    def __init__(
        self, fabric: Fabric, network: nn.Module, source: Images, size: Grid, schedule: Schedule, objective: Objective
    ) -> None:
        """ValueError if several processes cannot share the schedule."""
        self.fabric, self.network, self.schedule, self.so_far = fabric, network, schedule, Training()
        self.objective = objective
        self.processes = fabric.world_size
        if schedule.minutes and self.processes > 1:
            raise ValueError("several processes have no common clock: limit the images, not the minutes")
        if schedule.images % self.processes or schedule.batch % self.processes:
            raise ValueError(f"{self.processes} processes share every batch: give multiples of {self.processes} images")
        self.model, self.adam = fabric.setup(network.train(), optimiser(network, schedule))
        self.feed = objective.feed(source, size, schedule, fabric.device, fabric.global_rank, self.processes)

    def run(self, progress: Progress, checkpoint: Checkpoint) -> None:
        """All steps that are left."""
        state = checkpoint.load()
        if state and "stopped_by" in state:  # else it is of an earlier avbench
            self.restore(state)
        start, told = perf_counter() - self.so_far.seconds, -inf
        while not self.so_far.stopped_by:
            self.step(perf_counter() - start)
            self.so_far.seconds = perf_counter() - start
            self.judge()
            self.so_far.seconds = perf_counter() - start  # a look has waited for the device
            if self.so_far.stopped_by or self.so_far.seconds - told > TELL_S:
                told = self.so_far.seconds
                progress(self.share())
            if checkpoint.due or self.so_far.stopped_by:  # what comes after it may be cut short too
                checkpoint.save(self.state())
                start = perf_counter() - self.so_far.seconds

    def step(self, seconds: float) -> None:
        """One batch: its loss, its gradient, a step of the optimiser at the rate of the batch's middle."""
        images, targets = self.feed.batch()
        self._set_rate(self.schedule.progress((self.so_far.images + self.feed.images) / 2, seconds))
        self.so_far.recent.append(self._backward(images, targets))
        self.fabric.clip_gradients(self.model, self.adam, max_norm=self.schedule.clip, error_if_nonfinite=False)
        self.adam.step()
        self.adam.zero_grad()
        self.so_far.images = self.feed.images

    def _backward(self, images: Tensor, targets: Tensor) -> Tensor:
        """`3`: the batch's mean loss, without auxiliary heads, and its sums in the foreground. A mean over processes is
        that of them all. The gradient, of the auxiliary heads too, is left in the parameters.
        """
        counted = (targets != IGNORE).sum()
        counted = self._over_processes(counted, "sum")
        share = self.processes / counted.clamp(min=1)  # Fabric divides gradients by the number of processes
        parts = zip(*(t.split(self.schedule.at_once or len(t)) for t in (images, targets)), strict=True)
        total, left = torch.zeros(3, device=images.device), len(images)
        for some, wanted in parts:
            left -= len(some)
            with self.fabric.no_backward_sync(self.model, enabled=left > 0):
                answer = self.model(some)
                own, *auxiliary = losses_of(answer, wanted, self.objective.wrong)
                self.fabric.backward(sum(auxiliary, own) * share)
            total[0] += own.detach() * share
            if self.objective.ground is not None:
                total[1:] += foreground(answer, wanted, self.objective.ground)
        return total

    def _over_processes(self, number: Tensor, how: str) -> Tensor:
        """The sum or the mean of what each process holds."""
        return cast(Tensor, self.fabric.all_reduce(number, reduce_op=how))

    def _set_rate(self, progress: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] = self.schedule.rate(progress)

    def share(self) -> float:
        """How much of the training is over, from 0 to 1."""
        return self.schedule.progress(self.so_far.images, self.so_far.seconds)

    def judge(self) -> None:
        """Looks at the loss now and then, and at the end; says what the training was stopped by, if it was."""
        over = self.share() == 1.0
        if len(self.so_far.recent) < LOOK and not over:
            return
        means = self._over_processes(torch.stack(self.so_far.recent).mean(0), "mean")
        loss, wrong, pixels = means.tolist()
        self.so_far.losses.append((self.so_far.images, loss))
        if pixels:
            self.so_far.foreground_losses.append((self.so_far.images, wrong / pixels))
        self.so_far.recent.clear()
        if not isfinite(loss):
            self.so_far.stopped_by = "nan"
        elif over:
            ended = "images" if self.so_far.images == self.schedule.images else "minutes"
            self.so_far.stopped_by = "diverged" if loss > DIVERGED * self.objective.guess else ended

    def state(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        so_far, on_cuda = self.so_far, self.fabric.device.type == "cuda"
        return {
            "network": self.network.state_dict(),
            "optimiser": self.adam.state_dict(),
            "feed": self.feed.state(),
            "chance": torch.get_rng_state(),
            "chance_cuda": torch.cuda.get_rng_state(self.fabric.device) if on_cuda else None,
            "seconds": so_far.seconds,
            "losses": [list(point) for point in so_far.losses],
            "foreground_losses": [list(point) for point in so_far.foreground_losses],
            "recent": list(so_far.recent),
            "stopped_by": so_far.stopped_by,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.network.load_state_dict(state["network"])
        self.adam.load_state_dict(state["optimiser"])
        self.feed.restore(state["feed"])
        torch.set_rng_state(state["chance"])
        if state["chance_cuda"] is not None:
            torch.cuda.set_rng_state(state["chance_cuda"], self.fabric.device)
        recent = [loss.to(self.fabric.device) for loss in state["recent"]]
        losses, apart = ([(n, loss) for n, loss in state[name]] for name in ("losses", "foreground_losses"))
        images = self.feed.images
        self.so_far = Training(images, state["seconds"], losses, apart, recent, state["stopped_by"], images)


@torch.no_grad()
def foreground(answer: Answer, targets: Tensor, ground: int) -> Tensor:
    """`2`: of all pixels that are no ground, the summed cross-entropy among the other classes, and their number.

    How well a network tells objects apart, whatever their edges cost it.
    """
    logits = (answer[0] if isinstance(answer, tuple) else answer).clone()  # b k Y X
    logits[:, ground] = -inf
    targets = targets.masked_fill(targets == ground, IGNORE)
    return torch.stack([wrongness(logits, targets), (targets != IGNORE).sum()])


def thinned(losses: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most CURVE points: each stands for equally many, with their mean loss. What is not finite is left out."""
    losses = [point for point in losses if isfinite(point[1])]
    step = -(-len(losses) // CURVE) or 1
    runs = [losses[first : first + step] for first in range(0, len(losses), step)]
    return [(run[-1][0], sum(loss for _, loss in run) / len(run)) for run in runs]
