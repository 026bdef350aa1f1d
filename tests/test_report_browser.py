"""The page in a browser: three widths, two themes, sorting, filtering, marking, saving. Skipped without Chromium."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from chromium import needed, ran
from report_fakes import save
from report_sweeps import whole

from reports.write import of_two, put, write

DRIVER = Path(__file__).with_name("report_driver.js")
pytestmark = needed


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """What the driver found at each width, and what the browser wrote to its console."""
    folder = tmp_path_factory.mktemp("browser")
    designs = ("vit", "linear", "swin", "conv", "pixel", "sasa_resnet", "halo", "xcit", "local")
    records = whole(designs, sides=(128, 224, 1024), modes=("inference",), rounds=3, seeds=2)
    run = save(folder / "a long name of a run", records)
    (beside,) = put(of_two(run, save(folder / "another", records[:400])), folder, ("html",))
    page, other = (path.read_text(encoding="utf-8") for path in (write(run), beside))
    return ran(DRIVER.read_text(), folder, PAGE=page, BESIDE=other)


def test_the_console_stays_empty_and_nothing_overflows(driven: tuple[list[dict[str, Any]], str]) -> None:
    results, console = driven
    assert not [line for line in console.splitlines() if "CONSOLE" in line]
    assert [r.get("error") for r in results] == [None] * 3
    assert [r["beside"] for r in results] == [[0, True]] * 3
    assert {r["width"]: r["overflow"] for r in results} == {360: 0, 768: 0, 1280: 0}


def test_rows_sort_both_ways_and_back_and_blocks_fold(driven: tuple[list[dict[str, Any]], str]) -> None:
    for found in driven[0]:
        known = [v for v in found["before"] if v is not None]  # JSON has no infinity: null was not measured
        assert len(known) >= 6 and sorted(known) != known
        assert [v for v in found["ascending"] if v is not None] == sorted(known)
        assert [v for v in found["descending"] if v is not None] == sorted(known, reverse=True)
        assert found["after"] == found["before"]
        assert found["folded"] == ["false", False]


def test_both_themes_hold_all_that_is_folded_and_stand_out_from_their_paper(
    driven: tuple[list[dict[str, Any]], str],
) -> None:
    for found in driven[0]:
        themes = found["themes"]
        assert {name: t["paper"] for name, t in themes.items()} == {
            "light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 30)"}  # fmt: skip
        for theme in themes.values():
            assert theme["overflow"] == 0 and len(theme["inks"]) > 10
            assert min(contrast(ink, theme["paper"]) for ink in theme["inks"]) > 3


def contrast(one: str, other: str) -> float:
    """The ratio of luminances of two `rgb(r, g, b)`, as the Web Content Accessibility Guidelines define it."""
    lights = []
    for colour in (one, other):
        channels = (int(c) / 255 for c in re.findall(r"\d+", colour)[:3])
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        lights.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_pointing_and_filtering(driven: tuple[list[dict[str, Any]], str]) -> None:
    for found in driven[0]:
        assert found["pointed"] == ["1", "0.12"]
        assert found["filtered"] == ["table-row", "none"]
        assert {task: shown == "none" for task, shown in found["task"]} == {"0": True, "1": False}


def test_figures_and_tables_are_saved_from_the_page(driven: tuple[list[dict[str, Any]], str]) -> None:
    for found in driven[0]:
        files = found["saved"]
        for what in ("figure", "table"):
            picture = files[f"{what} SVG"]["text"]
            assert ET.fromstring(picture).tag.endswith("svg") and "var(" not in picture
            assert files[f"{what} PNG"]["type"] == "image/png" and files[f"{what} PNG"]["size"] > 2000
            rows = list(csv.reader(io.StringIO(files[f"{what} CSV"]["text"])))
            assert len(rows) > 5 and len({len(row) for row in rows}) == 1
        assert "vit" in files["table SVG"]["text"] and "Latency inference" in files["table CSV"]["text"]
