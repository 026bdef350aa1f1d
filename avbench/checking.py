"""What `check` and `doctor` print."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from typing import Any

from rich.console import Console
from rich.text import Text

from avbench.find import find, text
from avbench.noise import ROUNDS, Noise, keep, log_file, measure_noise
from suite.check import Finding, check
from suite.fingerprint import fingerprint
from suite.machine import Calibration, calibrate, default_device, default_threads, devices, require
from suite.units import bytes_text, count_text, duration, parse_count
from suite.worker import Worker
from variants.foreign import Foreign


def show_check(name: str, params: str) -> int:
    """Prints each finding as it is made, and the verdict. Returns the exit code: 0 if everything holds, else 1."""
    console, findings, design = Console(highlight=False, soft_wrap=True), [], find(name)
    if isinstance(design, Foreign):
        raise ValueError(f"{name} is a model of timm, which keeps no contract of ours: name a design or a file")
    for finding in check(design, parse_count(params), text(name)):
        console.print(line(finding))
        findings.append(finding)
    console.print(verdict(name, findings))
    return 0 if all(finding.ok for finding in findings) else 1


def verdict(name: str, findings: list[Finding]) -> str:
    """One line that sums the findings up."""
    failed = sum(not finding.ok for finding in findings)
    if not failed:
        return f"{name} keeps the contract: all {len(findings)} findings hold"
    return f"{name} breaks the contract: {failed} of {len(findings)} findings do not hold, marked FAIL above"


def line(finding: Finding) -> Text:
    """`ok` or `FAIL`, what was tried, and the problem."""
    if finding.ok:
        return Text("ok    ", style="green") + Text(finding.name)
    return Text("FAIL  ", style="bold red") + Text(f"{finding.name}: {finding.problem}")


def show_doctor(threads: int | None, as_json: bool, noise_minutes: float | None = None, device: str = "") -> None:
    """Prints the machine, its devices and how fast each is; its noise too, if minutes are given to measure it."""
    if noise_minutes is not None and not noise_minutes > 0:
        raise ValueError(f"--minutes is {noise_minutes:g}: it must be above 0")
    if threads is not None and threads < 1:
        raise ValueError(f"--threads is {threads}: it must be at least 1")
    threads, device = threads or default_threads(), device or default_device()
    require(device)
    found = diagnosis(threads, device)
    if noise_minutes is not None:
        found["noise"] = noise_here(found["identity"], device, threads, noise_minutes)
    if as_json:
        json.dump(found | {"noise": as_json_of(found["noise"])} if "noise" in found else found, sys.stdout, indent=1)
        print()
        return
    console = Console(highlight=False, soft_wrap=True)
    for part in ("identity", "conditions"):
        for key, value in found[part].items():
            if value is not None:
                console.print(Text(f"{key:16} ", style="bold") + Text(str(value)))
    console.print(Text(f"{'devices':16} ", style="bold") + Text(", ".join(found["devices"])))
    for speed in found["calibration"]:
        console.print(spoken(Calibration(**speed)))
    if "noise" in found:
        console.print("\n".join(spoken_noise(found["noise"])))


def diagnosis(threads: int, device: str) -> dict[str, Any]:
    """All that doctor knows without measuring for long, fit for JSON."""
    measured = [calibrate(name, "float32", threads) for name in dict.fromkeys(("cpu", device))]
    return fingerprint(device) | {"devices": devices(), "calibration": [asdict(speed) for speed in measured]}


def noise_here(identity: dict[str, Any], device: str, threads: int, minutes: float) -> Noise:
    """The noise of this machine, measured now and kept for later sweeps."""
    log_file().unlink(missing_ok=True)
    with Console(stderr=True).status(f"measuring noise for {duration(60 * minutes)} ..."):
        found = measure_noise(device, threads, minutes, partial(Worker, log=log_file()))
    keep(found, identity)
    return found


def as_json_of(noise: Noise) -> dict[str, Any]:
    """The noise, with the least differences that sweeps of a few rounds see."""
    least = {metric: {str(n): noise.least(metric, n) for n in ROUNDS} for metric in noise.spread}
    return asdict(noise) | {"least_difference_by_rounds": least}


def spoken_noise(noise: Noise) -> list[str]:
    """The noise in words: what it means, then what it rests on."""
    said = [f"noise: {noise.in_words()}"]
    for metric, spread in noise.spread.items():
        pair = noise.within_pairs[metric]
        said.append(f"  {metric}: processes spread by {spread:.2%}, half of all pairs differ by more than {pair:.2%}")
    rests = f"{noise.pairs} pairs of processes, {', '.join(noise.networks)} on {noise.device}, {noise.threads} threads"
    return [*said, f"  from {rests}; {noise.marked:.0%} of the measurements were disturbed"]


def spoken(speed: Calibration) -> Text:
    """The calibration of one device in words."""
    rates = {"matrices": speed.matmul, "attention": speed.attention, "convolutions": speed.conv}
    rates["depthwise convolutions"] = speed.grouped
    told = ", ".join(f"{name} {count_text(rate)}MAC/s" for name, rate in rates.items())
    moved = {"sums": speed.plain, "GELU": speed.heavy, "copies into another order": speed.strided}
    memory = ", ".join(f"{name} {bytes_text(rate)}/s" for name, rate in moved.items())
    return Text(
        f"{speed.device} with {speed.threads} threads, {speed.dtype}: {told}; memory by {memory}; "
        f"an operator {duration(speed.operator_seconds)}; "
        f"{bytes_text(speed.available_bytes)} free"
    )
