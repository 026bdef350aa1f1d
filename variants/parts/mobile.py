"""Mobile convolutions with squeeze-excitation, and the stem, block and head that MaxViT makes of them (2204.01697)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Grid
from variants.parts.block import MakeMixer, Transformer
from variants.parts.norm import BatchNorm2d
from variants.parts.piece import Piece, out_size


class SqueezeExcite(nn.Module):
    """Each channel times a gate that two small layers make of all channels' means (1709.01507, section 3)."""

    def __init__(self, dim: int, squeezed: int) -> None:
        super().__init__()
        self.dim, self.squeezed = dim, squeezed
        self.to_squeezed, self.to_gate = nn.Conv2d(dim, squeezed, 1), nn.Conv2d(squeezed, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`b d y x` -> `b d y x`."""
        gate = self.to_gate(F.silu(self.to_squeezed(x.mean((2, 3), keepdim=True))))  # b d 1 1
        return x * gate.sigmoid()

    def macs(self) -> int:
        return 2 * self.dim * self.squeezed


class Mobile(Piece):
    """Batch norm, 1 x 1 convolution to `ratio` times as many channels, 3 x 3 depthwise, squeeze-excitation, 1 x 1 back.

    Batch norm and GELU follow the first two. The stride is the depthwise convolution's; the shortcut then is mean
    pooling and a 1 x 1 convolution (2204.01697, section 3.3 and appendix A).
    """

    def __init__(self, dim: int, out: int, stride: int, ratio: int = 4, squeeze: float = 0.25) -> None:
        super().__init__()
        self.dim, self.out, self.inner, self.stride = dim, out, ratio * out, stride
        self.to_short: nn.Module = nn.Identity()
        if dim != out or stride > 1:
            pool = nn.AvgPool2d(3, stride, 1) if stride > 1 else nn.Identity()
            self.to_short = nn.Sequential(pool, nn.Conv2d(dim, out, 1))
        self.norm = BatchNorm2d(dim, 1e-3)
        self.to_inner, self.inner_norm = nn.Conv2d(dim, self.inner, 1, bias=False), BatchNorm2d(self.inner, 1e-3)
        self.near = nn.Conv2d(self.inner, self.inner, 3, stride, 1, groups=self.inner, bias=False)
        self.near_norm = BatchNorm2d(self.inner, 1e-3)
        self.excite, self.to_out = SqueezeExcite(self.inner, int(out * squeeze)), nn.Conv2d(self.inner, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)  # b d y x, channels last in memory
        z = F.gelu(self.inner_norm(self.to_inner(self.norm(x))))
        z = self.excite(F.gelu(self.near_norm(self.near(z))))
        return (self.to_short(x) + self.to_out(z)).permute(0, 2, 3, 1)  # b y x d

    def grid(self, grid: Grid) -> Grid:
        return out_size(grid, 3, self.stride, 1)

    def macs(self, grid: Grid) -> int:
        after = self.grid(grid).n
        short = 0 if isinstance(self.to_short, nn.Identity) else after * self.dim * self.out
        far = grid.n * self.dim * self.inner + after * (9 * self.inner + self.inner * self.out)
        return far + self.excite.macs() + short


class MobileTransformer(Piece):
    """A transformer block, before it a mobile convolution, unless its mixer `follows` another block without one."""

    def __init__(
        self, dim: int, out: int, inner: int, stride: int, grid: Grid, mixer: MakeMixer, eps: float = 1e-5
    ) -> None:
        super().__init__()
        after = out_size(grid, 3, stride, 1)
        far = Transformer(out, out, inner, 1, after, mixer, eps)
        self.near = Piece() if getattr(far.mix, "follows", False) else Mobile(dim, out, stride)
        assert isinstance(self.near, Mobile) or (dim == out and stride == 1), "what follows keeps width and grid"
        self.far = far

    def forward(self, x: Tensor) -> Tensor:
        return self.far(self.near(x) if isinstance(self.near, Mobile) else x)

    def grid(self, grid: Grid) -> Grid:
        return self.near.grid(grid)

    def macs(self, grid: Grid) -> int:
        return self.near.macs(grid) + self.far.macs(self.near.grid(grid))


class MobileStem(Piece):
    """Two 3 x 3 convolutions, the first of stride 2 with batch norm and GELU (2204.01697, table 1)."""

    policy = "the stem reduces the image 2 times at every resolution"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.first, self.norm = nn.Conv2d(3, dim, 3, 2, 1, bias=False), BatchNorm2d(dim, 1e-3)
        self.second = nn.Conv2d(dim, dim, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = F.gelu(self.norm(self.first(images.contiguous(memory_format=torch.channels_last))))
        return self.second(x).permute(0, 2, 3, 1)  # b y x d

    def grid(self, grid: Grid) -> Grid:
        return out_size(grid, 3, 2, 1)

    def macs(self, grid: Grid) -> int:
        return self.grid(grid).n * 9 * (3 + self.dim) * self.dim


class Pooler(nn.Module):
    """Classification: the mean over all positions, layer norm, a layer with tanh, and one linear layer without bias."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.dim, self.classes = widths[-1], classes
        self.norm, self.to_hidden = nn.LayerNorm(self.dim), nn.Linear(self.dim, self.dim)
        self.to_logits = nn.Linear(self.dim, classes, bias=False)

    def forward(self, features: list[Tensor], size: Grid) -> Tensor:
        """-> `b classes`."""
        return self.to_logits(self.to_hidden(self.norm(features[-1].mean((1, 2)))).tanh())

    def macs(self, grids: list[Grid], size: Grid) -> int:
        return self.dim * (self.dim + self.classes)
