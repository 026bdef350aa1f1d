"""A run folder -> its report: what the page, its figures and its tables hold, whatever the records hold."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from report_fakes import failed, made, network, save, sweep
from report_sweeps import whole

from reports.colours import styles
from reports.document import GAP, Cell
from reports.figures.curve import Curve, families
from reports.frame import rows_of, tidy
from reports.plot import clipped, even_ticks, log_ticks, short, spread, tick
from reports.report import report as made_report
from reports.sections.comparison import comparison
from reports.sections.missing import missing
from reports.write import write
from suite.record import STATUSES, Metric, Record

VOID = {"input", "meta", "br", "img", "link", "hr"}


class Page(HTMLParser):
    """The elements and the text of a page. AssertionError if an element is not closed where it should be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text, self.open = "", list[str]()
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] not in (["script"], ["style"]) else ""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(save(tmp_path_factory.mktemp("runs") / "sweep", sweep(designs=10)))


def test_the_page_holds_every_figure_and_every_file_it_links_to(report: Path) -> None:
    page = Page(report)
    assert report.name == "index.html" and report.parent.name == "report"
    files = {p.stem for p in (report.parent / "figures").iterdir()}
    assert page.tags["figure"] == page.tags["svg"] == len(files) > 12
    assert files | {"comparison-0", "comparison-1", "designs"} <= set(page.all("data-name"))
    links = [link for link in page.all("href") + page.all("src") if not link.startswith("#")]
    assert links and all((report.parent / link).is_file() for link in links)
    assert (report.parent / "records.csv").read_text().startswith("design,")


def test_the_page_needs_no_network_and_allows_none(report: Path) -> None:
    page = Page(report)
    without_names = page.source.replace("http://www.w3.org/2000/svg", "")
    assert "http" not in without_names.replace("http-equiv", "") and "@import" not in page.source
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy


def test_ids_are_unique_and_what_refers_to_one_finds_it(report: Path) -> None:
    page = Page(report)
    ids, names = page.all("id"), page.all("data-name")
    assert len(ids) == len(set(ids)) and len(names) == len(set(names))
    targets = [v[1:] for v in page.all("href") if v.startswith("#")]
    assert targets and set(targets) <= set(ids)


def test_figures_follow_the_theme_and_every_one_has_a_text_for_who_cannot_see_it(report: Path) -> None:
    page = Page(report)
    assert "prefers-color-scheme:dark" in page.source and "data-theme=dark" in page.source
    for svg in re.findall(r"<svg.*?</svg>", page.source, re.DOTALL):
        assert not re.search(r'(fill|stroke)="#', svg) and re.search(r"var\(--s\d+\)", svg)
        assert re.search(r'role="img" aria-label="[^"]{20,}"', svg)


def test_the_numbers_of_every_figure_are_beside_it(report: Path) -> None:
    found = re.findall(r'<script type="application/json">(.*?)</script>', Page(report).source)
    tables = [json.loads(text) for text in found]
    assert all(len({len(row) for row in rows}) == 1 and len(rows) > 2 for rows in tables)
    assert ["design", "resolution", "value", "low", "high", "what"] in [rows[0] for rows in tables]


def test_files_of_figures_stand_alone(report: Path) -> None:
    for path in (report.parent / "figures").iterdir():
        assert ET.parse(path).getroot().tag.endswith("svg") and "var(" not in path.read_text(encoding="utf-8")


def test_answers_statuses_reasons_machine_and_notes_are_told(report: Path) -> None:
    text = " ".join(Page(report).text.split())
    for words in ("ok 412", "not reached 24", "too slow 12", "too large 8", "Xeon Platinum 8481C", "2.13.0+cpu"):
        assert words in text
    for words in ("this machine has 3.4 GiB: choose a smaller --res", "predicted 932 MiB", "patch 16, window 7 of vit"):
        assert words in text
    assert text.index("Fastest of 9") < text.index("Multiply-adds")


def test_the_same_records_make_the_same_report(report: Path, tmp_path: Path) -> None:
    again = write(save(tmp_path / "sweep", sweep(designs=10)))
    assert again.read_bytes() == report.read_bytes()
    for path in (report.parent / "figures").glob("*.svg"):
        assert (again.parent / "figures" / path.name).read_bytes() == path.read_bytes()


def test_what_an_older_report_left_is_gone(tmp_path: Path) -> None:
    run = save(tmp_path / "run", [made(network("vit"), {"macs": Metric(1e9, "MAC")})])
    stale = write(run).parent / "figures" / "stale.svg"
    stale.write_text("<svg/>")
    write(run)
    assert [p.name for p in sorted(stale.parent.iterdir())] == ["growth-0-0.svg"]


