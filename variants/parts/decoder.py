"""Decoders: from the features of all stages, `b y x d` each, to a class for every pixel of the images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid


class Linear(nn.Module):
    """Segmentation: every stage projected linearly, brought to the finest grid and added, then one linear layer.

    With the one stage of an isotropic transformer this is a linear head on each token.
    """

    def __init__(self, widths: tuple[int, ...], classes: int, width: int = 128) -> None:
        super().__init__()
        self.widths, self.classes, self.width = widths, classes, width
        self.norms = nn.ModuleList(nn.LayerNorm(w, 1e-6) for w in widths)
        self.to_width = nn.ModuleList(nn.Linear(w, width) for w in widths)
        self.to_logits = nn.Linear(width, classes)

    def forward(self, features: list[Tensor], size: Grid) -> Tensor:
        """-> `b classes Y X`, at the size of the images."""
        finest = features[0].shape[1:3]
        total = None
        for norm, to_width, x in zip(self.norms, self.to_width, features, strict=True):
            x = enlarged(to_width(norm(x)).permute(0, 3, 1, 2), finest)  # b width y x
            total = x if total is None else total + x
        assert total is not None, "a backbone has at least one stage"
        logits = self.to_logits(F.gelu(total).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # b classes y x
        return enlarged(logits, (size.y, size.x))

    def macs(self, grids: list[Grid], size: Grid) -> int:
        stages = sum(g.n * w * self.width for g, w in zip(grids, self.widths, strict=True))
        return stages + grids[0].n * self.width * self.classes


def enlarged(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """`b d y x` at another size, bilinear."""
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", align_corners=False)


DECODERS: dict[str, type[nn.Module]] = {"linear": Linear}
