"""The survey's claims C1 to C21, what measures each, and the verdicts that records allow. None is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from reports.claims import cost, learning, reach
from reports.claims.view import UNMEASURED, Finding, View

Judge = Callable[[View], Finding | None]

TOKENS = "--scope mixer --res 16,24,32,48,64 --task classification --mode inference"
GRATING = "--metric accuracy --data scenes:grating --task classification --res 64"


@dataclass(frozen=True)
class Claim:
    """One claim: what the survey says, how it is judged, the sweep that measures it, and its judge."""

    number: int
    says: str
    judged_by: str
    command: str = ""  # of avbench; empty: no command of this version measures it
    judge: Judge = lambda view: None

    @property
    def name(self) -> str:
        return f"C{self.number}"


@dataclass(frozen=True)
class Verdict:
    """A claim and what the records say of it."""

    claim: Claim
    verdict: str
    said: str
    ids: tuple[str, ...] = ()


CLAIMS = (
    Claim(
        1, "Self-attention costs O(length² x dim).", "fitted exponents of one layer against tokens",
        f"sweep vit {TOKENS} --metric macs,memory,latency --backend sdpa,math", cost.quadratic,
    ),
    Claim(
        2, "Recurrent mixing cannot be parallelised and reaches far only slowly; attention is trivially parallel.",
        "the longest chain of dependent steps of one layer",
        "sweep vit rnn --scope mixer --metric probe --res 7,14,28", reach.recurrence,
    ),
    Claim(
        3, "One attention layer lets every pixel interact with every other; a convolution does not.",
        "share of tokens with a non-zero derivative after one layer",
        "sweep vit conv --metric field --task classification --res 64", reach.one_layer_sees_all,
    ),
    Claim(
        4, "A single head averages everything; several heads model different kinds of interaction.",
        "accuracy of one head against several under one budget",
        "sweep vit single_head --metric accuracy --data scenes:legend --task segmentation --res 64 --seeds 5",
        learning.one_head,
    ),
    Claim(
        5, "Self-attention is a data-dependent convolution; bilateral filters and non-local means are its ancestors.",
        "change of the map from values to output with the image",
        "sweep vit local bilateral conv --scope mixer --metric probe --res 14", reach.data_dependence,
    ),
    Claim(
        6, "Pixels as tokens are too expensive.", "the resolution at which `pixel` exceeds a limit",
        "sweep pixel vit --metric memory,latency --task classification --res 32,64,96,128,224,512",
        cost.pixels_too_many,
    ),
    Claim(
        7, "Shrinking the image loses detail; a learned downsampling keeps it.",
        "accuracy of `downsample` against `conv_stem` on gratings",
        f"sweep downsample conv_stem {GRATING} --seeds 5", learning.stem_keeps_detail,
    ),
    Claim(
        8, "Patches with one linear projection suffice.", "accuracy of `vit` against `conv_stem`",
        f"sweep vit conv_stem {GRATING} --seeds 5", learning.patches_suffice,
    ),
    Claim(
        9, "Attention may sit at a high, middle or low level.", "cost and accuracy of the three hybrids",
        "sweep hybrid_high hybrid_mid hybrid_low --metric latency,accuracy --data scenes:grating --task classification "
        "--res 64 --seeds 5", learning.levels,
    ),
    Claim(
        10, "Local attention grows linearly with the number of pixels.", "fitted exponent of one layer",
        f"sweep local {TOKENS} --metric macs,latency", cost.local_is_linear,
    ),
    Claim(
        11, "Blocked local attention needs less memory, is more efficient, and more accurate.",
        "`halo` against `local` at an equal budget",
        "sweep halo local --metric memory,latency,accuracy --data scenes:grating --task classification --res 64,224",
        cost.blocked_is_leaner,
    ),
    Claim(
        12, "With shifted windows, eventually all pixels interact with all others.", "field after each layer",
        "sweep swin window --metric field --task classification --res 224", reach.shifted_windows_reach,
    ),
    Claim(
        13, "Axial attention: height, then width.", "field after one and two layers; exponent in tokens",
        f"sweep axial {TOKENS} --metric macs; sweep axial --metric field --task classification --res 64",
        reach.axial_order,
    ),
    Claim(
        14, "softmax(QK)V can be approximated by Q(KV).", "exponent, and distance to softmax attention",
        f"sweep {' '.join(cost.LINEAR_DESIGNS)} {TOKENS} --metric latency; "
        f"sweep {' '.join(cost.LINEAR_DESIGNS)} --scope mixer --metric probe --res 14",
        cost.approximations_are_linear,
    ),
    Claim(
        15, "Absolute positions break translational equivariance; relative ones keep it.",
        "errors under shifts; accuracy where everything has moved",
        "sweep vit --position learned,sincos,bias,rotary --metric field --task classification --res 224; "
        "sweep vit --position learned,rotary --metric accuracy --data scenes:relation --task classification --res 64 "
        "--seeds 5", reach.equivariance,
    ),
    Claim(
        16, "Patch-level attention also works for segmentation (SETR).", "mIoU with each decoder",
        "sweep vit conv --decoder linear,naive,pup,mla --metric accuracy --data scenes:cue --task segmentation "
        "--res 64 --seeds 5", learning.segmentation,
    ),
    Claim(17, "Detection works as set prediction (DETR).", "AP50 on scenes"),
    Claim(18, "Converging with one's past self learns features without labels (DINO).", "k-NN and linear probes"),
    Claim(19, "Matching texts with images learns to classify (CLIP).", "zero-shot accuracy against chance"),
    Claim(20, "Attention patterns show what the model does.", "mass of attention on other instances of an object"),
    Claim(21, "One primitive works for all kinds of entities.", "the same mixer on pixels, words and sets"),
)  # fmt: skip


def verdicts(frame: pd.DataFrame) -> Iterator[Verdict]:
    """A verdict on every claim; on those that the records do not decide, what would."""
    for claim in CLAIMS:
        if found := claim.judge(View(frame)):
            yield Verdict(claim, found.verdict, found.said, found.ids)
        else:
            needs = "; ".join(f"avbench {part.strip()}" for part in claim.command.split(";") if part.strip())
            yield Verdict(claim, UNMEASURED, needs or "no command of this version measures it")
