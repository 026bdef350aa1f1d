"""Recipe: a network written as data. Frozen, printable, comparable; it builds and it fits a budget.

A recipe is one stem, a place (absolute position), the mixers with their position, a layout and a head. Everything about
it but the images' size is data, so a published configuration, a budgeted one and an outsider's differ in numbers only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from variants.contract import REFERENCE, Card, Grid, Made, Mixer, Position
from variants.layout import BOTTLENECK, ISOTROPIC, LAYOUTS, PYRAMID, Layout, Part, part
from variants.parts.backbone import Backbone, Classifier, Undrawn, initialise
from variants.parts.decoder import Linear
from variants.parts.head import Mean
from variants.parts.place import Learned, Nowhere, SinCos
from variants.parts.position import QueryRelative, RelativeBias, Rotary
from variants.parts.setr import MLA, PUP, Naive
from variants.parts.uper import UPer
from variants.parts.width import rounded

__all__ = ["BOTTLENECK", "ISOTROPIC", "LAYOUTS", "PYRAMID", "Layout", "Part", "Recipe", "body_params", "part"]

PLACES = {"learned": part(Learned), "sincos": part(SinCos)}
POSITIONS = {"bias": part(RelativeBias), "query": part(QueryRelative), "rotary": part(Rotary)}
DECODERS = {"linear": part(Linear), "naive": part(Naive), "pup": part(PUP), "mla": part(MLA), "uper": part(UPer)}


@dataclass(frozen=True)
class Recipe:
    """A network as data; implements `variants.contract.Design`."""

    mixers: tuple[Part, ...]  # taken in turn by the blocks of a stage
    layout: Layout = ISOTROPIC
    place: Part = part(Nowhere)
    position: Part = part(Position)
    early: tuple[Part, ...] = ()  # mixers of the first stages, or of every stage, where there are several stages
    head: Part = part(Mean)
    decoder: Part = part(Linear)
    reference: Grid = REFERENCE  # the size at which the budget is solved
    given: Card | None = None  # for a design that is told apart by something else than its mixer
    name: str = ""

    @property
    def card(self) -> Card:
        card: Card = self.given or self.mixers[-1].make.card  # type: ignore[attr-defined]  # a Mixer class
        return card

    @property
    def layout_name(self) -> str:
        return self.layout.name

    @property
    def position_name(self) -> str:
        names = [self.place.make.name, self.position.make.name]  # type: ignore[attr-defined]  # a Position class
        return "+".join(n for n in names if n != "none") or "none"

    @property
    def decoder_name(self) -> str:
        name = next((name for name, known in DECODERS.items() if known.make is self.decoder.make), str(self.decoder))
        return ":".join([name, *(str(width) for option, width in self.decoder.options if option == "width")])

    @property
    def widths(self) -> tuple[int, ...]:
        return self.layout.widths

    @property
    def depths(self) -> tuple[int, ...]:
        return self.layout.depths

    @property
    def extra(self) -> tuple[int, ...]:
        return self.layout.extra

    @property
    def heads(self) -> tuple[int, ...]:
        """Numbers of heads of the first block of each stage; 0 for a mixer without heads."""
        fixed: int | None = getattr(self.mixers[-1].make, "fixed_heads", None)
        if fixed is not None:
            return (fixed,) * len(self.widths)
        return tuple(self.layout.heads_of(i, dim) for i, dim in enumerate(self.dims))

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels of the mixer in the first block of each stage."""
        inner = getattr(self.layout.block.make, "mixes_inner", False)
        return tuple(self.layout.inner(i)[0] if inner else w for i, w in enumerate(self.widths))

    @property
    def policy(self) -> str:
        parts = (self.layout.stem, self.place, *self.used)
        return "; ".join(dict.fromkeys(p.policy for p in parts if p.policy))

    @property
    def used(self) -> tuple[Part, ...]:
        """The mixers of all stages, each once, in the order in which an image meets them."""
        return tuple(dict.fromkeys(mixer for stage in range(len(self.widths)) for mixer in self.mixers_of(stage)))

    def mixers_of(self, stage: int) -> tuple[Part, ...]:
        """What the blocks of a stage take in turn."""
        stages = len(self.widths)
        if stages == 1 or stage >= len(self.early) or (stage == stages - 1 and len(self.early) < stages):
            return self.mixers
        return (self.early[stage],)

    def __str__(self) -> str:
        """The canonical text: equal for equal networks, whatever their name, and for no others."""
        mixers = " | ".join(" ".join(map(str, parts)) for parts in (self.early, self.mixers) if parts)
        return f"{self.layout} {self.place} {self.position} [{mixers}] {self.head} {self.decoder}"

    def in_layout(self, layout: str) -> Recipe:
        """The same mixer in another layout, with that layout's own stem and blocks. ValueError says why not."""
        if layout == self.layout.name:
            return self
        if layout not in LAYOUTS:
            raise ValueError(f"no layout is called {layout!r}: choose one of {', '.join(LAYOUTS)}")
        if self.given:
            raise ValueError(
                f"{self.name or 'this design'} is told apart by what surrounds its mixer: leave out --layout"
            )
        return replace(self, layout=LAYOUTS[layout])

    def with_position(self, position: str) -> Recipe:
        """The same design with one other position, absolute or relative. ValueError says why not."""
        if position == self.position_name:
            return self
        if position not in {"none", *PLACES, *POSITIONS}:
            names = ", ".join(("none", *PLACES, *POSITIONS))
            raise ValueError(f"no position is called {position!r}: choose one of {names}")
        takes = {taken for mixer in self.used for taken in mixer.make.takes}  # type: ignore[attr-defined]  # Mixer classes
        if position in POSITIONS and position not in takes:
            known = ", ".join(sorted({*takes, *PLACES}))
            raise ValueError(f"{self.name or 'this design'} takes the positions {known}, not {position}")
        place = PLACES.get(position, part(Nowhere))
        return replace(self, place=place, position=POSITIONS.get(position, part(Position)))

    def with_patch(self, patch: int) -> Recipe:
        """The same design with tokens of at most `patch` pixels, where its stem can make them; otherwise itself.

        Its budget is solved at the size that leaves as many tokens as before.
        """
        stem, finer = self.layout.stem, getattr(self.layout.stem.make, "finer", None)
        if finer is None or patch >= (before := step(stem)):
            return self
        fine = part(stem.make, **finer(patch, **dict(stem.options)))
        sides = (side * step(fine) // before for side in (self.reference.y, self.reference.x))
        return replace(self, layout=replace(self.layout, stem=fine), reference=Grid(*sides))

    def with_decoder(self, decoder: str) -> Recipe:
        """The same design with another decoder, `uper`, or with so many channels in it, `uper:128`. ValueError."""
        if decoder == self.decoder_name:
            return self
        found = re.fullmatch(r"(\w+)(?::(\d+))?", decoder)
        if not found or found[1] not in DECODERS or int(found[2] or 2) < 2:
            names = ", ".join(DECODERS)
            raise ValueError(f"no decoder is called {decoder!r}: choose one of {names}, or with its channels, uper:128")
        made = DECODERS[found[1]]
        return replace(self, decoder=part(made.make, width=int(found[2])) if found[2] else made)

    def sized(self, widths: tuple[int, ...], extra: tuple[int, ...]) -> Recipe:
        return replace(self, layout=replace(self.layout, widths=tuple(widths), extra=tuple(extra)))

    def fitted(self, params: int) -> Recipe:
        """The recipe whose body weighs `params` parameters within 1 %, at the size of reference."""
        from variants.fit import fit  # here because fit builds recipes

        return fit(self, params)

    def build(self, task: str, classes: int, size: Grid) -> Classifier:
        """The network for images of `size` pixels, with weights drawn from torch's current seed.

        `task` is "classification" (logits `b classes`) or "segmentation" (logits `b classes Y X`).
        """
        network = self.folded(task, classes, size, None)
        if not next(network.parameters()).is_meta:
            initialise(network.backbone)
            initialise(network.head, partial(nn.init.kaiming_uniform_, a=math.sqrt(5)))  # as torch does: smaller logits
        return network

    def folded(self, task: str, classes: int, size: Grid, made: Made | None) -> Classifier:
        """The network, its equal parts taken from `made`; see `variants.contract.Folds`. Without `made`, none are."""
        head = {"classification": self.head, "segmentation": self.decoder}[task]
        taps = self._taps(head)
        with Undrawn():
            backbone = self._backbone(size, made, taps)
            return Classifier(backbone, head(self.widths * max(len(taps), 1), classes))

    def alone(self, grid: Grid) -> tuple[Mixer, int]:
        """The mixer that the card speaks of, built for a grid of tokens, and its channels.

        It is that of the first stage which has it, with the width and heads of that stage; of mixers that take turns,
        the last one. Where the card speaks of what surrounds the mixers, the first stage has it.
        """
        titles = [self.mixers_of(i)[-1].make.card.title for i in range(len(self.widths))]  # type: ignore[attr-defined]
        stage = titles.index(self.card.title) if self.card.title in titles else 0
        with Undrawn():
            mixer = self._mixer(None, self.mixers_of(stage)[-1], stage, 1, self.dims[stage], grid)
        if not any(p.is_meta for p in mixer.parameters()):
            initialise(mixer)
        return mixer, self.dims[stage]

    def _taps(self, head: Part) -> tuple[int, ...]:
        """The blocks of a single stage whose features the head wants; see `Backbone`."""
        shares = getattr(head.make, "taps", ()) if len(self.depths) == 1 else ()
        return tuple(max(1, round(share * self.depths[0])) for share in shares)

    def _backbone(self, size: Grid, made: Made | None, taps: tuple[int, ...] = ()) -> Backbone:
        layout = self.layout
        dim = layout.widths[0] if layout.stem_ratio == 1 else rounded(layout.widths[0] * layout.stem_ratio)
        stem = once(made, (layout.stem, dim), partial(layout.stem, dim))
        grid = stem.grid(size)
        place = self.place(dim, grid)
        stages = []
        for i, width in enumerate(layout.widths):
            stage, dim, grid = self._stage(i, dim, width, grid, made)
            stages.append(stage)
        return Backbone(stem, place, nn.ModuleList(stages), taps)

    def _stage(self, i: int, dim: int, width: int, grid: Grid, made: Made | None) -> tuple[nn.Sequential, int, Grid]:
        layout, pieces = self.layout, []
        if i and layout.downsample:
            pieces.append(once(made, (layout.downsample, dim, width), partial(layout.downsample, dim, width)))
            dim, grid = width, pieces[-1].grid(grid)
            if layout.places:
                pieces.append(self.place(dim, grid))
        mixers = self.mixers_of(i)
        for j, inner in enumerate(layout.inner(i)):
            mixer, stride = mixers[j % len(mixers)], 1 if j or layout.downsample else layout.stride(i)
            sizes = (dim, width, inner, stride, grid)
            make = partial(layout.block, *sizes, partial(self._mixer, made, mixer, i, stride))
            pieces.append(once(made, (layout.block, mixer, i, *sizes), make))
            dim, grid = width, pieces[-1].grid(grid)
        return nn.Sequential(*pieces), dim, grid

    def _mixer(self, made: Made | None, mixer: Part, stage: int, stride: int, dim: int, grid: Grid) -> Mixer:
        """`stride` is the block's, which may hand it on to its mixer."""
        takes = self.position.make.name in mixer.make.takes  # type: ignore[attr-defined]  # classes, see contract
        position = self.position if takes else part(Position)
        make = partial(mixer, dim, self.layout.heads_of(stage, dim), grid, position)
        built: Mixer = once(made, (mixer, stage, stride, dim, grid), make)
        return built


def once(made: Made | None, key: Any, make: Callable[[], Any]) -> Any:
    """What was made for this key before, if it is kept in `made`; else something new."""
    if made is None:
        return make()
    if key not in made:
        made[key] = make()
    return made[key]


def step(stem: Part) -> int:
    """How many pixels a token of the stem is wide."""
    with torch.device("meta"), Undrawn():
        return REFERENCE.y // int(stem(64).grid(REFERENCE).y)


def body_params(recipe: Recipe, made: Made | None = None) -> int:
    """Parameters of everything but the task head at the recipe's reference, on the meta device.

    `made` keeps parts between calls.
    """
    with torch.device("meta"), Undrawn():
        backbone = recipe._backbone(recipe.reference, {} if made is None else made)
    return sum(p.numel() for _, p in backbone.named_parameters(remove_duplicate=False))