def test_every_design_of_a_whole_sweep_is_named_in_a_panel_of_its_family() -> None:
    names = tuple("vit linear axial swin halo pvt conv botnet lambda pixel xcit vision_lstm".split())
    document = made_report("run", whole(names, sides=(128, 224), modes=("inference",), rounds=2, seeds=2)).document
    drawn = {f.heading: {row[0] for row in f.data} for f in document.figures() if f.heading.startswith("Latency, ms,")}
    assert drawn["Latency, ms, isotropic"] == {"vit", "linear", "axial"}
    assert drawn["Latency, ms, other layouts"] == {"xcit", "vision_lstm"}
    assert drawn["Latency, ms, far above the others"] == {"pixel"}
    assert set().union(*drawn.values()) == set(names)


def test_families_with_many_designs_come_in_parts() -> None:
    series = [f"d{i:02}" for i in range(40)]
    rows = tuple({"series": s, "metric": "top1", "pixels": 224.0, "value": 0.5} for s in series)
    parts = families(Curve("top1", "", rows), styles(dict.fromkeys(series, "isotropic")))
    assert [len(members) for _, members in parts] == [14, 14, 12]
    assert sorted(name for _, members in parts for name in members) == series


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "$\\frac{1}$",
    "]]></style><b>",
    "./mine.py -->",
    "名前 \N{RIGHT-TO-LEFT OVERRIDE} \x00\x1b[31m \ud800",
    "a" * 300,
    "",
]


def hostile() -> list[Record]:
    """Names, notes, reasons and machines that would be commands somewhere."""
    metrics = {"macs": Metric(1e9, "MAC"), "<i>": Metric(1.0, "<u>")}
    records: list[Record] = []
    for name in HOSTILE:
        case = network(name, layout=name, position=name, task=name, data=name)
        notes, machine = {"policy": name, name: {name: name}}, {"identity": {name: name}}
        records.append(made(case, metrics, notes=notes, machine=machine))
        records.append(made(replace(case, quantity="memory"), {"peak_bytes": Metric(1e9, "bytes")}, machine=machine))
        records.append(failed(replace(case, quantity="latency"), "crash", name, notes={"command": name}))
    return records


