"""The gallery: a page with every design, its formula and cost, and what a query of it sees, drawn as measured.

`python -m avbench.gallery` writes docs/gallery.md and docs/gallery/; a test holds them to what this file makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avbench.find import Entry, card, find, names
from avbench.listing import sizes
from suite.field import Layers, seen
from suite.units import count_text
from variants.contract import Grid, Mixer, Position
from variants.recipe import Recipe, part

PARAMS = "5M"
GRID = Grid(28, 28)  # four windows of seven along each axis
QUERY = (14, 14)  # just behind the middle: the first place of a window
DIM, HEADS, LAYERS = 16, 2, 2
CELL, GAP, MARGIN, LABEL = 5, 16, 2, 22  # of a diagram, in pixels
SECTIONS = ("Paper", "Time", "Memory", "Departs")
STYLE = (
    f"path{{stroke-width:{CELL - 1};stroke-dasharray:{CELL - 1} 1}}"
    ".grid{stroke:#e4e8ee}.seen{stroke:#4c8fd6}.query{stroke:#ff8a1f}text{fill:#444;font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){.grid{stroke:#2b3139}text{fill:#c4c9d0}}"
)
HEAD = f"""# Gallery

Every design of this repository, in alphabetical order. The page is made by `python tasks.py gallery`, and a
test holds it to the code.

**The diagrams are measured**, not drawn by hand: the orange place is the query, and a place is blue if the
derivative of the query's output with respect to it is not zero. On the left the query has passed through one
layer of the design's mixer, on the right through two, each added to its input; grid of {GRID.y} x {GRID.x}
tokens, random weights, float64. What stands around the mixers, such as convolutions in the stem or between the
stages, is left out. A diagram says what a query can reach, not how much of it matters: a linear mixer that sums
the whole image into a small matrix sees as many places as full attention does.

Parameters are those of the body, without the head; multiply-adds are for one image of 224 x 224 pixels with
1000 classes.
"""


@dataclass(frozen=True)
class Exhibit:
    """One design as the gallery shows it."""

    name: str

    @cached_property
    def entry(self) -> Entry:
        return card(self.name)

    @cached_property
    def recipe(self) -> Recipe:
        recipe: Any = find(self.name)
        return recipe

    @cached_property
    def fields(self) -> list[Tensor]:
        """What the query sees through one layer, two layers, ...

        They are those of the last stage in which it sees anything but itself.
        """
        for stage in reversed(range(len(self.recipe.widths))):
            layers = self.layers(stage)
            found = [seen(Layers(layers[: i + 1]), GRID, DIM, QUERY) for i in range(LAYERS)]
            if found[-1].sum() > 1:
                return found
        raise ValueError(f"no query of {self.name} sees anything but itself: give it a mixer that mixes")

    def layers(self, stage: int) -> list[Mixer]:
        """The first mixers of a stage, small."""
        parts, position = self.recipe.mixers_of(stage), self.recipe.position
        found = []
        for i in range(LAYERS):
            mixer = parts[i % len(parts)]
            takes = position.make.name in mixer.make.takes  # type: ignore[attr-defined]  # classes, see contract
            found.append(mixer(DIM, HEADS, GRID, position if takes else part(Position)))
        return found


def pages(exhibits: Iterable[Exhibit]) -> dict[str, str]:
    """Every file of the gallery, by its path below docs/."""
    exhibits = list(exhibits)
    drawn = {f"gallery/{e.name}.svg": diagram(e.name, e.fields) for e in exhibits}
    index = ["| design | | one layer sees | two layers see | time | memory | year |", "|---|---|--:|--:|---|---|--:|"]
    index += [index_row(e) for e in exhibits]
    return {"gallery.md": "\n".join([HEAD, *index, "", *map(section, exhibits)]), **drawn}


def index_row(exhibit: Exhibit) -> str:
    """One line of the table at the top of the page."""
    entry, shares = exhibit.entry, [share(field) for field in exhibit.fields]
    link = f"[{exhibit.name}](#{exhibit.name})"
    return f"| {' | '.join([link, entry.title, *shares, entry.time, entry.memory, str(entry.year)])} |"


def section(exhibit: Exhibit) -> str:
    """A design's part of the page."""
    entry, stated = exhibit.entry, sections(exhibit.entry.text)
    facts = {
        "Grows": f"time {entry.time}; memory {entry.memory}",
        **{key: stated.get(key, "") for key in SECTIONS},
        "Layout": layout(exhibit),
        f"At {PARAMS}": budget(exhibit),
    }
    facts["Paper"] = linked(facts["Paper"]) + ("" if str(entry.year) in facts["Paper"] else f" {entry.year}.")
    alt = ", ".join(f"{i} layers see {share(field)}" for i, field in enumerate(exhibit.fields, start=1))
    lines = [f"## {exhibit.name}", "", f"**{entry.title}**", ""]
    lines += [f"![{alt.replace('1 layers see', '1 layer sees')}](gallery/{exhibit.name}.svg)", "", body(entry.text), ""]
    return "\n".join([*lines, *(f"* **{key}:** {fact}" for key, fact in facts.items() if fact), ""])


