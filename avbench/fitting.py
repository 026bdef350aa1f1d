"""`plan --fits 24GB`: what size and what batch a memory should hold, and what the prediction rests on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich.console import Console

from avbench.find import find, names
from avbench.planning import network, told
from avbench.request import Request
from avbench.table import plain, show
from suite.fits import MOST, Fit, fits, sized
from suite.machine import default_threads
from suite.units import bytes_text, parse_bytes

RESTS_ON = (
    "Predicted, nothing was allocated: weights, gradients, optimiser, images and the peak of a simulated pass, without "
    "what kernels allocate inside (most where queries see neighbourhoods) and what a device needs to run at all. "
    "Attention takes the kernel that it would on the CPU. Of 12 designs whose inference was measured on an H200 at 224 "
    "pixels in bfloat16, 10 were within 5 % of this; swin and window took 2.5 and 2.3 times as much, before a change "
    "that no GPU has measured."
)


def show_fits(request: Request, text: str, as_json: bool, as_csv: bool) -> None:
    """Prints a row for each network, mode, dtype, backend and memory format. No device is looked at."""
    memory = parse_bytes(text)
    axes = replace(request, device="cpu").axes()
    found = fits([find(name) for name in request.designs or names()], axes, memory, processes=default_threads())
    resolutions = [sized(found[0].case, size).resolution for size in axes.resolutions]
    if as_json or as_csv:
        show([row(fit, memory, resolutions) for fit in found], as_json, as_csv, {})
        return
    heads = ("design", "task", "case", "largest px", *(f"batch at {name}" for name in resolutions), "not known")
    show([brief(fit, resolutions) for fit in found], False, False, dict.fromkeys(heads, plain))
    Console().print(f"{bytes_text(memory)}. {RESTS_ON}", highlight=False)


def brief(fit: Fit, resolutions: list[str]) -> dict[str, Any]:
    """One row for people."""
    known = None if fit.reason else f"{fit.largest} or more" if fit.largest == MOST else fit.largest or "none"
    batches = {f"batch at {name}": fit.batches.get(name) for name in resolutions}
    return network(fit.case) | {"case": told(fit.case), "largest px": known} | batches | {"not known": fit.reason}


def row(fit: Fit, memory: int, resolutions: list[str]) -> dict[str, Any]:
    """One row, fit for JSON; `largest_px` is at least so much where it is the largest that was tried."""
    case = fit.case
    return {
        "design": case.design,
        "layout": case.layout,
        "position": case.position,
        "decoder": case.decoder,
        "task": case.task,
        "mode": case.mode,
        "dtype": case.dtype,
        "backend": case.backend,
        "memory_format": case.memory_format,
        "memory_bytes": memory,
        "largest_px": None if fit.reason else fit.largest,
        **{f"batch@{name}": fit.batches.get(name) for name in resolutions},
        "reason": fit.reason,
        "rests_on": RESTS_ON,
    }
