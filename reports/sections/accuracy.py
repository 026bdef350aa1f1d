"""Accuracy: with seeds, chance and ceiling, by groups of the task, and trained at one resolution, tested at others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from reports.colours import Style
from reports.document import Block, Cell, Heading, Part, Piece, Say, Section, Table
from reports.document import Row as Line
from reports.frame import Row, grouped, rows_of
from reports.sections.apart import apart
from reports.sections.cells import NO_TIME, failed, failed_words, lost, measured
from reports.sections.families import families
from reports.sections.matrix import matrices
from reports.sections.swiftness import fronts, swiftness
from reports.units import BOUNDS, DETAILS, EFFECTIVE, HEADLINES, number, title
from reports.words import count
from suite.record import Record, latest

NOTE = (
    "Learnt is the share of the way from chance to ceiling, where the ceiling is known. An accuracy after minutes of "
    "training on small tasks says which designs can solve a task at all; it does not replace a long training. "
    "The plateau is the loss of whoever sees what there is but has not understood the task: shown are the share of "
    "trainings that never left it, those that diverged among them, and after how many images the others did, in "
    "the mean. "
    "Boundary IoU: mIoU of the pixels within 2 % of the diagonal of a boundary (2103.16562): the detail of outlines. "
    "Foreground right: of the pixels that are no ground, the share named rightly; easy ground cannot raise it. "
    "Effective field: the share of tokens with 90 % of the gradient of the last layer's central output, on four test "
    "images, of the network as its seed drew it and as it was trained; the interval is that after training."
)
OTHERS = (
    *DETAILS,
    "never_left",
    "images_to_leave",
    "images_seen",
    "train_seconds",
    "lr",
    "native",
    "upsampled_x",
    EFFECTIVE[1],
)  # beside the scores
DIVERGED = ("diverged", "nan")
AT_EDGE = "the smallest or the largest rate that was tried: one beyond it may do better"


def section(frame: pd.DataFrame, looks: Mapping[str, Style], records: Sequence[Record]) -> Section | None:
    """A part for each task and each data that it was learnt from; None where nothing was to be learnt."""
    rows, by_id = rows_of(frame[frame["quantity"] == "accuracy"]), {r.id: r for r in latest(records)}
    parts: list[Piece] = []
    for (task, setting), found in sorted(grouped(rows, "task", "setting").items()):
        metric = next((m for m in HEADLINES if any(r["metric"] == m for r in found)), "")
        if metric:
            name, said = f"accuracy-{len(parts)}", " · ".join(filter(None, (task, setting)))
            tables = [table(name, said, metric, found, by_id), *apart(name, said, metric, found, by_id)]
            tables += [*matrices(name, said, metric, found, by_id), *swiftness(name, said, found)]
            parts.append(Part(said, (*tables, *fronts(name, said, metric, found, looks)), task))
    parts += families(rows)
    return Section("accuracy", "Accuracy", (*parts, Say((NOTE,), "quiet"))) if parts else None


def table(name: str, said: str, metric: str, rows: Sequence[Row], records: Mapping[str, Record]) -> Table:
    """A row for each design at each resolution at which it was trained; `records` by id."""
    own = [r for r in rows if r["tested_at"] in ("", r["resolution"])]
    names = {r["metric"] for r in own if r["status"] == "ok"}
    groups = sorted(n for n in names if n.split("_")[0] in HEADLINES and n != metric)
    more = [n for n in OTHERS if n in names]
    heads = [
        title(metric),
        "Seeds",
        "Learnt",
        *map(title, (b for b in BOUNDS if b in names)),
        *map(group_title, groups),
        *map(title, more),
    ]
    blocks, left = [], []
    for (_, resolution), here in sorted(grouped(own, "pixels", "resolution").items()):
        trained = grouped([r for r in here if r["status"] not in NO_TIME], "series")
        lines = [
            _line(series, of, metric, [b for b in BOUNDS if b in names] + groups + more, records)
            for (series,), of in sorted(trained.items())
        ]
        if lines:
            blocks.append(Block(f"{resolution} pixels", tuple(lines)))
        if untried := len({r["series"] for r in here} - {series for (series,) in trained}):
            left.append(f"At {resolution} pixels {count(untried, 'design')} had no time to learn.")
    note = " ".join((*left, "What each of them needs is listed below.")) if left else ""
    return Table(name, f"{title(metric)}, {said}", "Design", tuple(map(Heading, heads)), tuple(blocks), note)


def _line(series: str, rows: Sequence[Row], metric: str, others: Sequence[str], records: Mapping[str, Record]) -> Line:
    by_metric = {r["metric"]: r for r in rows if r["status"] == "ok"}
    failure = next((r for r in rows if r["status"] != "ok"), None)
    if metric not in by_metric:
        return Line((lost(failure) if failure else Cell(), *[Cell()] * (2 + len(others))), series)
    row = by_metric[metric]
    failures = failed(rows)
    return Line(
        (
            measured(row),
            _seeds(row, failures),
            _learnt(by_metric, metric),
            *(_other(m, by_metric, failures, records) for m in others),
        ),
        series,
    )


def _seeds(row: Row, failures: Counter[str]) -> Cell:
    """How many the score is over, and their scores; of how many, and what became of the others, where some failed."""
    n, scores = len(row["ids"]), (number(row["metric"], v, row["unit"]).removesuffix(" %") for v in row["repeats"])
    under = "; ".join(filter(None, (" ".join(scores), failed_words(failures))))
    return Cell(f"{n} of {n + failures.total()}" if failures else str(n), under, value=n)


def _all_of(row: Row, failures: Counter[str]) -> Row:
    """The row; what diverged has left no plateau, and counts among those that never did."""
    n, diverged = len(row["ids"]), sum(failures[status] for status in DIVERGED)
    return row | {"value": (n * row["value"] + diverged) / (n + diverged)} if row["metric"] == "never_left" else row


def _other(metric: str, rows: Mapping[str, Row], failures: Counter[str], records: Mapping[str, Record]) -> Cell:
    """A value, where there is one; a learning rate that was picked at the edge of those that were tried is marked."""
    if metric == EFFECTIVE[1]:
        return _field(rows, records)
    if metric not in rows:
        return Cell()
    row = _all_of(rows[metric], failures)
    edge = metric == "lr" and any(records[i].notes.get("rate_at_edge") for i in row["ids"])
    return replace(measured(row), under="at the edge", why=AT_EDGE) if edge else measured(row)


def _field(rows: Mapping[str, Row], records: Mapping[str, Record]) -> Cell:
    """The effective field before and after training; or why it is unknown."""
    if not set(EFFECTIVE) <= rows.keys():
        notes = (records[i].notes for row in rows.values() for i in row["ids"])
        return Cell(why=next((n["no_field"] for n in notes if "no_field" in n), ""))
    before, after = (measured(rows[name]) for name in EFFECTIVE)
    return replace(after, text=f"{before.text} → {after.text}")


def _learnt(rows: Mapping[str, Row], metric: str) -> Cell:
    """The share of the way from chance to ceiling."""
    if not {"chance", "ceiling", metric} <= rows.keys():
        return Cell()
    chance, ceiling = rows["chance"]["value"], rows["ceiling"]["value"]
    if not ceiling > chance:
        return Cell()
    share = (rows[metric]["value"] - chance) / (ceiling - chance)
    return Cell(f"{100 * share:.0f} %", value=share, shade=min(1.0, max(0.0, share)))


def group_title(metric: str) -> str:
    """`miou_keys3` -> `mIoU, keys 3`."""
    score, _, group = metric.partition("_")
    letters = group.rstrip("0123456789")
    return f"{title(score)}, {' '.join(filter(None, (letters.replace('_', ' '), group[len(letters) :])))}"
