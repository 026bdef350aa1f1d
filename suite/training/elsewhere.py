"""A network at another size than it was trained at: built anew for that size, with the trained weights.

What grows with the size (`grows`, see variants/contract.py) is interpolated once, so that a pass costs what it costs a
network that was made for the size; windows, blocks and all else follow the design's policy.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from suite.failure import ran_out
from suite.training.exam import Exam, examine
from suite.training.feed import Images
from variants.contract import Grid


def take_over(network: nn.Module, trained: dict[str, Tensor]) -> None:
    """Gives the network the weights of one that was built for another size. ValueError if one is neither of the same
    shape nor interpolated.
    """
    own, growing = network.state_dict(), dict(grown(network))
    fitted = dict(trained)
    with torch.no_grad():
        for name, weight in trained.items():
            if name in growing and name in own and weight.shape != own[name].shape:
                fitted[name] = growing[name].stretched(weight, tuple(own[name].shape))  # type: ignore[operator]
    try:
        network.load_state_dict(fitted)
    except RuntimeError as error:
        said = str(error).splitlines()[-1].strip()
        raise ValueError(f"its weights do not fit another size: {said}") from None


def grown(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The name of each parameter that grows with the size, and the module that it belongs to."""
    for path, module in network.named_modules():
        if getattr(module, "grows", False):
            for name, _ in module.named_parameters(recurse=False):
                yield f"{path}.{name}".lstrip("."), module


def examine_in_parts(
    network: nn.Module, source: Images, split: str, size: Grid, images: int, batch: int, device: torch.device
) -> Exam | None:
    """`examine`, with half the batch as often as the memory runs out. Raises what it raised for a single image."""
    while True:
        try:
            return examine(network, source, split, size, images, batch, device)
        except (RuntimeError, MemoryError) as error:
            if batch == 1 or not ran_out(error):
                raise
        batch //= 2  # here, where the traceback no longer holds what did not fit