def test_names_notes_and_reasons_from_outside_stay_text(tmp_path: Path) -> None:
    page = Page(write(save(tmp_path / "<b>run", hostile())))
    assert page.tags["script"] == 1 + page.tags["figure"] and page.tags["style"] == 1
    assert not {"img", "u", "iframe", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "{{ 7 * 7 }}" in page.text and "<script>alert(1)</script>" in page.text and "<b>run" in page.text


@pytest.mark.parametrize("status", [s for s in STATUSES if s != "ok"])
def test_a_run_with_failures_only_says_why(status: str, tmp_path: Path) -> None:
    record = failed(network("vit", quantity="memory"), status, "something went wrong: try again")
    page = Page(write(save(tmp_path / "run", [record])))
    assert "nothing was measured here" in page.text and "something went wrong: try again" in page.text


def test_an_empty_run_has_a_page_too(tmp_path: Path) -> None:
    assert "holds no records yet" in Page(write(save(tmp_path / "run", []))).text


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name a folder that"):
        write(tmp_path)


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    run = save(tmp_path / "run", [])
    (run / "report").write_text("in the way")
    with pytest.raises(ValueError, match=r"cannot write the report .*: make that folder writable"):
        write(run)


def test_one_resolution_and_an_oblong_one_are_drawn() -> None:
    for sizes in ([(224, 224)], [(224, 320), (512, 512)]):
        cases = [network("vit", height=y, width=x) for y, x in sizes]
        document = made_report("run", [made(c, {"macs": Metric(1e9, "MAC")}) for c in cases]).document
        (figure,) = document.figures()
        assert all(f">{c.resolution}<" in figure.drawing.svg("") for c in cases)


def test_what_has_no_logarithm_is_not_drawn_but_stays_in_the_table() -> None:
    case = network("vit")
    records = [made(case, {"macs": Metric(0.0, "MAC")}), made(replace(case, quantity="latency"), TIME_FROM_ZERO)]
    assert [f.heading for f in made_report("run", records).document.figures()] == ["Latency, ms"]
    assert cells(records)["vit"]["Multiply-adds"].text == "0 MAC"


TIME_FROM_ZERO = {"latency_ms": Metric(2.0, "ms", 0.0, 5.0)}


def cells(records: list[Record]) -> dict[str, dict[str, Cell]]:
    """Series -> heading -> cell, of a run of one task and one resolution."""
    rows = rows_of(tidy(records))
    table = comparison("name", rows[0]["task"], rows)
    headings = [" ".join(filter(None, (h.text, h.under))) for h in table.headings]
    return {row.series: dict(zip(headings, row.cells, strict=True)) for row in table.blocks[0].rows}


def timed(name: str, time: float, rounds: int) -> list[Record]:
    case = network(name, quantity="latency")
    values = [Metric(time * (1 + 0.01 * i), "ms", time * 0.99, time * 1.01) for i in range(rounds)]
    return [made(replace(case, round=i), {"latency_ms": v}) for i, v in enumerate(values)]


def test_designs_whose_latencies_overlap_share_a_rank_and_stand_by_name() -> None:
    rows = cells([*timed("c", 10.1, 3), *timed("a", 20, 3), *timed("b", 10, 3)])
    assert {name: row["Rank by latency"].text for name, row in rows.items()} == {"a": "3", "b": "1 to 2", "c": "1 to 2"}
    assert list(rows) == ["a", "b", "c"]


def test_an_interval_within_one_process_ranks_nothing() -> None:
    rows = cells([*timed("a", 10, 1), *timed("b", 99, 1)])
    assert "Rank by latency" not in rows["a"] and rows["a"]["Latency"].under.endswith("¹")
    rows = cells([*timed("a", 10, 1), *timed("b", 99, 2), *timed("c", 9, 2)])
    assert (rows["a"]["Rank by latency"].text, rows["b"]["Rank by latency"].text) == (GAP, "2")


def test_machines_are_compared_in_columns_of_their_own() -> None:
    here = timed("a", 10, 2)
    there = [replace(r, case=replace(r.case, batch=8), machine={"identity": {"cpu": "B"}}) for r in timed("b", 90, 2)]
    row = cells([*here, *there])["a"]
    latencies = {heading: cell.text for heading, cell in row.items() if heading.startswith("Latency")}
    assert sorted(latencies.values()) == ["10.1 ms", GAP]
    assert not [heading for heading in row if heading.startswith("Rank")]


def test_every_failure_is_listed_with_the_resolutions_it_has_in_common() -> None:
    case = network("pixel", quantity="memory")
    records = [failed(replace(case, height=s, width=s, round=r), "oom", "full") for s in (64, 512) for r in (0, 1)]
    records += [replace(r, case=replace(r.case, task="segmentation")) for r in records]
    records += [failed(replace(case, height=64, width=64), "oom", "another reason")]
    both, alone = missing(tidy(records[1:]))
    assert (both.status, both.why, both.resolutions) == ("oom", "full", ["64", "512"])
    assert (both.tasks, alone.why, alone.tasks) == (
        ["classification", "segmentation"],
        "another reason",
        ["classification"],
    )


def test_curves_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.sections.scaling.MOST", 1)
    document = made_report("run", sweep(designs=2, sides=(64,), rounds=1)).document
    said = document.sections[2].blocks[-1]
    assert "9 more, of further settings, were not drawn" in "".join(said.words)


def test_families_share_a_hue_and_no_two_series_share_colour_in_either_theme() -> None:
    family = {f"d{i}": ("isotropic", "pyramid", "bottleneck", "novel")[i % 4] for i in range(24)}
    looks = styles(family)
    assert looks == styles(dict(reversed(family.items())))
    for theme in ("light", "dark"):
        assert len({getattr(s, theme) for s in looks.values()}) == 24
    assert {s.family for s in looks.values()} == set(family.values())


def test_marks_stand_out_from_the_paper() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for style in styles({f"d{i}": ("isotropic", "pyramid", "bottleneck")[i % 3] for i in range(21)}).values():
        assert 1.05 / (luminance(style.light) + 0.05) > 3
        assert (luminance(style.dark) + 0.05) / (luminance("#15181e") + 0.05) > 3


def test_labels_are_spread_and_shortened() -> None:
    places = spread([0.1, 0.5, 0.5, 0.52, 0.99, 1.0], 0.1, 0.0, 1.0)
    assert all(b - a > 0.0999 for a, b in pairwise(places)) and places[0] == 0.1
    assert min(places) >= 0 and max(places) <= 1.0 + 1e-9
    assert short("x" * 99, 11) == "xxxxx…xxxxx"


def test_a_line_is_cut_where_it_leaves_the_plot_and_goes_on_where_it_comes_back() -> None:
    assert clipped([(0, 0), (10, 10)], 2, 8) == [((2, 2), (8, 8))]
    assert clipped([(0, 5), (1, 5), (2, 6)], 0, 10) == [((0, 5), (1, 5), (2, 6))]
    assert clipped([(0, 5), (2, 15), (4, 5)], 0, 10) == [((0, 5), (1, 10)), ((3, 10), (4, 5))]
    assert clipped([(0, 20), (1, 20)], 0, 10) == []


@pytest.mark.parametrize(("low", "high"), [(1, 9e6), (18, 25), (0.4, 300), (3.1, 3.4), (1e-3, 1e9), (128, 1024)])
def test_ticks_are_few_and_round_and_within(low: float, high: float) -> None:
    found = log_ticks(low, high, 6)
    assert 2 <= len(found) <= 7 and all(low <= t <= high for t in found)
    even = even_ticks(low, high, 6)
    assert 2 <= len(even) <= 7 and all(low <= t <= high for t in even)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0.2"),
        (500, "500"),
        (20_000, "20\u202f000"),
        (1e5, "10⁵"),
        (1e6, "10⁶"),
        (2e6, "2\u202f·\u202f10⁶"),
        (1e12, "10¹²"),
    ],
)
def test_numbers_beside_an_axis_are_short(value: float, text: str) -> None:
    assert tick(value) == text
