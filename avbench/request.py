"""Request: the options that `plan` and `sweep` share, as they were written; and what they mean."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, get_type_hints

from typer import Argument, Option

if TYPE_CHECKING:
    from suite.axes import Axes, Data, Learning, Limits

MINUTES_WITHOUT_GPU = 20.0
LEARNT_WITHOUT_GPU = "64"  # pixels: at 224, two cores show a network of 5M parameters 600 images a minute
WHAT, NETWORKS, WORK, LEARNING, EFFORT = "What", "Networks", "Workloads", "Learning", "Effort"


def option(default: Any, help: str, panel: str) -> Any:
    """A field that becomes the flag of its name."""
    return field(default=default, metadata={"cli": Option(help=help, rich_help_panel=panel)})


@dataclass(frozen=True)
class Request:
    """One field for each option; several values are separated by commas."""

    designs: list[str] | None = field(
        default=None,
        metadata={"cli": Argument(help="Names of `avbench list`, ./mine.py or package.module:RECIPE; none: all.")},
    )
    res: str = option("224,512,1024", "Pixels: 224, or rows x columns: 224x320.", WHAT)
    task: str = option("classification,segmentation", "classification, segmentation.", WHAT)
    metric: str = option(
        "params,macs,memory,latency,accuracy", "What to measure; there are also field and probe.", WHAT
    )
    params: str = option("5M", "Parameters of every network without its head, such as 0.3M or 100M.", NETWORKS)
    scope: str = option("network", "network, mixer: one layer of the mixer alone, where --res counts tokens.", WHAT)
    layout: str = option("", "isotropic, pyramid, bottleneck; by default each design's own.", NETWORKS)
    position: str = option("", "none, learned, sincos, bias, query, rotary; by default each design's own.", NETWORKS)
    patch: int = option(0, "The most pixels a token is wide; by default as each design has it.", NETWORKS)
    decoder: str = option(
        "", "What segments: linear, naive, pup, mla, uper, uper:128; by default each design's own.", NETWORKS
    )
    classes: int | None = option(None, "By default as many as the data has.", NETWORKS)
    batch: str = option(
        "1",
        "Images at once, for memory and latency; max: the largest power of 2 that should fit in memory and time.",
        WORK,
    )
    device: str = option("", "cpu, cuda, cuda:1; by default cuda where there is one.", WORK)
    dtype: str = option("float32", "float32, bfloat16, float16.", WORK)
    backend: str = option("sdpa", "sdpa: torch's fused attention; math: the plain form; flex: flex_attention.", WORK)
    mode: str = option("inference", "inference, train; for latency. Memory is measured in both.", WORK)
    compile: str = option("no", "no, yes: whether torch.compile makes the network, for memory and latency.", WORK)
    memory_format: str = option(
        "contiguous", "contiguous, channels_last: images and weights of convolutions, for memory and latency.", WORK
    )
    cache: str = option("cold", "cold, warm: before each call, for latency on CUDA.", WORK)
    threads: str = option("", "Of the CPU; several such as 1,2 are rows of their own. By default all.", WORK)
    data: str = option(
        "scenes", "scenes:FAMILY, digits, hf:NAME, {folder,pets,voc,ade20k,cityscapes,imagenet}:PATH.", LEARNING
    )
    train_res: str = option(
        "", "The one size at which all learn; by default each of --res, without a GPU 64 at most.", LEARNING
    )
    test_res: str = option("", "Further sizes at which each trained network is tested.", LEARNING)
    train_images: int = option(8000, "Images that a network learns from.", LEARNING)
    train_minutes: float = option(1.0, "And how long it may learn; 0: until all images are seen.", LEARNING)
    pretrain_images: int = option(0, "Images whose masked patches it fills in first, without labels.", LEARNING)
    train_batch: int = option(16, "Images of a step.", LEARNING)
    lr: float | None = option(None, "Learning rate; by default 1e-3.", LEARNING)
    lr_search: bool = option(False, "Choose each network's rate on validation images: 5e-4 to 4e-3.", LEARNING)
    augment: str = option(
        "shift", "none, shift, flip, crop, color, or several: shift+flip; by kornia, what the data allows.", LEARNING
    )
    seeds: int = option(1, "Trainings of each network.", LEARNING)
    keep_weights: bool = option(False, "Leave the trained weights in the run folder.", LEARNING)
    rounds: int = option(3, "Fresh processes that each latency is measured in.", EFFORT)
    minutes: float | None = option(None, "Of the run; by default 20 without a GPU, no end with one.", EFFORT)
    case_seconds: float | None = option(
        None, "A longer measurement is not tried; by default 60, or less where the minutes are short.", EFFORT
    )
    claims: bool = option(False, "Measure what the survey's verdicts need, whatever is named beside it.", EFFORT)
    memory: str = option("", "A measurement that would need more is not tried: 24GB; by default what is free.", EFFORT)

    def device_names(self) -> tuple[str, ...]:
        """The devices, each of which this machine has. ValueError names one that it lacks."""
        from suite.machine import default_device, require

        names = _listed(self.device) or (default_device(),)
        for name in names:
            require(name)
        return names

    def axes(self) -> Axes:
        """What is varied. ValueError says which option cannot be read."""
        from suite.axes import MAX, Axes
        from suite.machine import default_threads
        from suite.units import parse_count, parse_size

        tasks = _listed(self.task)
        return Axes(
            resolutions=tuple(parse_size(text) for text in _listed(self.res)),
            tasks=tasks,
            params=parse_count(self.params),
            layouts=_listed(self.layout) or ("",),
            positions=_listed(self.position) or ("",),
            patch=self.patch,
            decoders=_listed(self.decoder) or ("",),
            batches=tuple(text if text == MAX else _whole(text, "batch") for text in _listed(self.batch)),
            devices=self.device_names(),
            dtypes=_listed(self.dtype),
            backends=_listed(self.backend),
            compiles=tuple(_yes(text, "compile") for text in _listed(self.compile)),
            memory_formats=_listed(self.memory_format),
            modes=_listed(self.mode),
            scopes=_listed(self.scope),
            caches=_listed(self.cache),
            metrics=_listed(self.metric),
            learning=self.learning(tasks),
            classes=self.classes,
            rounds=self.rounds,
            threads=tuple(_whole(text, "threads") for text in _listed(self.threads)) or (default_threads(),),
        )

    def learning(self, tasks: tuple[str, ...]) -> Learning:
        """How networks learn. ValueError says which option cannot be."""
        from suite.axes import Learning
        from suite.training.augment import named
        from suite.training.cases import LRS
        from suite.units import parse_size

        if self.lr_search and self.lr is not None:
            raise ValueError(f"--lr {self.lr:g} leaves nothing to search: leave out --lr or --lr-search")
        augment = named(self.augment)
        return Learning(
            data=tuple(data_of(name, tasks, augment) for name in _listed(self.data)),
            images=self.train_images,
            minutes=self.train_minutes,
            pretrain_images=self.pretrain_images,
            batch=self.train_batch,
            lr=Learning.lr if self.lr is None else self.lr,
            lrs=LRS if self.lr_search else (),
            augment=augment,
            seeds=self.seeds,
            size=parse_size(self.train_res) if self.train_res else None,
            most=parse_size(LEARNT_WITHOUT_GPU) if self.device_names() == ("cpu",) else None,
            tests=tuple(map(parse_size, _listed(self.test_res))),
        )

    def limits(self) -> Limits:
        """What the run and its cases may take."""
        from suite.axes import Limits
        from suite.units import parse_bytes

        minutes = self.minutes
        if minutes is None and self.device_names() == ("cpu",):
            minutes = MINUTES_WITHOUT_GPU
        memory = parse_bytes(self.memory) if self.memory else None
        minutes = minutes if minutes is None or isfinite(minutes) else None
        if self.case_seconds is None:
            return Limits(memory_bytes=memory, minutes=minutes, shared=True)
        return Limits(self.case_seconds, memory, minutes)

    def as_dict(self) -> dict[str, Any]:
        """All that was asked for, fit for JSON."""
        return asdict(self)


def data_of(name: str, tasks: tuple[str, ...], augment: str = "shift") -> Data:
    """What is known of the data before any image is read. ValueError if no task can be learnt from it, or not so."""
    from suite.axes import Data, Known
    from suite.data.source import load, telling
    from suite.training.augment import require
    from suite.training.exam import asked

    known, refused = {}, dict[str, ValueError]()
    for task in tasks:
        try:
            source = load(name, task, 0)
        except ValueError as error:
            refused[task] = error
        else:
            require(source, augment)
            examined = sum(asked(source, split) for split in ("test", *source.further))
            known[task] = Known(source.name, source.classes, examined)
    if refused and not known:
        raise telling(list(refused.values()))
    return Data(name, known, {task: str(error) for task, error in refused.items()})


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command whose first parameter is a Request one option for each field of it."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    hints = get_type_hints(Request)
    asked = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=_cli_default(f), annotation=hints[f.name])
        for f in fields(Request)
    ]

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        request = Request(**{f.name: given.pop(f.name) for f in fields(Request)})
        command(request, **given)

    wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads
        [*asked, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own)]
    )
    return wrapper


def _cli_default(f: Any) -> Any:
    """The Typer option of a field, with the field's default in it."""
    shown = f.metadata["cli"]
    shown.default = f.default
    return shown


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(piece.strip() for piece in text.split(",") if piece.strip()))


def _yes(text: str, flag: str) -> bool:
    if text not in ("no", "yes"):
        raise ValueError(f"--{flag} {text} is neither: write no, yes or no,yes")
    return text == "yes"


def _whole(text: str, flag: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"--{flag} {text} is no whole number: write one such as 8, or several such as 1,8")
    return int(text)
