"""How fast designs learn and answer for the work that they do, against full attention in fused kernels (`vit`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reports.document import Block, Cell, Heading, Table
from reports.document import Row as Line
from reports.frame import Row, grouped
from reports.sections.cells import measured
from reports.units import digits, title

WORK, SPEEDS = "image_macs", ("images_per_s", "test_img_s")
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


def _line(series: str, of: Mapping[str, Row], vit: Mapping[str, Row]) -> Line:
    work = of[WORK]["value"] / vit[WORK]["value"]
    cells = [measured(of[WORK]), _ratio(work)]
    for speed in SPEEDS:
        cells += [measured(of[speed]), _ratio(of[speed]["value"] / vit[speed]["value"] * work)]
    return Line(tuple(cells), series)


def _ratio(value: float) -> Cell:
    return Cell(digits(value), value=value)
