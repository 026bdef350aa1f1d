"""Whether the families of scenes separate what they are made to separate: trains, and writes docs/separation.md.

    python tests/bench/separation.py RUNS [--family relation] [--device cuda] [--processes 9]

Each line of RUNS below is one `avbench sweep`, whose run folder is kept in the folder RUNS: the same command goes on.
Several train side by side, which changes times and not scores. With --show the page is written from what is there.
With --family only what that family separates is trained; the other rows stay as separation.csv has them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from suite.record import latest, read

INTRODUCTION = """# Whether the families separate designs

Written by `inv separate`; every training is a row of [separation.csv](separation.csv). Scores are on 400 test images,
top-1 for `relation` and `grating`, mIoU for the others: the mean over seeds, and between brackets the range that the
95 % intervals of all seeds cover together. Where that range reaches down to chance, the network has not been seen to
learn anything.

![Scores by form, with their intervals, chance and ceiling](separation.png)"""
DOCS = Path(__file__).parents[2] / "docs"
SHALLOW = "tests/bench/shallow.py"  # a vit of four blocks
SMALL = "--params 0.4M --patch 8 --res 64"
LEARNT = "--metric accuracy --train-minutes 0 --minutes inf --case-seconds 600"


@dataclass(frozen=True)
class Comparison:
    """Designs or forms of one design that a family should tell apart: one sweep for each of `each`."""

    name: str
    asks: str
    each: tuple[str, ...]
    options: str

    @property
    def family(self) -> str:
        """The family of scenes that it trains on."""
        return self.options.split("scenes:")[1].split()[0]

    def commands(self) -> dict[str, str]:
        """What to give to `avbench sweep`, by the name of the run folder."""
        return {f"{self.name}-{i}": f"{one} {self.options} {LEARNT}" for i, one in enumerate(self.each)}


COMPARISONS = (
    Comparison(
        "legend",
        "looking up by content, among 1 to 4 keys: softmax against linear attention",
        ("vit", "linear"),
        f"{SMALL} --position sincos --data scenes:legend --task segmentation "
        "--train-images 40000 --train-batch 8 --lr 5e-4",
    ),
    Comparison(
        "cue",
        "information from a corner: attention everywhere against windows of 7 x 7 tokens that never shift",
        ("vit", "window", "swin"),
        "--params 0.4M --patch 4 --layout isotropic --res 64 --data scenes:cue --task segmentation "
        "--train-images 32000 --train-batch 32 --seeds 2",
    ),
    Comparison(
        "relation",
        "where two objects lie, and what is left of it when both are moved: positions",
        tuple(f"{SHALLOW} --position {name}" for name in ("none", "learned", "sincos", "bias", "query", "rotary")),
        f"{SMALL} --data scenes:relation --task classification --train-images 24000 --train-batch 16 --seeds 2",
    ),
    Comparison(
        "eight",
        "fine stripes, eight designs: pixels thrown away (downsample) against pixels folded into channels (conv_stem)",
        ("vit swin conv_stem downsample linear conv hybrid_high pvt",),
        "--params 1M --patch 8 --res 64 --data scenes:grating --task classification --train-images 8000 --seeds 3",
    ),
    Comparison(
        "resolution",
        "fine stripes, by resolution: whether accuracy follows the ceiling",
        tuple(f"conv_stem --res {side}" for side in (32, 48, 64, 96, 128)),
        "--params 1M --data scenes:grating --task classification --train-images 8000 --seeds 2",
    ),
)


def main() -> None:
    """Trains what is missing, then writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--family", choices=sorted({comparison.family for comparison in COMPARISONS}))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    chosen = [comparison for comparison in COMPARISONS if given.family in (None, comparison.family)]
    if not given.show:
        commands = {name: command for comparison in chosen for name, command in comparison.commands().items()}
        threads = max(1, (os.cpu_count() or 1) // given.processes)
        with ThreadPoolExecutor(given.processes) as pool:
            for name, command in commands.items():
                pool.submit(sweep, given.runs / name, f"{command} --device {given.device} --threads {threads}")
    write(given.runs, chosen)


def sweep(run: Path, command: str) -> None:
    """One sweep, whose output goes to a file beside its run."""
    run.parent.mkdir(parents=True, exist_ok=True)
    with run.with_suffix(".txt").open("w") as told:
        subprocess.run(
            [sys.executable, "-m", "avbench", "sweep", *command.split(), "--run", run], stdout=told, stderr=told
        )


def write(runs: Path, chosen: list[Comparison]) -> None:
    """docs/separation.md, .csv and .png: of what was chosen from the records of its runs, of the others as they are."""
    path = DOCS / "separation.csv"
    known = pd.read_csv(path, keep_default_na=False)
    found = pd.concat(
        [scores_of(one, runs) if one in chosen else known[known.comparison == one.name] for one in COMPARISONS],
        ignore_index=True,
    )
    found.to_csv(path, index=False)
    draw(found, DOCS / "separation.png")
    parts = [part_of(comparison, found[found.comparison == comparison.name]) for comparison in COMPARISONS]
    (DOCS / "separation.md").write_text("\n\n".join([INTRODUCTION, *parts]) + "\n", encoding="utf-8")
    print(f"wrote {DOCS / 'separation.md'}")


def scores_of(comparison: Comparison, runs: Path) -> pd.DataFrame:
    """One row for each training and split: form, seed, score, interval, chance and ceiling."""
    rows: list[dict[str, object]] = []
    for name in comparison.commands():
        for record in latest(read(runs / name)):
            case, metrics = record.case, record.metrics
            score = "top1" if case.task == "classification" else "miou"
            rows += [
                {
                    "comparison": comparison.name, "design": case.design, "position": case.position,
                    "resolution": case.resolution, "images": case.train_images, "seed": case.seed,
                    "split": split.removeprefix(f"{score}_") if split != score else "test",
                    "status": record.status, "score": metric.value, "low": metric.low, "high": metric.high,
                    "chance": metrics["chance"].value, "ceiling": metrics["ceiling"].value,
                    "id": record.id, "machine": record.machine.get("identity", {}).get("gpu", "cpu"),
                }
                for split, metric in metrics.items()
                if split == score or split.startswith(f"{score}_")
            ]  # fmt: skip
    return pd.DataFrame(rows)


def part_of(comparison: Comparison, found: pd.DataFrame) -> str:
    """The table of one comparison, and the commands behind it."""
    forms = forms_of(found)
    lines = [f"## {comparison.name}", "", f"{comparison.asks[0].upper()}{comparison.asks[1:]}.", ""]
    splits = list(dict.fromkeys(found.split))
    lines += [f"| form | seeds | {' | '.join(splits)} | chance | ceiling |", "|" + " --- |" * (len(splits) + 4)]
    for form, rows in found.groupby(forms, sort=False):
        scores = [text_of(rows[rows.split == split]) for split in splits]
        known = [f"{rows[name].iloc[0]:.3f}" for name in ("chance", "ceiling")]
        lines.append(f"| {form} | {rows.seed.nunique()} | {' | '.join([*scores, *known])} |")
    commands = [f"    avbench sweep {command}" for command in comparison.commands().values()]
    return "\n".join([*lines, "", *commands])


def forms_of(found: pd.DataFrame) -> pd.Series:
    """What tells the forms of one comparison apart: design, position or resolution, whichever differ."""
    differing = [name for name in ("design", "position", "resolution") if found[name].nunique() > 1]
    if "design" in differing:
        differing = ["design"]
    return found[differing or ["design"]].astype(str).agg(" ".join, axis=1)


def text_of(rows: pd.DataFrame) -> str:
    """The mean over seeds and the range of their intervals."""
    return f"{rows.score.mean():.3f} ({rows.low.min():.3f} to {rows.high.max():.3f})"


def draw(found: pd.DataFrame, path: Path) -> None:
    """One panel for each comparison: a point for each training, its interval, and chance and ceiling as lines."""
    sns.set_theme(style="whitegrid")
    figure, panels = plt.subplots(1, len(COMPARISONS), figsize=(3.2 * len(COMPARISONS), 3.6), sharey=True)
    for panel, comparison in zip(panels, COMPARISONS, strict=True):
        rows = found[(found.comparison == comparison.name) & (found.split == "test")]
        forms = forms_of(rows)
        places = {form: i for i, form in enumerate(dict.fromkeys(forms))}
        x = forms.map(places).astype(float) + 0.15 * (rows.seed - rows.seed.mean())
        panel.errorbar(x, rows.score, [rows.score - rows.low, rows.high - rows.score], fmt="o", ms=4)
        for name, style in {"chance": ":", "ceiling": "--"}.items():
            known = rows.groupby(forms, sort=False)[name].first()
            panel.step(range(len(known)), known, where="mid", linestyle=style, color="0.4", label=name)
        panel.set(title=comparison.name, xticks=range(len(places)), ylim=(0, 1.02))
        panel.set_xticklabels(places, rotation=35, ha="right")
        panel.margins(x=0.15)
    panels[0].set_ylabel("score on test images")
    panels[0].legend(loc="lower left")
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
