"""What every test starts from: one thread, no screen, the same seed, and a torchvision that imports."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it once, when it is imported
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["HF_HUB_OFFLINE"] = "1"  # no test downloads anything

import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

settings.register_profile("avbench", deadline=None, derandomize="CI" in os.environ)  # a busy machine is no failure
settings.load_profile("avbench")
torch.set_num_threads(1)


def torchvision_operators() -> torch.library.Library | None:
    """The schemas of two operators that `import torchvision` asks for, where its own library does not load.

    A torchvision built for CUDA finds no CUDA beside a torch built without, leaves its operators undefined, and then
    fails to import; with it fail timm and some of transformers, which use none of these operators.
    """
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        for library in Path(spec.origin).parent.glob("_C.*"):
            torch.ops.load_library(library)
    except OSError:
        schemas = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            schemas.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return schemas
    return None


OPERATORS = torchvision_operators()  # kept: the schemas go when the library object does


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same numbers, alone or among others."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def doubled() -> Iterator[None]:
    """Everything is built in float64, buffers too."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
