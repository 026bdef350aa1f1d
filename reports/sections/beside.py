"""Two runs side by side: for each number that both hold, its value in both and how the second stands to the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from reports.colours import Style
from reports.document import Block, Card, Cards, Cell, Figure, Gallery, Heading, Part, Piece, Say, Section, Table
from reports.document import Row as Line
from reports.figures.dots import Dot, dots
from reports.frame import Row
from reports.pairs import Change, Pair, orders
from reports.sections.cells import SMALL_PRINT, lost, measured
from reports.units import HEADLINES, digits, kind, title
from reports.words import Words, count, names

SHOWN = ("latency_ms", "throughput_img_s", "largest_batch", "device_ms", "peak_bytes", *HEADLINES, "params", "macs")
WORDS = {  # of less and of more
    "ms": ("Faster", "Slower"),
    "rate": ("Slower", "Faster"),
    "score": ("Lower", "Higher"),
    "count": ("Smaller", "Larger"),
}
MOST_NAMES = 6
NOTE = (
    "Every ratio is B over A, every difference B minus A, with 95 % intervals that join those of the two runs over "
    "their processes or seeds. They hold for the hours in which the runs were made, since how a machine changes from "
    "day to day is in neither; and each holds by itself: of twenty, one may miss. The runs are never ranked together.",
)
Group = tuple[str, str, str]  # task, metric, setting


def groups(pairs: Sequence[Pair]) -> dict[Group, list[Pair]]:
    """The pairs of the numbers that are shown, by task, metric and setting, each in the order of size and name."""
    found: dict[Group, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda p: (p.row["pixels"], p.row["series"])):
        row = pair.row
        if row["metric"] == "throughput_img_s" and not row["fills_memory"]:
            continue  # it is latency told otherwise
        if row["metric"] in SHOWN and row["tested_at"] in ("", row["resolution"]):
            found.setdefault((row["task"], row["metric"], row["setting"]), []).append(pair)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], SHOWN.index(item[0][1]), item[0][2])))


def answer(found: Mapping[Group, Sequence[Pair]], machines: Words) -> Iterator[Piece]:
    """What the machines are to each other, a card for each kind of number, and how many numbers there are."""
    yield Say(machines, "note")
    cards = [
        Card(_title(g), tuple(sentences(members))) for g, members in found.items() if any(p.change for p in members)
    ]
    if not cards:
        yield Say(("The two runs hold no number of the same case.",))
    yield Cards(tuple(cards))
    yield Say(NOTE, "quiet")
    if found:
        heads = (Heading("In both"), Heading("Only in A"), Heading("Only in B"))
        lines = tuple(Line(_counts(members), head=_title(group)) for group, members in found.items())
        yield Table("held", "How many numbers the runs hold", "What", heads, (Block("", lines),))


def _counts(members: Sequence[Pair]) -> tuple[Cell, ...]:
    have = [tuple(bool(row and row["status"] == "ok") for row in (p.a, p.b)) for p in members]
    return tuple(Cell(str(n), value=n) for n in map(have.count, ((True, True), (True, False), (False, True))))


def sentences(members: Sequence[Pair]) -> Iterator[Words]:
    """What surely moved, what may not have, and whether the order of the designs held."""
    changes = [(p.row["series"], c) for p in members if (c := p.change)]
    judged = [(s, c) for s, c in changes if c.sign is not None]
    if len(judged) == len(changes) and all(c.equal for _, c in judged):
        yield (f"Equal in both: {len(judged)} of {len(judged)}.",)
        return
    for sign, word in zip((-1, 1), WORDS.get(kind(members[0].row["metric"]), WORDS["count"]), strict=True):
        if moved := [(s, c) for s, c in judged if c.sign == sign]:
            yield (f"{word} in B: {len(moved)} of {len(judged)}, ", *_who(moved), f"{_reach(moved)}.")
    if still := sum(c.sign == 0 for _, c in judged):
        yield (f"Equal or not told apart: {still} of {len(judged)}.",)
    if silent := len(changes) - len(judged):
        yield (f"Not repeated in one of the runs, so nothing can be said: {silent}.",)
    if len(changes) > 2:
        yield (f"Median: {_said(Change(median(c.value for _, c in changes), neutral=changes[0][1].neutral))}.",)
    same, other = orders(members)
    if same + other:
        yield (f"Order: of {count(same + other, 'pair')} of designs that both runs tell apart, {same} stand alike.",)


def _who(moved: Sequence[tuple[str, Change]]) -> Words:
    """The designs by name, where they are few."""
    series = sorted({s for s, _ in moved})
    return (*names(series), ", ") if len(series) <= MOST_NAMES else ()


def _reach(moved: Sequence[tuple[str, Change]]) -> str:
    low, high = (pick((c for _, c in moved), key=lambda c: c.value) for pick in (min, max))
    return _said(low, high)


def section(found: Mapping[Group, Sequence[Pair]], looks: Mapping[str, Style]) -> Section:
    """A part with a table and figures for each kind of number; those that are equal in both runs are not repeated."""
    parts: list[Piece] = []
    for group, members in found.items():
        if all(p.a and p.b and p.change and p.change.equal for p in members):
            continue
        name = f"beside-{len(parts)}"
        table = _table(name, group, members)
        figures = tuple(_figures(name, group, members, looks))
        blocks: tuple[Piece, ...] = (table, Gallery(figures)) if figures else (table,)
        parts.append(Part(_title(group), blocks, group[0], folded=len(parts) > 0))
    return Section("beside", "Side by side", (*parts, Say((SMALL_PRINT,), "quiet")))


def _table(name: str, group: Group, members: Sequence[Pair]) -> Table:
    blocks = []
    for size in dict.fromkeys(p.row["resolution"] for p in members):
        here = [p for p in members if p.row["resolution"] == size]
        unit = "tokens a side" if here[0].row["scope"] == "mixer" else "pixels"
        lines = tuple(Line((_cell(p.a), _cell(p.b), _moved(p.change)), p.row["series"]) for p in here)
        blocks.append(Block(f"{size} {unit}", lines))
    what = "B minus A" if kind(group[1]) == "score" else "B over A"
    return Table(name, "Design by design", "Design", (Heading("A"), Heading("B"), Heading(what)), tuple(blocks))


def _cell(row: Row | None) -> Cell:
    if row is None:
        return Cell()
    return measured(row) if row["status"] == "ok" else lost(row)


def _moved(change: Change | None) -> Cell:
    if change is None:
        return Cell()
    if change.low is None or change.high is None:
        return Cell(
            f"{_said(change)}¹", why="no interval over processes or seeds in one of the runs", value=change.value
        )
    if change.low == change.high:
        return Cell("equal" if change.equal else _said(change), value=change.value)
    ends = (Change(end, neutral=change.neutral) for end in (change.low, change.high))
    return Cell(_said(change), _said(*ends), value=change.value, low=change.low, high=change.high)


def _figures(name: str, group: Group, members: Sequence[Pair], looks: Mapping[str, Style]) -> Iterator[Figure]:
    """The changes at each resolution, where they have intervals."""
    score = kind(group[1]) == "score"
    for i, size in enumerate(dict.fromkeys(p.row["resolution"] for p in members)):
        rows = [
            Dot(p.row["series"], c.value, c.low, c.high, f"{p.row['series']}, {size}: {_said(c)}")
            for p in members
            if p.row["resolution"] == size and (c := p.change) and c.low is not None and c.high is not None
        ]
        if len(rows) > 1:
            said = f"{title(group[1])}, {'B minus A, points' if score else 'B over A'}"
            under = " · ".join(filter(None, (size, group[0], group[2])))
            caption = "Bars: 95 % intervals. Those that reach the line may be no change."
            line = 0.0 if score else 1.0
            yield dots(rows, looks, f"{name}-{i}", said, under, caption, percent=score, log=not score, line=line)


def _title(group: Group) -> str:
    return " · ".join(filter(None, (title(group[1]), group[0], group[2])))


def _said(*changes: Change) -> str:
    """`0.71 times`, `+2.1 points`; of two, `0.71 to 0.84 times`, or once if they read alike."""
    score = changes[0].neutral == 0
    numbers = (f"{100 * c.value:+.1f}".replace("-", "−") if score else digits(c.value) for c in changes)
    return f"{' to '.join(dict.fromkeys(numbers))} {'points' if score else 'times'}"
