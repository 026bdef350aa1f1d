"""What `check` and `doctor` print."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from avbench.find import card, find
from suite.check import Finding, check
from suite.fingerprint import fingerprint
from suite.machine import Calibration, calibrate, default_device, default_threads, devices
from suite.units import bytes_text, count_text, duration, parse_count


def show_check(name: str, params: str) -> int:
    """Prints each finding as it is made, and the verdict. Returns the exit code: 0 if everything holds, else 1."""
    console, findings = Console(highlight=False, soft_wrap=True), []
    for finding in check(find(name), parse_count(params), docstring(name)):
        console.print(line(finding))
        findings.append(finding)
    console.print(verdict(name, findings))
    return 0 if all(finding.ok for finding in findings) else 1


def docstring(name: str) -> str:
    """That of the file which defines the design, once the design has been found."""
    if ":" in name:
        return inspect.getdoc(sys.modules[name.partition(":")[0]]) or ""
    return card(name).text


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


def show_doctor(threads: int | None, as_json: bool) -> None:
    """Prints the machine, its devices and how fast each is."""
    found = diagnosis(threads or default_threads())
    if as_json:
        json.dump(found, sys.stdout, indent=1)
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


def diagnosis(threads: int) -> dict[str, Any]:
    """All that doctor knows, fit for JSON."""
    device = default_device()
    measured = [calibrate(name, "float32", threads) for name in dict.fromkeys(("cpu", device))]
    return fingerprint(device) | {"devices": devices(), "calibration": [asdict(speed) for speed in measured]}


def spoken(speed: Calibration) -> Text:
    """The calibration of one device in words."""
    rates = {"matrices": speed.matmul, "attention": speed.attention, "convolutions": speed.conv}
    rates["depthwise convolutions"] = speed.grouped
    told = ", ".join(f"{name} {count_text(rate)}MAC/s" for name, rate in rates.items())
    return Text(
        f"{speed.device} with {speed.threads} threads, {speed.dtype}: {told}; memory "
        f"{bytes_text(speed.bytes_per_second)}/s; an operator {duration(speed.operator_seconds)}; "
        f"{bytes_text(speed.available_bytes)} free"
    )
