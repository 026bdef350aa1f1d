"""Costs in parts: what a peak of memory consists of, and what compiling took."""

from __future__ import annotations

from dataclasses import replace

from report_fakes import document, made, network, section, table, timed

from suite.record import Metric


def test_the_workspace_that_no_prediction_knows_stands_beside_its_error() -> None:
    sizes = {"peak": 100.0, "activations": 50, "temporary": 6, "workspace": 44, "gradients": 0, "parameters": 20}
    metrics = {f"{name}_bytes": Metric(size * 2**20, "bytes") for name, size in sizes.items()}
    metrics |= {"prediction_error": Metric(-0.44, "")}
    memory = [made(network("vit", quantity="memory", height=s, width=s), metrics) for s in (128, 224)]
    start = network("vit", quantity="latency", compiled=True)
    compiled = [
        made(replace(start, round=i), {"latency_ms": Metric(5.0, "ms"), "compile_s": Metric(12.0, "s")})
        for i in range(2)
    ]
    found = document([*memory, *compiled])
    (cells,) = (rows["vit"] for rows in table(found, "memory-parts").values())
    assert {head: cell.text for head, cell in cells.items()} == {
        "Pixels": "224", "Peak": "100 MiB", "Prediction error": "-44 %", "Activations": "50.0 MiB",
        "Temporary": "6.00 MiB", "Workspace": "44.0 MiB", "Parameters": "20.0 MiB",
    }  # fmt: skip
    (cells,) = (rows["vit"] for rows in table(found, "compiling").values())
    assert cells["Seconds"].text.startswith("12")
    assert section(document(timed("vit", 5.0, 5.1)), "parts") is None
