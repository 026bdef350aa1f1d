"""Part, Layout, Recipe: a network written as data. Frozen, printable, comparable; it builds and it fits a budget.

A recipe is one stem, a place (absolute position), the mixers with their position, a layout and a head. Everything about
it but the images' size is data, so a published configuration, a budgeted one and an outsider's differ in numbers only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from variants.contract import Card, Grid, Mixer, Position
from variants.parts.backbone import Backbone, Classifier, Undrawn, initialise
from variants.parts.block import Bottleneck, Transformer
from variants.parts.decoder import DECODERS, Linear
from variants.parts.downsample import Merge
from variants.parts.head import Mean
from variants.parts.place import Learned, Nowhere, SinCos
from variants.parts.position import QueryRelative, RelativeBias, Rotary
from variants.parts.stem import Patches, ResNetStem
from variants.parts.width import heads_for, rounded, unit


@dataclass(frozen=True)
class Part:
    """A module that is not built yet: what makes it, and its own options."""

    make: Callable[..., Any]
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(self, *args: Any, **context: Any) -> Any:
        """Builds the module; the context (channels, grid, ...) comes from the recipe around the part."""
        return self.make(*args, **context, **dict(self.options))

    @property
    def policy(self) -> str:
        """What the part does as the resolution changes, with its options filled in."""
        defaults = {k: p.default for k, p in inspect.signature(self.make).parameters.items()}
        return str(getattr(self.make, "policy", "")).format(**defaults | dict(self.options))

    def __str__(self) -> str:
        return f"{self.make.__name__}({', '.join(f'{k}={v}' for k, v in self.options)})"


def part(make: Callable[..., Any], **options: Any) -> Part:
    """`part(Window, window=7)`: a Window of 7 x 7 tokens, to be built later."""
    return Part(make, tuple(sorted(options.items())))


@dataclass(frozen=True)
class Layout:
    """How blocks are stacked: one entry of `widths` and `depths` for each stage.

    The inner width of a block (hidden channels of its MLP, or the channels that a bottleneck mixes) is `ratio` times
    the stage's width; `extra` adds units of channels to a stage, spread over its blocks, the first ones first.
    """

    name: str
    stem: Part
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    block: Part
    ratio: float = 4.0
    ratios: tuple[float, ...] = ()  # one for each stage, where they differ
    head_width: int = 64
    heads: tuple[int, ...] = ()  # published numbers of heads; where empty, head_width decides
    downsample: Part | None = None  # None: the first block of a later stage has stride 2
    strides: tuple[int, ...] = ()  # published strides of the first blocks, where one is not 2
    stem_ratio: float = 1.0  # the stem's channels over the first stage's
    places: bool = False  # whether the place is added anew at the start of each stage
    extra: tuple[int, ...] = ()

    def scaled(self, scale: float) -> Layout:
        """The same stack, its widths times `scale`, in steps of their unit."""
        return replace(self, widths=tuple(rounded(w * scale) for w in self.widths), extra=())

    def inner(self, stage: int) -> list[int]:
        """The inner width of each block of a stage."""
        depth, extra = self.depths[stage], self.extra[stage] if self.extra else 0
        base = rounded(self.widths[stage] * self.ratio_of(stage))
        return [base + unit(base) * (extra // depth + (j < extra % depth)) for j in range(depth)]

    def ratio_of(self, stage: int) -> float:
        """The inner width of a stage over its width."""
        return self.ratios[stage] if self.ratios else self.ratio

    def stride(self, stage: int) -> int:
        """The stride of the first block of a stage, where no downsample stands before it."""
        return self.strides[stage] if self.strides else 2 if stage else 1

    def heads_of(self, stage: int, dim: int) -> int:
        """The number of heads of a mixer with `dim` channels in a stage."""
        return self.heads[stage] if self.heads else heads_for(dim, self.head_width)

    def __str__(self) -> str:
        sizes = f"widths={self.widths} depths={self.depths} ratio={self.ratios or self.ratio} extra={self.extra}"
        heads = f"heads={self.heads}" if self.heads else f"head_width={self.head_width}"
        more = "".join(f" {name}={value}" for name in ("strides", "places") if (value := getattr(self, name)))
        return f"{self.name}[{self.stem} {self.block} {self.downsample} {sizes} {heads}{more}]"


ISOTROPIC = Layout("isotropic", part(Patches, patch=16), (192,), (12,), part(Transformer))
PYRAMID = Layout(
    name="pyramid",
    stem=part(Patches, patch=4, norm=True),
    widths=(96, 192, 384, 768),
    depths=(2, 2, 6, 2),
    block=part(Transformer, eps=1e-5),
    downsample=part(Merge),
    head_width=32,
)
BOTTLENECK = Layout(
    name="bottleneck",
    stem=part(ResNetStem),
    widths=(256, 512, 1024, 2048),
    depths=(3, 4, 6, 3),
    block=part(Bottleneck),
    ratio=0.25,
    head_width=32,
    stem_ratio=0.25,
)
LAYOUTS = {layout.name: layout for layout in (ISOTROPIC, PYRAMID, BOTTLENECK)}
PLACES = {"learned": part(Learned), "sincos": part(SinCos)}
POSITIONS = {"bias": part(RelativeBias), "query": part(QueryRelative), "rotary": part(Rotary)}
REFERENCE = Grid(224, 224)  # budgets are solved at this size


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
        known = (name for name, make in DECODERS.items() if part(make) == self.decoder)
        return next(known, str(self.decoder))

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
        inner = getattr(self.layout.block.make, "mixes_inner", False)
        dims = [self.layout.inner(i)[0] if inner else w for i, w in enumerate(self.widths)]
        return tuple(self.layout.heads_of(i, dim) for i, dim in enumerate(dims))

    @property
    def policy(self) -> str:
        mixers = (mixer for stage in range(len(self.widths)) for mixer in self.mixers_of(stage))
        parts = (self.layout.stem, self.place, *mixers)
        return "; ".join(dict.fromkeys(p.policy for p in parts if p.policy))

    def mixers_of(self, stage: int) -> tuple[Part, ...]:
        """What the blocks of a stage take in turn."""
        stages = len(self.widths)
        if stages == 1 or stage >= len(self.early) or (stage == stages - 1 and len(self.early) < stages):
            return self.mixers
        return (self.early[stage],)

    def __str__(self) -> str:
        """The canonical text: equal for equal recipes, whatever their name."""
        mixers = " ".join(str(p) for p in (*self.early, *self.mixers))
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
        for mixer in self.mixers:
            takes = mixer.make.takes  # type: ignore[attr-defined]  # a Mixer class
            if position in POSITIONS and position not in takes:
                known = ", ".join(sorted({*takes, *PLACES}))
                raise ValueError(f"{mixer.make.__name__} takes the positions {known}, not {position}")
        place = PLACES.get(position, part(Nowhere))
        return replace(self, place=place, position=POSITIONS.get(position, part(Position)))

    def with_decoder(self, decoder: str) -> Recipe:
        """The same design with another decoder for segmentation. ValueError says which there are."""
        if decoder == self.decoder_name:
            return self
        if decoder not in DECODERS:
            raise ValueError(f"no decoder is called {decoder!r}: choose one of {', '.join(DECODERS)}")
        return replace(self, decoder=part(DECODERS[decoder]))

    def sized(self, widths: tuple[int, ...], extra: tuple[int, ...]) -> Recipe:
        return replace(self, layout=replace(self.layout, widths=tuple(widths), extra=tuple(extra)))

    def fitted(self, params: int) -> Recipe:
        """The recipe whose body weighs `params` parameters within 1 %, at the reference size of 224 x 224 pixels."""
        from variants.fit import fit  # here because fit builds recipes

        return fit(self, params)

    def build(self, task: str, classes: int, size: Grid) -> Classifier:
        """The network for images of `size` pixels, with weights drawn from torch's current seed.

        `task` is "classification" (logits `b classes`) or "segmentation" (logits `b classes Y X`).
        """
        head = {"classification": self.head, "segmentation": self.decoder}[task]
        with Undrawn():
            network = Classifier(self._backbone(size), head(self.widths, classes))
        if not next(network.parameters()).is_meta:
            initialise(network)
        return network

    def _backbone(self, size: Grid) -> Backbone:
        layout = self.layout
        dim = layout.widths[0] if layout.stem_ratio == 1 else rounded(layout.widths[0] * layout.stem_ratio)
        stem = layout.stem(dim)
        grid = stem.grid(size)
        place = self.place(dim, grid)
        stages = []
        for i, width in enumerate(layout.widths):
            stage, dim, grid = self._stage(i, dim, width, grid)
            stages.append(stage)
        return Backbone(stem, place, nn.ModuleList(stages))

    def _stage(self, i: int, dim: int, width: int, grid: Grid) -> tuple[nn.Sequential, int, Grid]:
        layout, pieces = self.layout, []
        if i and layout.downsample:
            pieces.append(layout.downsample(dim, width))
            dim, grid = width, pieces[-1].grid(grid)
            if layout.places:
                pieces.append(self.place(dim, grid))
        mixers = self.mixers_of(i)
        for j, inner in enumerate(layout.inner(i)):
            mixer = partial(self._mixer, mixers[j % len(mixers)], i)
            stride = 1 if j or layout.downsample else layout.stride(i)
            pieces.append(layout.block(dim, width, inner, stride, grid, mixer))
            dim, grid = width, pieces[-1].grid(grid)
        return nn.Sequential(*pieces), dim, grid

    def _mixer(self, mixer: Part, stage: int, dim: int, grid: Grid) -> Mixer:
        takes = self.position.make.name in mixer.make.takes  # type: ignore[attr-defined]  # classes, see contract
        position = self.position if takes else part(Position)
        built: Mixer = mixer(dim, self.layout.heads_of(stage, dim), grid, position)
        return built


def body_params(recipe: Recipe, size: Grid = REFERENCE) -> int:
    """Parameters of everything but the task head, counted on the meta device."""
    with torch.device("meta"), Undrawn():
        return sum(p.numel() for p in recipe._backbone(size).parameters())
