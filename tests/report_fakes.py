"""Records that nobody measured, for the tests of the reports: ten designs, three resolutions, two tasks."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports.document import Document, Section
from reports.report import report
from suite.case import Case
from suite.record import Metric, Record

LAYOUTS = {
    "vit": "isotropic", "pixel": "isotropic", "downsample": "isotropic", "conv_stem": "isotropic",
    "window": "isotropic", "local": "isotropic", "linear": "isotropic", "swin": "pyramid", "conv": "bottleneck",
    "sasa_resnet": "bottleneck",
}  # fmt: skip
GROWTH = {"vit": 2.35, "linear": 2.0, "pixel": 3.9}
MACHINE = {
    "identity": {"cpu": "Xeon Platinum 8481C", "cores": 2, "torch": "2.13.0+cpu", "threads": 2},
    "conditions": {"load": 0.4, "governor": "performance", "available_bytes": 3_650_722_201},
}


def network(name: str, layout: str = "", **values: Any) -> Case:
    """A static case of a design at 224."""
    case = Case("static", name, layout or LAYOUTS.get(name, "isotropic"), "learned", "classification", 4, 224, 224,
                recipe=f"recipe of {name}", params_budget=5_000_000)  # fmt: skip
    return replace(case, **values)


def made(case: Case, metrics: dict[str, Metric], **values: Any) -> Record:
    """A record of this case that went well, unless `values` says otherwise."""
    fields = {"status": "ok", "machine": MACHINE, "started": "2026-05-04T10:00:00+00:00", "seconds": 1.5}
    return Record(case=case, metrics=metrics, **fields | values)


def failed(case: Case, status: str, reason: str, **values: Any) -> Record:
    return made(case, {}, status=status, reason=reason, **values)


def timed(name: str, *times: float, **case: object) -> list[Record]:
    """One latency for each round; within each process the interval is narrow."""
    return [
        made(
            network(name, quantity="latency", round=i, **case),
            {"latency_ms": Metric(t, "ms", t * 0.999, t * 1.001, 40)},
        )
        for i, t in enumerate(times)
    ]


def held(name: str, mebibytes: float, **case: object) -> Record:
    return made(network(name, quantity="memory", **case), {"peak_bytes": Metric(mebibytes * 2**20, "bytes")})


def learnt(
    name: str, *scores: float, chance: float = 0.25, data: str = "scenes:grating", **case: object
) -> list[Record]:
    """One accuracy for each seed."""
    cases = [network(name, quantity="accuracy", mode="train", data=data, seed=i, **case) for i in range(len(scores))]
    return [
        made(c, {"top1": Metric(s, "", s - 0.02, s + 0.02, 400), "chance": Metric(chance, "")})
        for c, s in zip(cases, scores, strict=True)
    ]


def sweep(designs: int = 10, sides: tuple[int, ...] = (224, 512, 1024), rounds: int = 3) -> list[Record]:
    """What a sweep may leave: most of it measured, `pixel` too large, the dearest accuracies not reached."""
    names = list(LAYOUTS)[:designs] + [f"other_{i}" for i in range(designs - len(LAYOUTS))]
    generator = random.Random(0)
    return [
        record
        for task in ("classification", "segmentation")
        for side in sides
        for i, name in enumerate(names)
        for record in _measured(network(name, task=task, height=side, width=side), i, rounds, generator)
    ]


def _measured(case: Case, i: int, rounds: int, generator: random.Random) -> Iterator[Record]:
    tokens = (case.height / 224) ** GROWTH.get(case.design, 2.05)
    macs = (0.7 + 0.13 * i) * 1e9 * tokens
    params = {"params": 5.05e6, "params_body": 5.01e6, "params_head": 4e4, "params_grid": 4e4 * tokens}
    metrics = {k: Metric(round(v), "parameters") for k, v in params.items()}
    metrics |= {"macs": Metric(round(macs), "MAC"), "other_flops": Metric(round(macs / 30), "FLOP")}
    yield made(case, metrics, notes={"policy": f"patch 16, window 7 of {case.design}", "residual": 0.0021})
    yield from _costs(case, i, macs, rounds, generator)
    yield from _scores(case, i, generator)


def _costs(case: Case, i: int, macs: float, rounds: int, generator: random.Random) -> Iterator[Record]:
    large = case.design == "pixel" and case.height > 224
    for mode in ("inference", "train"):
        memory = replace(case, quantity="memory", mode=mode)
        grown = (case.height / 224) ** GROWTH.get(case.design, 2.0)
        peak = (30 + 6 * i) * 2**20 * grown * (4 if mode == "train" else 1)
        predicted = {"predicted_bytes": Metric(peak * 1.03, "bytes")}
        if large:
            why = f"needs {peak / 2**30:.1f} GiB, this machine has 3.4 GiB: choose a smaller --res"
            yield made(memory, predicted, status="too_large", reason=why)
        else:
            yield made(memory, {"peak_bytes": Metric(peak, "bytes")} | predicted)
    for round_ in range(rounds):
        latency = replace(case, quantity="latency", round=round_)
        if large:
            yield failed(latency, "too_slow", "needs about 41 min, a case may take 2 min: choose a smaller --res")
        else:
            time = 1000 * macs / 3.1e10 * (1.6 if case.layout == "bottleneck" else 1) * generator.gauss(1, 0.015)
            yield made(latency, _times(time), samples={"latency_ms": [time] * 5})


def _times(time: float) -> dict[str, Metric]:
    return {
        "latency_ms": Metric(time, "ms", time * 0.99, time * 1.01, 40),
        "cpu_ms": Metric(time * 1.9, "ms", time * 1.88, time * 1.93, 40),
        "throughput_img_s": Metric(1000 / time, "img/s", 990 / time, 1010 / time, 40),
    }


def _scores(case: Case, i: int, generator: random.Random) -> Iterator[Record]:
    metric, data = ("top1", "grating") if case.task == "classification" else ("miou", "cue")
    accuracy = replace(case, quantity="accuracy", mode="train", batch=32, data=f"scenes:{data}", lr=1e-3)
    if case.design == "pixel" or case.height > 512:
        yield failed(accuracy, "not_reached", "not reached, needs about 14 min: give more --minutes")
        return
    for seed in range(3 if case.height == 224 else 1):
        score = 0.42 + 0.03 * i + 0.13 * (case.height > 224) + generator.gauss(0, 0.01)
        metrics = {metric: Metric(score, "", score - 0.02, score + 0.02, 1000), "chance": Metric(0.25, "")}
        metrics |= {"ceiling": Metric(0.749 if case.height == 224 else 0.877, ""), "images_seen": Metric(51200, "")}
        yield made(replace(accuracy, seed=seed), metrics, notes={"losses": [[0, 1.39], [25600, 0.7], [51200, 0.31]]})


def save(run: Path, records: list[Record]) -> Path:
    """A run folder with these records."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "records.jsonl").write_text("".join(r.to_json() + "\n" for r in records), encoding="utf-8")
    return run


def document(records: Iterable[Record]) -> Document:
    return report("run", list(records)).document


def section(of: Document, name: str) -> Section | None:
    return next((s for s in of.sections if s.id == name), None)


def table(of: Document, name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Block -> head of the row -> heading -> cell."""
    found = next(t for t in of.tables() if t.name == name)
    heads = [" ".join(filter(None, (h.text, h.under))) for h in found.headings]
    return {b.title: {r.series or r.head: dict(zip(heads, r.cells, strict=True)) for r in b.rows} for b in found.blocks}
