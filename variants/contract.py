"""The words that designs and instruments share: Grid, Card, Position, Mixer, Design.

Shape letters, here and nowhere else:

    b  images            y  rows of tokens       x  columns of tokens    n  tokens, y·x
    d  channels          h  heads                e  channels of a head   m  keys that a query sees
    w  side of a window

One tensor passes between parts: `b y x d`, channels last. It carries its own geometry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True)
class Grid:
    """Rows and columns: of tokens, or of the pixels of an image."""

    y: int
    x: int

    @property
    def n(self) -> int:
        """The number of places in the grid."""
        return self.y * self.x

    def reduced(self, step: int) -> Grid:
        """The grid that is left when every `step` x `step` square becomes one place, the last ones padded."""
        return Grid(-(-self.y // step), -(-self.x // step))

    def __str__(self) -> str:
        return f"{self.y}x{self.x}"


REFERENCE = Grid(224, 224)  # pixels: budgets are solved at this size


@dataclass(frozen=True)
class Card:
    """What a design says of itself: its title, its source and how it grows with n tokens of d channels."""

    title: str
    paper: str
    year: int
    time: str
    memory: str


class Position(nn.Module):
    """Where a query and a key are to each other. This one says nothing: the position `none`.

    A mixer builds one for blocks of `queries` that each see a block of `keys` centred on them (for full attention and
    for windows both are the same block), and calls `turn` on q and k of the whole grid, then `logits` on each block.
    """

    name: ClassVar[str] = "none"
    grows: ClassVar[bool] = False  # whether its parameters grow with the block it is built for

    def __init__(self, heads: int, width: int, queries: Grid, keys: Grid) -> None:
        """`width` is e, the channels of one head."""
        super().__init__()

    def turn(self, t: Tensor) -> Tensor:
        """`b y x h e` of q or k -> the same shape."""
        return t

    def logits(self, q: Tensor, keys: Grid) -> Tensor | None:
        """`... h y x e`, the queries of one block -> what to add to `... h (y x) (keys)`, or None for nothing.

        q comes scaled, as it enters the product with k.
        """
        return None

    def macs(self, queries: Grid, keys: Grid) -> int:
        """Multiply-adds of `logits` for one block of one image, all heads."""
        return 0

    def stretched(self, table: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A parameter that was learnt on another block, as one of `shape`. Every module that `grows` has this."""
        raise NotImplementedError


class Mixer(nn.Module):
    """The part of a design that moves information between positions.

    A mixer is built as `Mixer(dim, heads, grid, position, **options)`: d channels in and out, h heads, the grid of
    tokens that it is built for (it must run on any other too) and a maker of its Position. It may name a policy: what
    it does as the resolution changes, a format string over its own attributes.

    One that multiplies values by weights over places calls its projections `to_qkv`, or `to_q` and `to_kv`, and its
    number of heads `heads`: instruments that draw maps rely on these names.
    """

    card: ClassVar[Card]
    takes: ClassVar[frozenset[str]] = frozenset({"none"})  # names of the positions that it can use
    policy: ClassVar[str] = ""
    pads_with_zeros: ClassVar[bool] = False  # whether zeros beyond the grid are part of it, as of a convolution
    packs: ClassVar[str] = "qkv"  # what `to_qkv` makes: q of all heads, then k, then v; or all of one head, "heads"

    def forward(self, x: Tensor) -> Tensor:
        """`b y x d` -> `b y x d`."""
        raise NotImplementedError

    def macs(self, grid: Grid) -> int:
        """Multiply-adds for one image on this grid, exact."""
        raise NotImplementedError

    def twin(self, grid: Grid) -> Mixer | None:
        """A mixer of another design, so weighted that it answers the same to tokens of equal length; None if none does.

        Two designs that say so are one, which a probe measures.
        """
        return None


Positioned = Callable[..., Position]
"""Makes a Position from (heads, width, queries, keys)."""


AUXILIARY = 0.4  # the weight of the loss of each auxiliary head (2012.15840, section 4.1; 1612.01105, section 3.3)


class Network(Protocol):
    """What the suite may ask of a built network, beyond being an nn.Module that maps `b 3 Y X` to logits.

    A network with auxiliary heads answers so in evaluation only. In training it answers with a tuple: the logits, then
    those of each auxiliary head in the same shape, whose losses count AUXILIARY times. They are parameters of the head,
    but no part of `macs`.
    """

    def macs(self, size: Grid) -> int:
        """Multiply-adds for one image of this size in pixels, exact."""

    def parameter_count(self) -> dict[str, int]:
        """Numbers of parameters by place: body, head, and grid (those of the body that grow with the resolution)."""

    @property
    def backbone(self) -> nn.Module:
        """What is before the head: maps images `b 3 Y X` to a list of features, the last of them `b y x d`."""

    def layers(self) -> list[nn.Module]:
        """The blocks with a mixer, in the order in which an image passes them: each maps `b y x d` to `b y x d`."""


class Buildable(Protocol):
    """What an instrument asks of a recipe."""

    def build(self, task: str, classes: int, size: Grid) -> Any:
        """The nn.Module and Network for images of this size."""


class Design(Buildable, Protocol):
    """What the suite may ask of a recipe: it plans and measures through these words alone."""

    @property
    def name(self) -> str: ...
    @property
    def layout_name(self) -> str: ...
    @property
    def position_name(self) -> str: ...
    @property
    def decoder_name(self) -> str:
        """What the networks for segmentation answer with."""

    @property
    def reference(self) -> Grid:
        """The size in pixels at which `fitted` weighs: REFERENCE, or less where `with_patch` made tokens finer."""

    @property
    def widths(self) -> tuple[int, ...]: ...
    @property
    def extra(self) -> tuple[int, ...]: ...
    @property
    def policy(self) -> str:
        """What the design does as the resolution changes: patch, window and block sizes, padding."""

    def in_layout(self, layout: str) -> Design:
        """The same mixer in another layout. ValueError says why not."""

    def with_position(self, position: str) -> Design:
        """The same design with another position. ValueError says why not."""

    def with_patch(self, patch: int) -> Design:
        """The same design with tokens of at most `patch` pixels, where its stem can make them."""

    def with_decoder(self, decoder: str) -> Design:
        """The same design with another decoder for segmentation. ValueError says why not."""

    def fitted(self, params: int) -> Design:
        """The same design, solved to weigh `params` parameters without its head. ValueError if it cannot."""

    def sized(self, widths: tuple[int, ...], extra: tuple[int, ...]) -> Design:
        """The same design with the sizes that `fitted` found before."""

    def alone(self, grid: Grid) -> tuple[Mixer, int]:
        """One layer of the design's mixer for a grid of tokens, and its channels. ValueError if it has none."""


Made = dict[Any, nn.Module]
"""Modules by all that they were made of: equal keys, equal modules."""


@runtime_checkable
class Folds(Protocol):
    """A Design that can say which parts of its networks are equal."""

    def folded(self, task: str, classes: int, size: Grid, made: Made) -> Any:
        """`build`, but parts that are equal are one module: it costs the same, but cannot learn.

        `made` holds these modules, each of which takes one tensor and returns one. Given to another call (for another
        task, never for another dtype), it saves them from being built again.
        """
