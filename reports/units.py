"""Numbers as readers want them: three significant digits, a unit, and no digit that the interval does not support."""

from __future__ import annotations

import math

HEADLINES = ("top1", "miou")  # the scores of a task, in the order in which a page shows them
BOUNDS = ("chance", "ceiling")  # what a task fixes: no design moves them
DETAILS = ("boundary_iou", "boundary_chance", "foreground")  # of a segmentation, beside its score
EFFECTIVE = ("effective_tokens_before", "effective_tokens_after")  # of a training, its last layer
SHARES = ("never_left", *EFFECTIVE)  # from 0 to 1, and nothing to score by
STEPS: dict[str, tuple[tuple[float, str], ...]] = {
    "bytes": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
    "macs": ((1e12, "TMAC"), (1e9, "GMAC"), (1e6, "MMAC"), (1, "MAC")),
    "ops": ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")),
    "count": ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")),
    "ms": ((60_000, "min"), (1000, "s"), (1, "ms"), (1e-3, "µs")),
    "rate": ((1, "img/s"),),
}
TITLES = {
    "params": "Parameters",
    "params_body": "Parameters without the head",
    "params_head": "Parameters of the head",
    "params_grid": "Parameters that grow with the resolution",
    "macs": "Multiply-adds",
    "other_flops": "Other operations",
    "peak_bytes": "Peak memory",
    "latency_ms": "Latency",
    "throughput_img_s": "Throughput",
    "top1": "Top-1 accuracy",
    "miou": "mIoU",
    "chance": "Chance",
    "ceiling": "Ceiling",
    "foreground": "Foreground right",
    "boundary_iou": "Boundary IoU",
    "boundary_chance": "Chance at boundaries",
    "never_left": "Never left the plateau",
    "images_to_leave": "Left the plateau after",
    "images_seen": "Images seen",
    "train_seconds": "Training time",
    "lr": "Learning rate",
    "native": "Own side",
    "upsampled_x": "× upsampled",
    "effective_tokens_after": "Effective field, before → after training",
    "images_per_s": "Training speed",
    "image_macs": "Multiply-adds of an image",
    "test_img_s": "Test speed",
    "device_ms": "Device time",
    "cpu_ms": "CPU time",
    "compile_s": "Seconds",
    "predicted_bytes": "Predicted memory",
    "predicted_ms": "Predicted latency",
}


def title(metric: str) -> str:
    """What a metric is called in a heading."""
    words = metric.replace("_", " ")
    return TITLES.get(metric, words[:1].upper() + words[1:])


def kind(metric: str) -> str:
    """Which ladder of units a metric climbs."""
    if metric in (*BOUNDS, *DETAILS) or metric.split("_")[0] in HEADLINES:  # `miou_keys3` is the mIoU of a group
        return "score"
    if metric in SHARES:
        return "share"
    if metric.startswith("params") or metric == "largest_batch":
        return "count"
    for end, name in (("bytes", "bytes"), ("_ms", "ms"), ("img_s", "rate"), ("macs", "macs"), ("flops", "ops")):
        if metric.endswith(end):
            return name
    return "plain"


def number(metric: str, value: float, unit: str = "") -> str:
    """`12.3 ms`, `4.61 GMAC`, `5.02 M`, `87.4 %`; an unknown metric keeps its own unit."""
    name = kind(metric)
    if name in ("score", "share"):
        return f"{value * (1 if unit == '%' else 100):.1f} %"
    if name == "plain":
        return f"{digits(value)} {unit}".strip()
    scale, word = _step(name, value)
    return f"{digits(value / scale)} {word}".strip()


def interval(metric: str, low: float, high: float, unit: str = "") -> str:
    """`11.9 to 12.8 ms`: both ends in the unit of the high one, with digits enough to tell them apart.

    A low end that would read as zero there keeps a unit of its own: `91.0 ms to 13.3 min`.
    """
    name = kind(metric)
    scale, word = (1.0, unit) if name == "plain" else (1.0, "")
    if name in ("score", "share"):
        scale, word = (1.0 if unit == "%" else 0.01), "%"
    elif name != "plain":
        scale, word = _step(name, high)
        if 0 < low < 0.005 * high and _step(name, low)[0] < scale:
            return f"{number(metric, low)} to {number(metric, high)}"
    low, high = low / scale, high / scale
    places = 1 if name in ("score", "share") else _places(low, high)
    return f"{low:.{places}f} to {high:.{places}f} {word}".strip()


def digits(value: float) -> str:
    """Three significant digits, never in scientific form between a thousandth and a million."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    size = math.floor(math.log10(abs(float(f"{value:.3g}"))))
    if size < -3 or size > 6:
        return f"{value:.2e}"
    return f"{value:,.{max(0, 2 - size)}f}".replace(",", "\u202f")


def _step(name: str, value: float) -> tuple[float, str]:
    ladder = STEPS[name]
    return next((s for s in ladder if abs(value) >= s[0] * 0.9995), ladder[-1])


def _places(low: float, high: float) -> int:
    """Decimal places that give the high end three significant digits, and more, up to four, until the ends differ."""
    size = math.floor(math.log10(abs(high))) if high else 0
    places = min(4, max(0, 2 - size))
    while places < 4 and low < high and f"{low:.{places}f}" == f"{high:.{places}f}":
        places += 1
    return places
