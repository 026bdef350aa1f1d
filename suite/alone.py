"""A mixer by itself, as the instruments take a network: its image is a grid of tokens."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from variants.contract import Design, Grid, Mixer


class AloneMixer(nn.Module):
    """A mixer that takes tokens `b y x d` of `token_width` channels."""

    def __init__(self, mixer: Mixer, width: int) -> None:
        super().__init__()
        self.mixer, self.token_width = mixer, width

    def forward(self, tokens: Tensor) -> Tensor:
        """`b y x d` -> `b y x d`."""
        return self.mixer(tokens)

    def macs(self, size: Grid) -> int:
        return self.mixer.macs(size)

    def parameter_count(self) -> dict[str, int]:
        grid = sum(p.numel() for m in self.modules() if getattr(m, "grows", False) for p in m.parameters())
        return {"body": sum(p.numel() for p in self.parameters()), "head": 0, "grid": grid}


@dataclass(frozen=True)
class Alone:
    """What builds one layer of a design's mixer where the design would build its network."""

    design: Design

    def build(self, task: str, classes: int, size: Grid) -> AloneMixer:
        """The mixer for a grid of `size` tokens. ValueError if the design cannot be taken apart."""
        return AloneMixer(*self.design.alone(size))
