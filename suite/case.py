"""A case: one quantity of one network on one workload. Frozen, printable, with an id that two machines agree on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

QUANTITIES = ("static", "memory", "latency", "accuracy", "field", "probe")
TASKS = ("classification", "segmentation")
MODES = ("inference", "train")
SCOPES = ("network", "mixer")
CACHES = ("cold", "warm")
MEMORY_FORMATS = ("contiguous", "channels_last")
# Not in all kept records: at these values they change no id.
LATER = {"augment": "shift", "pretrain_images": 0, "memory_format": "contiguous"}


@dataclass(frozen=True)
class Case:
    """All that decides a measurement. Whoever holds it can repeat the measurement; nothing else may change it."""

    quantity: str  # one of QUANTITIES
    design: str  # a name that `avbench.find` knows
    layout: str
    position: str
    task: str  # one of TASKS
    classes: int
    height: int  # pixels
    width: int  # pixels
    patch: int = 0  # the most pixels a token is wide, where the stem can make finer ones; 0: as the design has it
    decoder: str = ""  # what segments; none for another task
    recipe: str = ""  # canonical text of the fitted recipe
    widths: tuple[int, ...] = ()  # the solved budget: channels of each stage ...
    extra: tuple[int, ...] = ()  # ... and what was trimmed, see variants/recipe.py
    params_budget: int | None = None
    batch: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    backend: str = "sdpa"  # sdpa: torch chooses the fused kernel; math: the plain form; flex: flex_attention
    compiled: bool = False
    memory_format: str = "contiguous"  # one of MEMORY_FORMATS: of images and of the weights of convolutions
    mode: str = "inference"  # one of MODES
    scope: str = "network"  # one of SCOPES; mixer: the design's mixer alone, on a grid of height x width tokens
    cache: str = "cold"  # one of CACHES: whether the device's cache is emptied before each call (CUDA)
    fills_memory: bool = False  # whether `batch` was chosen as the largest that should fit
    threads: int = 1
    data: str = ""
    at_once: int = 0  # images of a training step that pass through the network together; 0: the whole batch
    train_images: int = 0
    train_minutes: float = 0.0
    pretrain_images: int = 0  # of masked patches, before any label; see suite/training/masked.py
    lr: float = 0.0
    lrs: tuple[float, ...] = ()  # rates to choose from on a validation split; none: `lr` as it is
    augment: str = "shift"  # what training does to its images, see suite/training/augment.py
    tests: tuple[str, ...] = ()  # further resolutions at which the trained network is tested
    seed: int = 0
    round: int = 0  # which fresh process, for quantities that differ between processes

    @property
    def resolution(self) -> str:
        """`224` for a square image, `224x320` (rows x columns) otherwise."""
        return size_text(self.height, self.width)

    @property
    def compiles(self) -> bool:
        """Whether something is compiled before the first pass is over: the network, or flex_attention."""
        return self.compiled or self.backend == "flex"

    @cached_property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical form: the same on every machine."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        told = {name: value for name, value in values.items() if (name, value) not in LATER.items()}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Case:
        """The case that `asdict` was taken of, perhaps by way of JSON. TypeError on a field that is not one."""
        known = {f.name for f in fields(cls)}
        if unknown := set(values) - known:
            raise TypeError(f"not fields of a case: {', '.join(sorted(unknown))}")
        frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**frozen)

    def __str__(self) -> str:
        return f"{self.quantity} {self.mode} · {self.design} · {self.task} · {self.resolution}"


def size_text(y: int, x: int) -> str:
    """`224` for a square, `224x320` (rows x columns) otherwise."""
    return str(y) if y == x else f"{y}x{x}"
