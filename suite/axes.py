"""What a run varies (Axes), how its networks learn (Learning, Data, Known) and what it may take (Limits)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from suite.case import CACHES, MEMORY_FORMATS, MODES, SCOPES, TASKS
from variants.contract import Grid

METRICS = {
    "params": "static",
    "macs": "static",
    "flops": "static",
    "memory": "memory",
    "latency": "latency",
    "field": "field",
    "probe": "probe",
    "accuracy": "accuracy",
}
USUAL = ("params", "macs", "memory", "latency", "accuracy")  # what a run measures unless it is told
OF_A_MIXER = frozenset({"static", "memory", "latency", "probe"})  # quantities that a mixer has alone
DTYPES = ("float32", "bfloat16", "float16")
BACKENDS = ("sdpa", "math", "flex")
MAX = "max"  # a batch: the largest that should fit, see suite/fill.py


@dataclass(frozen=True)
class Known:
    """What is known of a data set for one task, before any image is read; 0 for what is not."""

    name: str  # its defaults spelt out, as cases bear it: scenes:grating
    classes: int = 0
    examined: int = 0  # images of one test, those of further splits among them


@dataclass(frozen=True)
class Data:
    """What accuracy is measured on, by task; and for a task that it lacks the sentence that says why."""

    name: str = "scenes"
    known: Mapping[str, Known] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Learning:
    """How the networks of accuracy cases learn. ValueError on a number that cannot be."""

    data: tuple[Data, ...] = (Data(),)
    images: int = 8000
    minutes: float = 1.0  # 0: until all images are seen
    pretrain_images: int = 0  # of masked patches first, which may take as many minutes again
    batch: int = 16
    lr: float = 1e-3
    lrs: tuple[float, ...] = ()  # rates to choose from on a validation split; none: `lr` as it is
    augment: str = "shift"  # see suite/training/augment.py
    seeds: int = 1
    size: Grid | None = None  # None: every resolution of the run, each with a network of its own
    most: Grid | None = None  # where it is every resolution: what is larger than this learns at this one
    tests: tuple[Grid, ...] = ()  # further sizes at which each trained network is tested

    def __post_init__(self) -> None:
        _at_least_one({"seeds": self.seeds, "train-batch": self.batch})
        if not 0 < min(self.lr, *self.lrs, 1.0):
            raise ValueError("a learning rate must be above 0: give --lr a number such as 1e-3")
        if self.images < 0 or self.minutes < 0 or not (self.images or self.minutes):
            raise ValueError("training has no end: give --train-images or --train-minutes a number above 0")
        if self.pretrain_images < 0:
            raise ValueError(f"--pretrain-images is {self.pretrain_images}: give a number of images, or leave it out")

    def of(self, task: str) -> tuple[Known, ...]:
        """The data sets that have the task, each once; where none has, the first, which says why it has not."""
        having = {data.known[task].name: data.known[task] for data in self.data if task in data.known}
        return tuple(having.values()) or (Known(self.data[0].name),)

    def refusal(self, name: str, task: str) -> str:
        """Why the data set of this name lacks the task; empty where it does not."""
        return next((data.refused[task] for data in self.data if data.name == name and task in data.refused), "")

    def classes_of(self, task: str) -> int:
        """The classes of the first data set that has the task; where none has, of any."""
        return self.of(task)[0].classes or max(
            (known.classes for data in self.data for known in data.known.values()), default=10
        )

    def examined(self, name: str, task: str) -> int:
        """The images of one test on the data set that cases name so."""
        return next(known.examined for known in self.of(task) if known.name == name)


@dataclass(frozen=True)
class Axes:
    """What is varied: every combination becomes cases. ValueError on a value that is none, or on an empty axis."""

    resolutions: tuple[Grid, ...] = (Grid(224, 224), Grid(512, 512), Grid(1024, 1024))
    tasks: tuple[str, ...] = TASKS
    params: int = 5_000_000
    layouts: tuple[str, ...] = ("",)  # "" is the design's own
    positions: tuple[str, ...] = ("",)  # "" is the design's own
    patch: int = 0  # the most pixels a token is wide, see Design.with_patch; 0: as each design has it
    decoders: tuple[str, ...] = ("",)  # of segmentation; "" is the design's own
    batches: tuple[int | str, ...] = (1,)  # or MAX
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ("float32",)
    backends: tuple[str, ...] = ("sdpa",)
    compiles: tuple[bool, ...] = (False,)  # whether torch.compile makes the network
    memory_formats: tuple[str, ...] = ("contiguous",)  # of images and the weights of convolutions
    modes: tuple[str, ...] = ("inference",)  # of latency; memory is measured in both
    caches: tuple[str, ...] = ("cold",)  # of latency on CUDA; on the CPU a block's calls find a warm one
    scopes: tuple[str, ...] = ("network",)  # of counting, memory and latency; of a mixer alone a size is in tokens
    metrics: tuple[str, ...] = USUAL
    learning: Learning = field(default_factory=Learning)
    classes: int | None = None  # of the networks that are counted and timed; None: as many as the data has
    rounds: int = 3
    threads: tuple[int, ...] = (1,)  # of the CPU

    def __post_init__(self) -> None:
        _among("task", self.tasks, TASKS)
        _among("metric", self.metrics, tuple(METRICS))
        _among("mode", self.modes, MODES)
        _among("scope", self.scopes, SCOPES)
        _among("cache", self.caches, CACHES)
        _among("dtype", self.dtypes, DTYPES)
        _among("backend", self.backends, BACKENDS)
        _among("memory-format", self.memory_formats, MEMORY_FORMATS)
        if self.scopes == ("mixer",) and not OF_A_MIXER & {*self.quantities}:
            raise ValueError("a mixer alone has no accuracy and no field: add --scope network, or --metric macs")
        if "probe" in self.metrics and "mixer" not in self.scopes:
            raise ValueError("a probe is of a mixer alone: add --scope mixer, where --res counts tokens")
        if "mixer" in self.scopes and "inference" not in self.modes:
            raise ValueError("a mixer alone is not trained: add --mode inference, or leave out --scope mixer")
        if self.patch < 0:
            raise ValueError(f"--patch is {self.patch}: give pixels such as 8, or leave it out")
        if not self.compiles:
            raise ValueError("--compile is empty: name no, yes or both")
        if not self.resolutions:
            raise ValueError("--res is empty: name at least one resolution, such as 224")
        _at_least_one(
            {
                "rounds": self.rounds,
                "params": self.params,
                "threads": min(self.threads, default=0),
                "batch": min((1 if batch == MAX else int(batch) for batch in self.batches), default=0),
                "classes": 1 if self.classes is None else self.classes,
            }
        )

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that hold the metrics, in the order of measuring."""
        return tuple(dict.fromkeys(METRICS[m] for m in METRICS if m in self.metrics))

    def threads_of(self, device: str) -> tuple[int, ...]:
        """The thread counts that make rows of their own: on CUDA the first alone, since kernels run elsewhere."""
        return self.threads if device == "cpu" else self.threads[:1]

    def caches_of(self, device: str) -> tuple[str, ...]:
        """The states of the cache that make rows of their own."""
        return ("warm",) if device == "cpu" else self.caches

    def size_of(self, quantity: str, resolution: Grid) -> Grid:
        """The size of the networks of a quantity at a resolution of the run; see Learning for those that learn."""
        learning = self.learning
        if quantity != "accuracy":
            return resolution
        return learning.size or min(resolution, learning.most or resolution, key=lambda size: size.n)

    def classes_of(self, task: str) -> int:
        """The classes of the networks that are counted and timed for a task."""
        return self.classes or self.learning.classes_of(task)


@dataclass(frozen=True)
class Limits:
    """What one case and a whole run may take."""

    case_seconds: float = 60.0
    memory_bytes: int | None = None  # None: what is free
    minutes: float | None = None  # None: no end
    shared: bool = False  # whether long cases give way, so that the first round fits the minutes; see afford.py

    def __post_init__(self) -> None:
        for name, value in {"case-seconds": self.case_seconds, "minutes": self.minutes}.items():
            if value is not None and not value > 0:
                raise ValueError(f"--{name} is {value:g}: it must be above 0")

    @property
    def training_seconds(self) -> float:
        """What one accuracy case may take: the whole run, or a hundred ordinary cases where a run has no end."""
        return self.minutes * 60 if self.minutes else 100 * self.case_seconds


def _among(flag: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not values:
        raise ValueError(f"--{flag} is empty: name at least one of {', '.join(known)}")
    if unknown := [value for value in values if value not in known]:
        raise ValueError(f"there is no {flag} {', '.join(unknown)}: choose from {', '.join(known)}")


def _at_least_one(numbers: dict[str, int]) -> None:
    for flag, number in numbers.items():
        if number < 1:
            raise ValueError(f"--{flag} is {number}: it must be at least 1")
