"""A matrix memory that is written, faded and read token by token, computed a chunk of tokens at a time.

    C_t = f_t C_{t-1} + i_t k_t v_tᵀ     n_t = f_t n_{t-1} + i_t k_t     out_t = C_tᵀ q_t / max(|n_t · q_t|, 1)

Within a chunk all pairs of tokens meet, as in attention with a mask; what came before is a state of e x (e + 1) numbers
that passes from chunk to chunk. Gates come as logarithms; the largest exponent is taken out of each row and each state.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def recall(q: Tensor, k: Tensor, v: Tensor, write: Tensor, keep: Tensor, chunk: int) -> Tensor:
    """`b h n e` three times, log i and log f `b h n` -> `b h n e`."""
    n = q.shape[2]
    chunk = min(chunk, n)
    v = torch.cat([v, torch.ones_like(v[..., :1])], -1)  # b h n e+1: n_t is one more column of C_t
    q, k, v = (F.pad(t, (0, 0, 0, -n % chunk)).unflatten(2, (-1, chunk)) for t in (q, k, v))  # b h K c e
    write, keep = (F.pad(t, (0, -n % chunk)).unflatten(2, (-1, chunk)) for t in (write, keep))  # b h K c
    kept = keep.cumsum(-1)  # what is left at each token of what stood at the chunk's start
    states, scale = states_before(k, v, write, kept)  # b h K e e+1, b h K
    logs = kept[..., :, None] - kept[..., None, :] + write[..., None, :]  # b h K c c
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).triu(1)
    logs = logs.masked_fill(later, float("-inf"))
    row = torch.maximum(logs.amax(-1), kept + scale[..., None]).detach()  # b h K c
    out = (q @ k.mT * (logs - row[..., None]).exp()) @ v  # b h K c e+1
    if states.shape[2] > 1:
        old = (kept + scale[..., None] - row).exp()[..., None]
        old_out = (q[:, :, 1:] * old[:, :, 1:]) @ states[:, :, 1:]
        out = torch.cat([out[:, :, :1], out[:, :, 1:] + old_out], 2)
    out = out[..., :-1] / torch.maximum(out[..., -1:].abs(), (-row).exp()[..., None])
    return out.flatten(2, 3)[:, :, :n]


def states_before(k: Tensor, v: Tensor, write: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The memory before each chunk, `b h K e e+1`, and the logarithm of its scale, `b h K`.

    Each state first holds its own chunk, then the two, four, eight ... chunks up to it: log K steps, not K.
    """
    faded = kept[:, :, :-1, -1]  # b h K-1: what a chunk leaves of the state before it
    logs = faded[..., None] - kept[:, :, :-1] + write[:, :, :-1]  # b h K-1 c: what is left at the chunk's end
    scale = logs.amax(-1).detach()  # b h K-1
    state = (k[:, :, :-1] * (logs - scale[..., None]).exp()[..., None]).mT @ v[:, :, :-1]  # b h K-1 e e+1
    span = 1
    while span < state.shape[2]:
        carried, own = scale[:, :, :-span] + faded[:, :, span:], scale[:, :, span:]
        largest = torch.maximum(carried, own).detach()
        old, new = ((t - largest).exp()[..., None, None] for t in (carried, own))
        state = torch.cat([state[:, :, :span], old * state[:, :, :-span] + new * state[:, :, span:]], 2)
        scale = torch.cat([scale[:, :, :span], largest], 2)
        faded = torch.cat([faded[:, :, :span], faded[:, :, :-span] + faded[:, :, span:]], 2)
        span *= 2
    return torch.constant_pad_nd(state, (0, 0, 0, 0, 1, 0)), torch.constant_pad_nd(scale, (1, 0))
