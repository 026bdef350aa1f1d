"""How fast designs learn and answer for the work that they do, against full attention in fused kernels (`vit`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reports.colours import Style
from reports.document import Block, Cell, Gallery, Heading, Part, Say, Table
from reports.document import Row as Line
from reports.figures.front import scatter
from reports.frame import Row, grouped
from reports.sections.cells import measured
from reports.sections.matrix import SPEED, pixels_of
from reports.standing import front
from reports.units import digits, title

PLACE = ("pixels", "resolution", "tested_at")
MOST = 6  # figures of one task and setting
WORK, SPEEDS = "image_macs", ("images_per_s", SPEED)
NOTE = (
    "For its work: images a second times multiply-adds of an image, both as multiples of vit's. 1 is as fast as vit "
    "for the same work; below 1, fewer multiply-adds save less time than they promise. A training's time "
    "is that of making its images too, a test's is not. Latencies are measured with more care, in fresh processes."
)


def swiftness(name: str, said: str, rows: Sequence[Row]) -> Iterator[Table]:
    """The table, where `vit` was trained too."""
    own = [r for r in rows if r["status"] == "ok" and r["tested_at"] in ("", r["resolution"])]
    blocks = []
    for (_, resolution), here in sorted(grouped(own, "pixels", "resolution").items()):
        series = {s: {r["metric"]: r for r in of} for (s,), of in sorted(grouped(here, "series").items())}
        known = {s: of for s, of in series.items() if {WORK, *SPEEDS} <= of.keys()}
        if "vit" in known:
            blocks.append(Block(f"{resolution} pixels", tuple(_line(s, of, known["vit"]) for s, of in known.items())))
    if blocks:
        heads = [title(WORK), "× vit", *(head for speed in SPEEDS for head in (title(speed), "For its work, × vit"))]
        yield Table(
            f"{name}-work", f"Speed for the work, {said}", "Design", tuple(map(Heading, heads)), tuple(blocks), NOTE
        )


def fronts(name: str, said: str, metric: str, rows: Sequence[Row], looks: Mapping[str, Style]) -> Iterator[Part]:
    """The score against the test speed of the same networks, for each resolution of training and of test."""
    sound = [r | {"tested_at": r["tested_at"] or r["resolution"]} for r in rows if r["status"] == "ok"]
    found = grouped((r for r in sound if r["metric"] in (metric, SPEED)), *PLACE)
    places = sorted(found.items(), key=lambda place: (*place[0][:2], pixels_of(place[0][2])))
    drawn = [
        scatter(front((metric, SPEED), here), here, _under(said, trained, tested), looks, f"{name}-front-{i}")
        for i, ((_, trained, tested), here) in enumerate(places[:MOST])
    ]
    if figures := tuple(figure for figure in drawn if figure):
        more = f"{len(places) - MOST} more pairs of resolutions were not drawn; they are in records.csv."
        note = (Say((more,), "note"),) if len(places) > MOST else ()
        yield Part(f"{title(metric)} against test speed", (Gallery(figures), *note), folded=True)


def _under(said: str, trained: str, tested: str) -> str:
    return ", ".join(filter(None, (said, f"trained at {trained}, tested at {tested} pixels")))


def _line(series: str, of: Mapping[str, Row], vit: Mapping[str, Row]) -> Line:
    work = of[WORK]["value"] / vit[WORK]["value"]
    cells = [measured(of[WORK]), _ratio(work)]
    for speed in SPEEDS:
        cells += [measured(of[speed]), _ratio(of[speed]["value"] / vit[speed]["value"] * work)]
    return Line(tuple(cells), series)


def _ratio(value: float) -> Cell:
    return Cell(digits(value), value=value)
