"""The answer first: a card of sentences for each resolution, and the fronts drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import pandas as pd

from reports.answers import Answer, answers
from reports.colours import Style
from reports.document import Card, Cards, Figure, Gallery, Part, Piece, Say, Section
from reports.figures.front import scatter

NOTE = (
    "Computed from the records. Designs are named together where their 95 % intervals, over processes or seeds, "
    "overlap: the run cannot tell them apart. An interval within one process, or of one seed, ranks nothing. Each "
    "interval holds by itself: of twenty, one may miss.",
)


def section(frame: pd.DataFrame, looks: Mapping[str, Style]) -> Section:
    """One part for each task and setting."""
    parts: list[Piece] = []
    for (task, setting), group in groupby(answers(frame), key=lambda a: (a.place.task, a.place.setting)):
        found = list(group)
        cards = Cards(tuple(Card(a.place.size, (*sentences(a), *a.place.wants())) for a in found))
        drawn = figures(found, looks, f"front-{len(parts)}")
        fronts = Part("The fronts, drawn", (Gallery(drawn),), folded=bool(parts))
        blocks: tuple[Piece, ...] = (cards, fronts) if drawn else (cards,)
        parts.append(Part(" · ".join(filter(None, (task, setting))), blocks, task))
    return Section("answers", "The answer", (Say(NOTE, "quiet"), *parts))


def sentences(answer: Answer) -> tuple[tuple[str, ...], ...]:
    """What one place says, in the order of reading."""
    return (*(words for _, words in answer.standings), *(words for _, words, _ in answer.fronts))


def figures(found: Sequence[Answer], looks: Mapping[str, Style], name: str) -> tuple[Figure, ...]:
    """A figure for each front of each place."""
    made: list[Figure | None] = []
    for answer in found:
        place = answer.place
        for front, _, data in answer.fronts:
            under = " · ".join(filter(None, (place.size, place.task, place.setting, place.data(data))))
            rows = [*place.scores.get(data, ()), *place.costs]
            made.append(scatter(front, rows, under, looks, f"{name}-{len(made)}"))
    return tuple(figure for figure in made if figure)
