"""Whether the families of scenes separate what they are made to separate: trains, and writes docs/separation.md.

    python tests/bench/separation.py RUNS [--family relation] [--device cuda] [--processes 9]

Each command of COMPARISONS below is one `avbench sweep`, whose run folder is kept in the folder RUNS: the same command
goes on. Several train side by side, which changes times and not scores. With --family only what that family separates
is trained. Rows of separation.csv whose run is not in RUNS stay as they are; each says when and by which commit it was
trained, and how its weights started. Without training:

    python tests/bench/separation.py --show           the page and the figure again, from separation.csv alone
    python tests/bench/separation.py RUNS --show      with the rows of what was trained in RUNS so far
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from reports.interval import of_mean
from suite.record import Record, latest, read

INTRODUCTION = """# Whether the families separate designs

Written by `inv separate`, and from [separation.csv](separation.csv), whose every row is a training on a split, by
`python tests/bench/separation.py --show`. Scores are on 400 test images, top-1 for `relation` and `grating`, mIoU for
the others: the mean over seeds, and between brackets the 95 % interval of Student's t over seeds; of one seed, that of
its test images alone. Two seeds leave a wide interval, which may pass 0 or 1: where it reaches down to chance, the
seeds do not show that anything was learnt. The figure has each training with the interval of its test images.

![Scores by form, with their intervals, chance and ceiling](separation.png)"""
DOCS = Path(__file__).parents[2] / "docs"
SHALLOW = "tests/bench/shallow.py"  # a vit of four blocks
SMALL = "--params 0.4M --patch 8 --res 64"
BY_WIDTH = "2026-11-26T20:38:53"  # when linear layers began to start by their width: decision 22
KNOWN = (
    "chance",
    "ceiling",
    "never_left",
    "images_to_leave",
)  # of a training: see suite/training/plateau.py for the last
NUMBERS = ("score", "low", "high", *KNOWN)  # columns that are empty where a training failed
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
        "--train-images 40000 --train-batch 8 --lr 5e-4 --seeds 3",
    ),
    Comparison(
        "cue",
        "information from a corner: attention everywhere against windows of 7 x 7 tokens that never shift",
        ("vit", "window"),
        "--params 0.4M --patch 4 --layout isotropic --res 64 --data scenes:cue --task segmentation "
        "--train-images 12000 --train-batch 32 --seeds 3",
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
        "fine stripes, by resolution: whether accuracy follows the ceiling; below 64 px by tokens of 4 px, not 16",
        tuple(f"conv_stem --res {n} --train-res {n}{' --patch 4' if n < 64 else ''}" for n in (32, 48, 64, 96, 128)),
        "--params 1M --data scenes:grating --task classification --train-images 8000 --seeds 2",
    ),
)


def main() -> None:
    """Trains what is missing, then writes the page. Exit code 1 if a sweep did not end well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="?")
    parser.add_argument("--family", choices=sorted({comparison.family for comparison in COMPARISONS}))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    if given.runs is None and not given.show:
        parser.error("name a folder to train in, or write the page again with --show")
    chosen = [comparison for comparison in COMPARISONS if given.family in (None, comparison.family)]
    commands = {name: command for comparison in chosen for name, command in comparison.commands().items()}
    failed = [] if given.show else train(given.runs, commands, given.device, given.processes)
    found = gathered(known(), given.runs, set(commands) if given.runs else set())
    found.to_csv(DOCS / "separation.csv", index=False)
    (DOCS / "separation.md").write_text(page(found), encoding="utf-8")
    draw(found, DOCS / "separation.png")
    print(f"wrote {DOCS / 'separation.md'}")
    if failed:
        sys.exit(f"{', '.join(failed)} ended early: see their .txt in {given.runs}, then give the same command again")


