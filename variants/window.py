"""Window attention: the grid is cut into windows, and every token attends to the tokens of its own window.

    out_i = Σ_{j in window(i)} softmax_j(q_i · k_j / √e + position_{j-i}) v_j

Paper    the unshifted half of Swin Transformer, Liu et al. 2021 (2103.14030).
Time     4 n d² for the projections, 2 n w² d for the mixing: linear in n.
Memory   n d. The fused kernel stores no weights; where windows are padded, mask and bias are h n w²
         numbers, as the weights are in training on the CPU.
Departs  windows that reach beyond the grid are padded, and what was padded is masked; a window never exceeds the grid.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from variants.contract import Card, Grid, Mixer, Position, Positioned
from variants.parts.attend import attend
from variants.parts.position import RelativeBias
from variants.recipe import PYRAMID, Recipe, part


class Window(Mixer):
    """Attention in windows of `window` x `window` tokens, the first one at the corner."""

    card = Card("Window attention", paper="2103.14030", year=2021, time="n w² d", memory="n d")
    takes = frozenset({"none", "bias", "query", "rotary"})
    policy = "windows of {window} x {window} tokens at every resolution, padded and masked"
    shifted = False

    def __init__(self, dim: int, heads: int, grid: Grid, position: Positioned, window: int = 7) -> None:
        super().__init__()
        self.dim, self.heads, self.window = dim, heads, window
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        side = Grid(window, window)
        self.position = position(heads, dim // heads, side, side)
        self.last_mask: tuple[object, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        grid = Grid(*x.shape[1:3])
        q, k, v = self.parts(x, grid)  # (b W) h w w e, three times
        out = attend(q.flatten(2, 3), k.flatten(2, 3), v.flatten(2, 3), self.bias(q, grid))  # (b W) h n e
        return self.to_out(self.joined(out.transpose(1, 2), len(x), grid))

    def bias(self, q: Tensor, grid: Grid) -> Tensor | None:
        """What to add to the logits of position and mask: h n n, (b W) h n n or (b W) 1 n n; None for nothing."""
        bias = self.position.logits(q * q.shape[-1] ** -0.5, self.side(grid))  # h n n, or (b W) h n n, or None
        mask = self.mask(grid, q)  # W 1 n n, or None
        if mask is None:
            return bias
        b = len(q) // len(mask)
        if bias is not None:
            mask = mask + (bias if bias.dim() == 3 else bias.unflatten(0, (b, -1)))  # W h n n, or b W h n n
        return mask.expand(b, *mask.shape[-4:]).flatten(0, 1)

    def parts(self, x: Tensor, grid: Grid) -> Iterator[Tensor]:
        """q, k and v of W windows, `(b W) h w w e` each.

        x is a third of its projections, so it is cut before them, unless padding would be projected or q is turned.
        """
        side, turns = self.side(grid), type(self.position).turn is not Position.turn
        if turns or grid.y % side.y or grid.x % side.x:
            q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(3)  # b y x h e, three times
            parts = (self.cut(t.flatten(3), grid) for t in (self.position.turn(q), self.position.turn(k), v))
        else:
            parts = iter(self.to_qkv(self.cut(x, grid)).chunk(3, -1))
        return (t.unflatten(-1, (self.heads, -1)).permute(0, 3, 1, 2, 4) for t in parts)

    def side(self, grid: Grid) -> Grid:
        """The window on this grid."""
        return Grid(min(self.window, grid.y), min(self.window, grid.x))

    def shift(self, grid: Grid) -> tuple[int, int]:
        """By how many rows and columns the windows are moved: nothing along an axis that one window covers."""
        side = self.side(grid)
        rows, columns = side.y // 2 if side.y < grid.y else 0, side.x // 2 if side.x < grid.x else 0
        return (rows, columns) if self.shifted else (0, 0)

    def cut(self, t: Tensor, grid: Grid) -> Tensor:
        """`b y x d` -> `(b W) w w d`, W windows, padded with zeros."""
        w, (rows, columns) = self.side(grid), self.shift(grid)
        if grid.x % w.x or grid.y % w.y:  # even where it adds nothing, F.pad copies
            t = F.pad(t, (0, 0, 0, -grid.x % w.x, 0, -grid.y % w.y))
        t = t.roll((-rows, -columns), (1, 2)) if rows or columns else t
        t = t.unflatten(2, (-1, w.x)).unflatten(1, (-1, w.y))  # b Y w X w d
        return t.transpose(2, 3).flatten(0, 2)

    def joined(self, t: Tensor, b: int, grid: Grid) -> Tensor:
        """`(b W) n h e` -> `b y x d`, without the padding."""
        w, (rows, columns) = self.side(grid), self.shift(grid)
        Y, X = -(-grid.y // w.y), -(-grid.x // w.x)
        t = t.reshape(b, Y, X, w.y, w.x, -1).transpose(2, 3).reshape(b, Y * w.y, X * w.x, -1)
        t = t.roll((rows, columns), (1, 2)) if rows or columns else t
        return t[:, : grid.y, : grid.x]

    def mask(self, grid: Grid, q: Tensor) -> Tensor | None:
        """`W 1 n n`, what to add to the logits: -inf where a token may not see another. None where it may see all.

        It is kept until another grid, device or type of numbers comes.
        """
        asked = grid, q.device, q.dtype
        if self.last_mask is None or self.last_mask[0] != asked:
            seen = self.mask_of(grid)
            if seen is not None:
                seen = torch.zeros(seen.shape, dtype=q.dtype).masked_fill_(~seen, float("-inf")).to(q.device)
            self.last_mask = asked, seen
        return self.last_mask[1]

    def mask_of(self, grid: Grid) -> Tensor | None:
        """`W 1 n n`, true where a token may see another; None where it may see all of its window.

        Tokens see each other if they were neighbours before the shift and both, or neither, are padding.
        """
        w, (rows, columns) = self.side(grid), self.shift(grid)
        Y, X = -(-grid.y // w.y) * w.y, -(-grid.x // w.x) * w.x
        if (Y, X) == (grid.y, grid.x) and not rows and not columns:
            return None
        region_y, region_x = (regions(*axis) for axis in ((grid.y, Y, rows), (grid.x, X, columns)))
        region = (region_y[:, None] * 4 + region_x).view(Y // w.y, w.y, X // w.x, w.x)
        region = region.transpose(1, 2).reshape(-1, 1, w.n)  # W 1 n
        return region[..., :, None] == region[..., None, :]

    def macs(self, grid: Grid) -> int:
        side = self.side(grid)
        windows = -(-grid.y // side.y) * -(-grid.x // side.x)
        mixing = 2 * side.n**2 * self.dim + self.position.macs(side, side)
        return grid.n * 4 * self.dim**2 + windows * mixing


def regions(length: int, padded: int, shift: int) -> Tensor:
    """`padded`: along one axis after the shift, 0 for most places, 1 for those that came round, 2 for the padding."""
    places = torch.arange(padded).roll(-shift)
    came_round = torch.arange(padded) >= padded - shift
    return torch.where(places >= length, 2, came_round.long())


RECIPE = Recipe(mixers=(part(Window),), layout=PYRAMID, position=part(RelativeBias))
