"""The survey's claims C1 to C21, what measures each, and the verdicts that records allow. None is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from reports.claims import cost, learning, reach
from reports.claims.view import OPEN, UNMEASURED, Finding, View
from suite.record import Record, latest

Judge = Callable[[View], Finding | None]

ALONE = "--scope mixer --task classification --mode inference"
TOKENS = f"{ALONE} --res 48,64,96,128,192"
LEARNT = "--res 64 --metric accuracy --train-minutes 0 --minutes inf"
GRATING = f"--params 1M --patch 8 --data scenes:grating --task classification {LEARNT} --seeds 5"
LEGEND = (
    "--params 0.4M --patch 8 --position sincos --data scenes:legend --task segmentation "
    f"--train-images 40000 --train-batch 8 --lr 5e-4 {LEARNT} --seeds 3"
)
CUE = (
    "--params 0.4M --patch 4 --data scenes:cue --task segmentation "
    f"--train-images 32000 --train-batch 32 {LEARNT} --seeds 3"
)
RELATION = (
    "--params 0.4M --patch 8 --data scenes:relation --task classification "
    f"--train-images 24000 --train-batch 16 {LEARNT} --seeds 3"
)


@dataclass(frozen=True)
class Claim:
    """One claim: what the survey says, how it is judged, the sweeps that measure it, and its judge."""

    number: int
    says: str
    judged_by: str
    command: str = ""  # of avbench, several separated by `;`; empty: no command of this version measures it
    judge: Judge = lambda view: None
    needs: str = ""  # what it takes beside the command: the time of its trainings, or what this version lacks

    @property
    def name(self) -> str:
        return f"C{self.number}"

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.command.split(";") if part.strip())


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
        f"sweep vit {ALONE} --res 40,48,64,80,96 --metric macs,memory,latency --backend sdpa,math", cost.quadratic,
    ),
    Claim(
        2, "Recurrent mixing cannot be parallelised and reaches far only slowly; attention is trivially parallel.",
        "the longest chain of dependent steps of one layer, against tokens; the time of a multiply-add",
        f"sweep rnn vit {ALONE} --res 7,14,21,28 --metric probe,macs,latency", reach.recurrence,
    ),
    Claim(
        3, "One attention layer lets every pixel interact with every other; a convolution does not.",
        "share of tokens with a non-zero derivative after one layer",
        "sweep vit conv --metric field --task classification --res 64", reach.one_layer_sees_all,
    ),
    Claim(
        4, "A single head averages everything; several heads model different kinds of interaction.",
        "accuracy of several heads against one under one budget; how the maps of trained heads differ is not measured",
        f"sweep vit single_head {LEGEND}", learning.one_head,
        needs="trainings of about 35 min on two cores",
    ),
    Claim(
        5, "Self-attention is a data-dependent convolution; bilateral filters and non-local means are its ancestors.",
        "change of the weights over places with the image, before training; error of `local` as a bilateral filter",
        "sweep vit local bilateral conv --scope mixer --metric probe --res 14", reach.data_dependence,
    ),
    Claim(
        6, "Pixels as tokens are too expensive.", "the size at which `pixel` is over a limit that `vit` keeps to",
        "sweep pixel vit --metric memory,latency --task classification --res 32,64,96,128,224,512",
        cost.pixels_too_many,
    ),
    Claim(
        7, "Shrinking the image loses detail; a learned downsampling keeps it.",
        "accuracy of `conv_stem` against `downsample` on gratings", f"sweep conv_stem downsample {GRATING}",
        learning.stem_keeps_detail,
        needs="trainings of about 15 min on two cores",
    ),
    Claim(
        8, "Patches with one linear projection suffice.", "accuracy of `vit` against `conv_stem` on gratings",
        f"sweep vit conv_stem {GRATING}", learning.patches_suffice,
        needs="trainings of about 15 min on two cores",
    ),
    Claim(
        9, "Attention may sit at a high, middle or low level.",
        "latency and accuracy of the three hybrids: whether another is better in both",
        f"sweep {' '.join(learning.LEVELS)} {GRATING.replace('accuracy', 'latency,accuracy')}", learning.levels,
        needs="trainings of about 20 min on two cores",
    ),
    Claim(
        10, "Local attention grows linearly with the number of pixels.", "fitted exponents of one layer",
        f"sweep local {TOKENS} --metric macs,latency", cost.local_is_linear,
    ),
    Claim(
        11, "Blocked local attention needs less memory, is more efficient, and more accurate.",
        "`halo` against `local` at an equal budget: peak memory, latency, accuracy on gratings",
        f"sweep halo local --metric memory,latency --task classification --res 64,224; sweep halo local {GRATING}",
        cost.blocked_is_leaner,
        needs="trainings of about 20 min on two cores",
    ),
    Claim(
        12, "With shifted windows, eventually all pixels interact with all others.",
        "field of `swin` and of `window` after all layers, both isotropic",
        "sweep swin window --layout isotropic --metric field --task classification --res 224",
        reach.shifted_windows_reach,
    ),
    Claim(
        13, "Axial attention: height, then width.", "field after one and two layers; exponent 1.5 in tokens",
        f"sweep axial {ALONE} --res 1024,1536,2048,3072,4096 --metric macs; "
        "sweep axial --metric field --task classification --res 64", reach.axial_order,
    ),
    Claim(
        14, "softmax(QK)V can be approximated by Q(KV).",
        "exponent 1 of each approximation, and its distance to softmax attention before training",
        f"sweep {' '.join(cost.LINEAR_DESIGNS)} {TOKENS} --metric latency; "
        f"sweep {' '.join(cost.LINEAR_DESIGNS)} --scope mixer --metric probe --res 14",
        cost.approximations_are_linear,
    ),
    Claim(
        15, "Absolute positions break translational equivariance; relative ones keep it.",
        "errors under shifts before training; accuracy of rotary against sin-cos where everything has moved",
        f"sweep vit --position {','.join(reach.POSITIONS)} --metric field --task classification --res 224; "
        f"sweep vit --position rotary,sincos {RELATION}", reach.equivariance,
        needs="trainings of about 20 min on two cores",
    ),
    Claim(
        16, "Patch-level attention also works for segmentation (SETR).",
        "mIoU of `vit` against `conv`, each with the same of SETR's decoders",
        f"sweep vit conv --decoder {','.join(learning.DECODERS)} {CUE}", learning.segmentation,
        needs="trainings of about 200 min on two cores",
    ),
    Claim(17, "Detection works as set prediction (DETR).", "AP50 on scenes",
          needs="boxes to detect, and a decoder whose object queries are matched to them"),
    Claim(18, "Converging with one's past self learns features without labels (DINO).", "k-NN and linear probes",
          needs="a student that learns from its own past, and probes of what it has learnt"),
    Claim(19, "Matching texts with images learns to classify (CLIP).", "zero-shot accuracy against chance",
          needs="scenes with sentences, and a tower that reads them"),
    Claim(20, "Attention patterns show what the model does.", "mass of attention on other instances of an object",
          needs="a metric over the maps of a trained model; `avbench view` draws them"),
    Claim(21, "One primitive works for all kinds of entities.", "the same mixer on pixels, words and sets",
          needs="the towers of C17 and C19, which mix words and sets"),
)  # fmt: skip


def verdicts(frame: pd.DataFrame, records: Iterable[Record]) -> Iterator[Verdict]:
    """A verdict on every claim; on those that the records do not decide, what would. `frame` is of the records."""
    by_id = {record.id: record for record in latest(records)}
    yield from (verdict(claim, View(frame, by_id)) for claim in CLAIMS)


def verdict(claim: Claim, view: View) -> Verdict:
    """What a view that nobody has asked yet says of one claim."""
    found = claim.judge(view)
    if found is None:
        return Verdict(claim, UNMEASURED, would_tell(claim))
    more = f"; {would_tell(claim)}, in full or with more seeds or rounds" if found.verdict == OPEN else ""
    return Verdict(claim, found.verdict, found.said + more, found.ids)


def would_tell(claim: Claim) -> str:
    """The commands that measure a claim and what they take; or what it takes to make one."""
    if not claim.command:
        return f"no command of this version measures it: it needs {claim.needs}"
    needs = f" ({claim.needs})" if claim.needs else ""
    return f"to tell: {'; '.join(f'avbench {command}' for command in claim.commands)}{needs}"