def train(runs: Path, commands: dict[str, str], device: str, processes: int) -> list[str]:
    """Sweeps, so many at once; returns the names of those that did not end well."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    asked = [f"{command} --device {device} --threads {threads}" for command in commands.values()]
    with ThreadPoolExecutor(processes) as pool:
        codes = list(pool.map(sweep, repeat(runs), commands, asked))
    return [name for name, code in zip(commands, codes, strict=True) if code != 0]


def sweep(runs: Path, name: str, command: str) -> int:
    """The exit code of one sweep, whose output goes to a file beside its run."""
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / f"{name}.txt").open("w") as told:
        asked = [sys.executable, "-m", "avbench", "sweep", *command.split(), "--run", runs / name]
        return subprocess.run(asked, stdout=told, stderr=told).returncode


def known() -> pd.DataFrame:
    """The rows of docs/separation.csv. Its texts are kept: there is a position named `none`."""
    absent = {column: [""] for column in NUMBERS}
    return pd.read_csv(DOCS / "separation.csv", keep_default_na=False, na_values=absent)


def gathered(rows: pd.DataFrame, runs: Path | None, names: set[str]) -> pd.DataFrame:
    """The rows, but those of the runs so named from the records in the folder, where it has any."""
    parts = []
    for comparison in COMPARISONS:
        for name in comparison.commands():
            fresh = trained(runs / name) if runs and name in names else []
            new = pd.DataFrame(fresh).assign(comparison=comparison.name, run=name)
            parts.append(new[rows.columns] if fresh else rows[rows.run == name])
    return pd.concat(parts, ignore_index=True)


def trained(run: Path) -> list[dict[str, object]]:
    """The rows of a run folder; none where it has no records yet."""
    records = latest(read(run)) if (run / "records.jsonl").is_file() else []
    return [row for record in records for row in rows_of(record)]


def rows_of(record: Record) -> list[dict[str, object]]:
    """One row for each split that a training was tested on; of a training that failed, one without numbers."""
    case, metrics, machine = record.case, record.metrics, record.machine
    conditions, identity = machine.get("conditions", {}), machine.get("identity", {})
    training = {
        "design": case.design, "position": case.position, "resolution": case.resolution,
        "images": case.train_images, "seed": case.seed, "status": record.status, "reason": record.reason,
        "weights": "by width" if record.started >= BY_WIDTH else "0.02",
        "commit": f"{conditions.get('commit')}{', edited' if conditions.get('dirty') else ''}",
        "started": record.started, "id": record.id, "machine": identity.get("gpu") or identity.get("cpu", "unknown"),
    }  # fmt: skip
    known = {name: metrics[name].value for name in KNOWN if name in metrics}
    score = "top1" if case.task == "classification" else "miou"
    splits = {split: metric for split, metric in metrics.items() if split == score or split.startswith(f"{score}_")}
    tested = [
        {"split": split.removeprefix(score).removeprefix("_") or "test"}
        | {"score": metric.value, "low": metric.low, "high": metric.high}
        for split, metric in splits.items()
    ]
    return [dict.fromkeys(NUMBERS) | training | known | one for one in tested or [{"split": "test"}]]


def page(found: pd.DataFrame) -> str:
    """docs/separation.md, of the rows of separation.csv."""
    parts = [part_of(comparison, found[found.comparison == comparison.name]) for comparison in COMPARISONS]
    return "\n\n".join([INTRODUCTION, *parts]) + "\n"


def part_of(comparison: Comparison, found: pd.DataFrame) -> str:
    """The table of one comparison, who trained it when, and the commands behind it."""
    lines = [f"## {comparison.name}", "", f"{comparison.asks[0].upper()}{comparison.asks[1:]}.", ""]
    splits, leaves = list(dict.fromkeys(found.split)), bool(found.never_left.notna().any())
    heads = ["form", "seeds", *splits, "chance", "ceiling", *["images to leave the plateau"] * leaves]
    lines += [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for form, rows in found.groupby(forms_of(found), sort=False):
        scores = [text_of(rows[rows.split == split]) for split in splits]
        bounds = [f"{value:.3f}" for name in ("chance", "ceiling") for value in rows[name].dropna().iloc[:1]]
        seeds = rows[rows.status == "ok"].seed.nunique()
        cells = [form, str(seeds), *scores, *(bounds or ["", ""]), *[leaving(rows)] * leaves]
        lines.append(f"| {' | '.join(cells)} |")
    commands = [f"    avbench sweep {command}" for command in comparison.commands().values()]
    return "\n".join([*lines, "", *origins(found), "", *commands])


def origins(found: pd.DataFrame) -> list[str]:
    """A line for each machine, day, commit and start of weights."""
    lines = []
    of = found.assign(day=found.started.str[:10]).groupby(["machine", "day", "commit", "weights"], sort=False)
    for (machine, day, commit, weights), rows in of:
        rule = "by their width, as of" if weights == "by width" else f"at a deviation of {weights}, before"
        forms = "" if len(rows) == len(found) else f"{', '.join(dict.fromkeys(rows.run))}: "
        lines.append(
            f"* {forms}{machine}, {day}, commit {commit}; linear layers started {rule} "
            "[decision 22](decisions/0022-weights-start-by-width.md)."
        )
    return lines


def forms_of(found: pd.DataFrame) -> pd.Series:
    """What tells the forms of one comparison apart: design, position or resolution, whichever differ."""
    differing = [name for name in ("design", "position", "resolution") if found[name].nunique() > 1]
    if "design" in differing:
        differing = ["design"]
    return found[differing or ["design"]].astype(str).agg(" ".join, axis=1)


def text_of(rows: pd.DataFrame) -> str:
    """The mean over seeds and its interval, that of its images if it is one seed; and how many trainings failed."""
    sound, failed = rows[rows.status == "ok"], rows[rows.status != "ok"].status.value_counts()
    told = [f"{count} {status}" for status, count in failed.items()]
    if len(sound):
        alone = (*sound.score, *sound.low, *sound.high)
        mean, low, high = of_mean(list(sound.score)) if len(sound) > 1 else alone
        told.insert(0, f"{mean:.3f} ({low:.3f} to {high:.3f})")
    return ", ".join(told)


def leaving(rows: pd.DataFrame) -> str:
    """After how many images the trainings left their plateau, in the mean, and how many never did."""
    known = rows[(rows.split == "test") & rows.never_left.notna()]
    never, left = int(known.never_left.sum()), known.images_to_leave.dropna()
    told = [f"{left.mean():.0f}"] if len(left) else []
    return ", ".join([*told, *[f"never in {never} of {len(known)}"] * (never > 0)])


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
            bounds = rows.groupby(forms, sort=False)[name].first()
            panel.step(range(len(bounds)), bounds, where="mid", linestyle=style, color="0.4", label=name)
        panel.set(title=comparison.name, xticks=range(len(places)), ylim=(0, 1.02))
        panel.set_xticklabels(places, rotation=35, ha="right")
        panel.margins(x=0.15)
    panels[0].set_ylabel("score on test images")
    panels[0].legend(loc="lower left")
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