def layout(exhibit: Exhibit) -> str:
    """The native layout, its position and what it does as the resolution changes."""
    recipe = exhibit.recipe
    return "; ".join(p for p in (recipe.layout_name, f"position {recipe.position_name}", recipe.policy) if p)


def budget(exhibit: Exhibit) -> str:
    """Sizes and costs of the design at the gallery's budget."""
    found = sizes(exhibit.name, PARAMS)
    costs = f"{found['params']:,} parameters, {count_text(found['macs'])} multiply-adds"
    return f"{costs}; {found['depth']} blocks, widths {found['width']}"


def body(text: str) -> str:
    """What a docstring says before its sections, its indented paragraphs as code."""
    paragraphs = re.split(r"\n{2,}", re.split(r"^(?:Paper) ", text, maxsplit=1, flags=re.MULTILINE)[0].strip())
    return "\n\n".join(
        f"```text\n{re.sub('^    ', '', p.strip(chr(10)), flags=re.MULTILINE)}\n```" if p.startswith("    ") else p
        for p in paragraphs
    )


def sections(text: str) -> dict[str, str]:
    """`Paper`, `Time`, `Memory`, `Departs` of a docstring, each in one line."""
    found = re.findall(rf"^({'|'.join(SECTIONS)}) +(.*(?:\n +.*)*)", text, re.MULTILINE)
    return {key: " ".join(value.split()) for key, value in found}


def linked(text: str) -> str:
    """The text with every arXiv number a link."""
    return re.sub(r"\b(\d{4}\.\d{4,5})\b", r"[\1](https://arxiv.org/abs/\1)", text)


def share(field: Tensor) -> str:
    """How much of the grid is seen, in percent."""
    return f"{100 * int(field.sum()) / field.numel():.0f} %"


def diagram(name: str, fields: list[Tensor]) -> str:
    """An SVG with a panel for each field. It follows the theme of the page that shows it."""
    width, height = GRID.x * CELL, GRID.y * CELL
    total = 2 * MARGIN + len(fields) * width + (len(fields) - 1) * GAP
    panels = [panel(field, i + 1, MARGIN + i * (width + GAP)) for i, field in enumerate(fields)]
    size = f'width="{total}" height="{height + 2 * MARGIN + LABEL}"'
    opened = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>What a query of {name} sees</title>'
    return "\n".join([opened, f"<style>{STYLE}</style>", *panels, "</svg>", ""])


def panel(field: Tensor, layers: int, left: int) -> str:
    """The grid, what is seen of it, the query, and the share."""
    query = torch.zeros_like(field)
    query[QUERY] = True
    label = f"{layers} layer{'s' if layers > 1 else ''}: {share(field)}"
    drawn = {"grid": torch.ones_like(field), "seen": field, "query": query}
    return "\n".join([
        f'<g transform="translate({left},{MARGIN})">',
        *(f'<path class="{name}" d="{cells(places)}"/>' for name, places in drawn.items()),
        f'<text x="{GRID.x * CELL // 2}" y="{GRID.y * CELL + 16}" text-anchor="middle">{label}</text></g>',
    ])  # fmt: skip


def cells(places: Tensor) -> str:
    """The places that are true as lines as wide as a cell, one for each run of them in a row; dashes part the cells."""
    lines = []
    for y, row in enumerate(places.tolist()):
        for true, run in groupby(range(len(row)), row.__getitem__):
            columns = list(run)
            if true:
                lines.append(f"M{columns[0] * CELL} {y * CELL + CELL // 2}h{len(columns) * CELL - 1}")
    return "".join(lines)


def write(folder: Path) -> None:
    """Writes the gallery into a folder docs/, and removes the diagrams of designs that are gone."""
    made = pages(map(Exhibit, names()))
    (folder / "gallery").mkdir(exist_ok=True)
    for old in (folder / "gallery").glob("*.svg"):
        old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parent.parent / "docs")
