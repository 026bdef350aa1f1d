"""What seeds tell apart: at each resolution the score, what its interval is over, and who is not told from whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from reports.accuracy import Pair, comparable, groups, images_seen, pairs, trend
from reports.document import Block, Cell, Heading, Table
from reports.document import Row as Line
from reports.escape import THIN
from reports.frame import Row, grouped
from reports.sections.cells import failed, failed_words, measured
from reports.units import title
from suite.record import Record

GROWN = "upsampled_x"
HEADS = ("Interval", "Behind the best", "Beaten by it", "Group", "Loss, last third")
NOTE = (
    "The order is that of the means, of trainings that did not fail, and no ranking: two designs that share a group, "
    "or of which one has none, are not told apart. Designs are compared seed by seed, on the same training and test "
    "images: only those that saw as many images as most did, and the best is the best of these. Beaten by it: of all "
    "pairs of a seed of the best and a seed of the design, how often the best scores higher. No two of a group are "
    "told apart by Student's t over seeds, at 5 % for all pairs of a resolution together (Holm). Each seed of scenes "
    "has its test images; real data has the same for all, where seeds say nothing of other images. A loss that is "
    "level at the end, where the learning rate is near 0, says that the training is over, not that more images would "
    "teach nothing."
)


def apart(name: str, said: str, metric: str, rows: Sequence[Row], records: Mapping[str, Record]) -> Iterator[Table]:
    """The table, if anything was learnt; `records` by id."""
    own = [r for r in rows if r["tested_at"] in ("", r["resolution"])]
    grown = any(r["metric"] == GROWN and r["status"] == "ok" for r in own)
    sizes = sorted(grouped(own, "pixels", "resolution").items())
    made = (Block(f"{size} pixels", tuple(_lines(metric, here, grown, records))) for (_, size), here in sizes)
    blocks = [block for block in made if block.rows]
    if blocks:
        heads = tuple(map(Heading, (title(metric), *HEADS, *([title(GROWN)] if grown else []))))
        yield Table(
            f"{name}-apart", f"{title(metric)}, told apart, {said}", "Design", heads, tuple(blocks), NOTE, prose=(1,)
        )


def _lines(metric: str, rows: Sequence[Row], grown: bool, records: Mapping[str, Record]) -> Iterator[Line]:
    """By falling means; at the end by how much images were enlarged, if anywhere."""
    ok, tried = [r for r in rows if r["status"] == "ok"], grouped(rows, "series")
    enlarged = {r["series"]: measured(r) for r in ok if r["metric"] == GROWN}
    ordered = sorted((r for r in ok if r["metric"] == metric), key=lambda r: (-r["value"], r["series"]))
    scores = comparable(ordered, records)
    compared = pairs(scores)
    best = {pair.other: pair for pair in compared if pair.one == next(iter(scores))}
    found = groups(list(scores), [(pair.one, pair.other) for pair in compared if pair.told])
    for row in ordered:
        name, pair = row["series"], best.get(row["series"])
        member = " ".join(str(i) for i, group in enumerate(found, 1) if name in group)
        group = Cell(member) if member and compared else _alone(row, images_seen(row, records), name in scores)
        cells = measured(row), _interval(row, tried[name,]), _behind(pair, len(compared)), _beaten(pair), group
        last = (enlarged.get(name, Cell()),) if grown else ()
        yield Line((*cells, _loss([records[i] for i in row["ids"]]), *last), name)


def _alone(row: Row, seen: Sequence[float], usual: bool) -> Cell:
    """Why a series is compared with none."""
    if not row["repeats"]:
        return Cell(why="one seed")
    if not seen or usual:
        return Cell(why="no other design that saw as many images has several seeds")
    why = "others saw another number of images: not the same training"
    ends = " to ".join(f"{images:,.0f}".replace(",", THIN) for images in dict.fromkeys((seen[0], seen[-1])))
    return Cell(f"saw {ends} images", why=why)


def _beaten(pair: Pair | None) -> Cell:
    return Cell(f"{100 * pair.better:.0f} %", value=pair.better) if pair else Cell()


def _interval(row: Row, tried: Sequence[Row]) -> Cell:
    """What the interval is over: seeds, or test images alone; and what became of the seeds that it is not over."""
    under = failed_words(failed(tried))
    if row["low"] != row["low"]:
        return Cell(under=under)
    if row["repeats"]:
        alike = min(row["repeats"]) == max(row["repeats"])
        return Cell("of one seed: all are equal" if alike else f"Student's, {row['interval']}", under)
    name = "Wilson" if row["metric"] == "top1" else "bootstrap"
    return Cell(f"{name}, over {row['n']:g} test images of one seed", under)


def _behind(pair: Pair | None, number: int) -> Cell:
    """By how many points of a hundred the best is ahead, seed by seed."""
    if pair is None:
        return Cell()
    ahead, low, high = (100 * value for value in (pair.difference, pair.low, pair.high))
    why = f"p = {pair.p:.2g} among {number} pairs: {'told apart' if pair.told else 'not told apart'}"
    return Cell(f"{ahead:.1f} points", f"{low:.1f} to {high:.1f}", "", why, ahead, low, high)


def _loss(records: Sequence[Record]) -> Cell:
    """The mean fall over seeds, and in how many of them it was more than chance."""
    found = [one for record in records if (one := trend(record.notes.get("losses", [])))]
    if not found:
        return Cell(why="too few points of the loss")
    fall = 100 * fmean(one.fall for one in found)
    falling = f"still falling in {sum(one.low > 0 for one in found)} of {len(found)}"
    return Cell(f"{'fell' if fall >= 0 else 'rose'} by {abs(fall):.1f} %", falling, value=fall)
