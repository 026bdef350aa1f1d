"""Part and Layout: what a recipe is made of. A part is a module not built yet, a layout stacks blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from variants.parts.block import Bottleneck, Transformer
from variants.parts.downsample import Merge
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
        more += f" stem_ratio={self.stem_ratio}" if self.stem_ratio != 1 else ""
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
