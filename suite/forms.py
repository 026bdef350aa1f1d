"""The forms of one design: in a layout, with a position, with each decoder; what its networks tell."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from suite.case import Case
from variants.contract import Buildable, Design, Grid


def shaped(design: Design, layout: str, position: str, patch: int) -> Design:
    """The design in this layout, with this position, with tokens of at most `patch` pixels; "" and 0: as it is."""
    design = design.in_layout(layout) if layout else design
    design = design.with_position(position) if position else design
    return design.with_patch(patch) if patch else design


def with_decoders(design: Design, decoders: Sequence[str]) -> dict[str, Design | ValueError]:
    """By name, the design with each decoder ("" is its own), or the sentence that says why it does not take it."""
    forms: dict[str, Design | ValueError] = {}
    for decoder in decoders:
        try:
            form = design.with_decoder(decoder) if decoder else design
            forms[form.decoder_name] = form
        except ValueError as error:
            forms[decoder] = error
    return forms


def tells(design: Buildable, case: Case, part: str) -> bool:
    """Whether the case's network says which modules are its `layers`, or its `backbone`; built without memory."""
    with torch.device("meta"):
        return hasattr(design.build(case.task, case.classes, Grid(case.height, case.width)), part)
