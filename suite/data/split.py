"""An honest split: which images are held out depends on their names alone, never on a seed, an order or a machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

SHARE = 0.2  # of each class is held out for testing


def divided(names: Sequence[str], groups: Sequence[int]) -> tuple[list[int], list[int]]:
    """The places of the names to train and to test with.

    Of each group the names with the smallest SHA-256 are held out: SHARE of them, at least one. ValueError, with the
    group's only name, where a group is too small for both.
    """
    members = defaultdict(list)
    for place, group in enumerate(groups):
        members[group].append(place)
    train, test = [], []
    for places in members.values():
        if len(places) < 2:
            raise ValueError(f"{names[places[0]]} is the only image of its class: add another, to train and to test")
        places = sorted(places, key=lambda place: sha256(names[place].encode()).digest())
        held_out = max(1, round(SHARE * len(places)))
        test += places[:held_out]
        train += places[held_out:]
    return sorted(train), sorted(test)
