"""A whole sweep that nobody measured: every design of avbench, all quantities, several rounds and seeds, every status.

The costs follow a law of their own (a start, a part that grows with the pixels and one that grows with their square)
with noise between processes, so that fits, fronts and overlaps have something to find. Nothing here is a result.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from report_fakes import made

from avbench.find import find, names
from suite.case import Case
from suite.record import Metric, Record

SIDES = (128, 224, 384, 512, 1024)
CEILINGS = {128: 0.66, 224: 0.749, 384: 0.83, 512: 0.877, 1024: 0.984}
QUADRATIC = {"vit": 0.2, "single_head": 0.2, "conv_stem": 0.2, "downsample": 0.2, "hybrid_low": 0.9, "pixel": 60.0,
             "botnet": 0.03, "nonlocal": 0.05, "pvt": 0.01, "lambda": 0.02}  # fmt: skip
FAILURES = {
    ("nlm", "latency", 1024): ("timeout", "no answer within 60 s: the process was ended"),
    ("vision_lstm", "latency", 1024): ("crash", "the process was ended by SIGSEGV; see worker.log"),
    ("bilateral", "memory", 1024): ("oom", "the memory ran out (MemoryError: can't allocate memory)"),
    ("performer", "latency", 512): ("error", "RuntimeError: expected a contiguous tensor"),
    ("rnn", "accuracy", 224): ("nan", "the loss or the answers are not finite: lower the rate"),
    ("xcit", "accuracy", 128): ("not_applicable", "XCiT's class attention has no decoder: leave out segmentation"),
}


def whole(
    designs: tuple[str, ...] | None = None,
    sides: tuple[int, ...] = SIDES,
    modes: tuple[str, ...] = ("inference", "train"),
    rounds: int = 4,
    seeds: int = 3,
) -> list[Record]:
    """Records in the order in which a sweep makes them: resolution by resolution, all designs."""
    found = [Network(name, i, modes, rounds, seeds) for i, name in enumerate(designs or names())]
    return [
        record
        for side in sides
        for task in ("classification", "segmentation")
        for network in found
        for record in network.records(task, side)
    ]


def learnt_at(records: list[Record], side: int) -> list[Record]:
    """The same sweep, had its networks learnt at one size only, and been tested there and at 224, 384 and 512."""
    learnt = [r for r in records if r.case.quantity == "accuracy" and r.case.height == SIDES[0]]
    costs = [r for r in records if r.case.quantity != "accuracy"]
    return [*costs, *(replace(r, case=replace(r.case, height=side, width=side)) for r in learnt)]


class Network:
    """One design, its law of cost and of learning."""

    def __init__(self, name: str, i: int, modes: tuple[str, ...], rounds: int, seeds: int) -> None:
        self.name, self.design, self.modes, self.rounds, self.seeds = name, find(name), modes, rounds, seeds
        self.generator = random.Random(name)
        self.gmacs = self.generator.uniform(0.5, 1.6)
        self.quadratic = QUADRATIC.get(name, 0.0)
        self.rate = self.generator.choice((2.2e10, 3e10, 3.1e10, 4.5e10))
        self.mib = self.generator.uniform(1.5, 12)
        card = self.design.card
        self.notes = {
            "policy": self.design.policy,
            "residual": 0.0021,
            "stated_time": card.time,
            "stated_memory": card.memory,
        }
        self.learns = self.generator.uniform(0.25, 0.98)  # where between chance and ceiling it ends

    def case(self, task: str, side: int) -> Case:
        design = self.design
        return Case("static", self.name, design.layout_name, design.position_name, task, 4, side, side,
                    recipe=str(design), params_budget=5_000_000, threads=2)  # fmt: skip

    def records(self, task: str, side: int) -> Iterator[Record]:
        case, grown = self.case(task, side), (side / 224) ** 2
        macs = 1e9 * self.gmacs * grown * (1 + self.quadratic * grown) * (1.05 if task == "segmentation" else 1)
        yield made(case, self.counts(macs), notes=self.notes, started=at(side))
        for mode in ("inference", "train"):
            yield self.memory(replace(case, quantity="memory", mode=mode), grown)
        for mode in self.modes:
            for round_ in range(self.rounds):
                yield self.latency(replace(case, quantity="latency", mode=mode, round=round_), macs)
        for seed in range(self.seeds):
            yield self.accuracy(replace(case, quantity="accuracy", mode="train", seed=seed), side)

    def counts(self, macs: float) -> dict[str, Metric]:
        params = {"params": 5.05e6, "params_body": 5.01e6, "params_head": 4e4, "params_grid": 1e4}
        metrics = {k: Metric(round(v), "parameters") for k, v in params.items()}
        return metrics | {"macs": Metric(round(macs), "MAC"), "other_flops": Metric(round(macs / 30), "FLOP")}

    def memory(self, case: Case, grown: float) -> Record:
        grown *= 1 + (0.1 * self.quadratic * grown if case.mode == "train" else 0)
        peak = round(2**20 * (self.mib * grown * (9 if case.mode == "train" else 1) + 2))
        if peak > 6 * 2**30:
            why = f"needs about {peak / 1e9:.1f} GB of memory, 6.44 GB are available"
            return lost(case, "too_large", why, {"predicted_bytes": peak})
        guess = round(peak * self.generator.gauss(1, 0.02))
        metrics = {"peak_bytes": Metric(peak, "bytes"), "predicted_bytes": Metric(guess, "bytes")}
        return self.unless_failed(made(case, metrics, notes={"predicted_bytes": guess}, started=at(case.height)))

    def latency(self, case: Case, macs: float) -> Record:
        time = 4 + 1000 * macs / self.rate * (3.1 if case.mode == "train" else 1)
        if time > 30_000:
            why = f"needs about {time / 1000 * 12 / 60:.1f} min, the limit is 60 s (--case-seconds)"
            return lost(case, "too_slow", why, {"predicted_seconds": time / 1000})
        time *= self.generator.lognormvariate(0, 0.015)
        metrics = {
            "latency_ms": Metric(time, "ms", time * 0.99, time * 1.01, 40),
            "cpu_ms": Metric(time * 1.9, "ms", time * 1.88, time * 1.93, 40),
            "throughput_img_s": Metric(1000 / time, "img/s", 990 / time, 1010 / time, 40),
        }
        marks = ["contended"] if self.generator.random() < 0.03 else []
        notes = {"marks": marks, "predicted_seconds": time / 1000 * self.generator.lognormvariate(0, 0.1)}
        return self.unless_failed(made(case, metrics, notes=notes, started=at(case.height)))

    def accuracy(self, case: Case, side: int) -> Record:
        metric, data, chance = ("top1", "grating", 0.25) if case.task == "classification" else ("miou", "legend", 0.25)
        case = replace(case, batch=16, data=f"scenes:{data}", train_images=8000, train_minutes=1.0, lr=1e-3)
        if side > 384 or self.name == "pixel":
            return lost(case, "not_reached", "not reached, needs about 14 min: start the same command again", {})
        ceiling = CEILINGS[side] if metric == "top1" else 1.0

        def score(best: float) -> Metric:
            value = min(1.0, max(0.0, chance + self.learns * (best - chance) + self.generator.gauss(0, 0.012)))
            return Metric(value, "", max(0.0, value - 0.04), min(1.0, value + 0.04), 400)

        metrics = {metric: score(ceiling), "chance": Metric(chance, ""), "ceiling": Metric(ceiling, "")}
        tests = {t: 0.1 * abs(SIDES.index(t) - SIDES.index(side)) for t in SIDES[:4] if t != side}
        metrics |= {f"{metric}@{t}": score(ceiling - lost) for t, lost in tests.items()}
        if metric == "miou":
            metrics |= {f"miou_keys{k}": score(1 - 0.1 * k) for k in (1, 2, 3, 4)}
        metrics |= {"images_seen": Metric(8000, ""), "train_seconds": Metric(41.0, "s"), "lr": Metric(1e-3, "")}
        macs = 1e9 * self.gmacs * (side / 224) ** 2
        speed = self.rate / macs * self.generator.lognormvariate(0, 0.05)
        metrics |= {"image_macs": Metric(macs, "MAC"), "images_per_s": Metric(speed / 3, "img/s")}
        for size in (side, *tests):
            name, there = f"test_img_s@{size}".removesuffix(f"@{side}"), speed * (side / size) ** 2
            metrics[name] = Metric(there, "img/s", there * 0.95, there * 1.05, 24)
        losses = [[80 * i, 1.39 - self.learns * i / 100 + self.generator.gauss(0, 0.02)] for i in range(1, 101)]
        notes = {"losses": losses, "stopped_by": "images"}
        return self.unless_failed(made(case, metrics, notes=notes, started=at(side)))

    def unless_failed(self, record: Record) -> Record:
        case = record.case
        status, why = FAILURES.get((case.design, case.quantity, case.height), ("", ""))
        return lost(case, status, why, {}) if status else record


def lost(case: Case, status: str, reason: str, notes: dict[str, float]) -> Record:
    return made(case, {}, status=status, reason=reason, notes=notes, started=at(case.height))


def at(side: int) -> str:
    return f"2026-05-04T{8 + SIDES.index(side) if side in SIDES else 8:02d}:00:00+00:00"
