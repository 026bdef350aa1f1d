"""gate: which cases, which tier, what is printed and written, and the exit code."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.text import Text

from avbench.find import names
from avbench.gate_init import init
from suite.fingerprint import fingerprint
from suite.forked import mapped
from suite.gate import exact, written
from suite.gate.expected import Expected
from suite.gate.latency import compare
from suite.gate.result import INCONCLUSIVE, NOTHING, PASS, Result, Row, command, now, of_exact, of_latency, worst
from suite.gate.target import Table, Target, chosen, is_test, table_in, table_of
from suite.gate.trees import Tree, git, place_of, require_clean, worktree
from suite.gate.verdict import MOST_TRIPLES
from suite.machine import default_threads
from suite.sentence import one_line

OUT = Path("gate")


@dataclass(frozen=True)
class Gate:
    """The options of `avbench gate`, as they were written."""

    names: tuple[str, ...] = ()
    base: str = ""
    head: str = ""
    exact: bool = False
    accept: bool = False
    reason: str = ""
    triples: int = 10
    threads: int = 1
    seed: int | None = None
    input: str = ""
    out: Path = OUT


def run(gate: Gate) -> int:
    """Runs the tiers that are asked for, prints and writes what they found. Returns the worse of their exit codes."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # what the profiler has to say is not for users
    if gate.names[:1] == ("init",):
        return started(gate)
    if not gate.exact and not gate.base:
        raise ValueError("name a tier: `avbench gate --exact`, or `avbench gate --base REVISION`, or both")
    if gate.accept and not gate.exact:
        raise ValueError("only exact figures are accepted: add --exact, or leave out --accept")
    if not 1 <= gate.triples <= MOST_TRIPLES:
        raise ValueError(f"{gate.triples} triples are not judged exactly: take --triples 1 to {MOST_TRIPLES}")
    if gate.threads < 1:
        raise ValueError(f"nothing runs on {gate.threads} threads: take --threads 1 or more")
    if gate.exact and gate.base:  # files of the same names
        exact_gate, latency_gate = (replace(gate, out=gate.out / tier) for tier in ("exact", "latency"))
        return worst([exact_tier(exact_gate), latency_tier(latency_gate)])
    return exact_tier(gate) if gate.exact else latency_tier(gate)


def exact_tier(gate: Gate) -> int:
    """Compares with the expected file, or accepts what is found as expected."""
    root = Path.cwd()
    table = table_of(root, names)
    path = root / table.expected
    targets = chosen(table, gate.names, root, shape_of(gate.input))
    expected = Expected() if gate.accept and not path.exists() else Expected.read(path)
    found, failed = figures_of(targets, table, root)
    machine = exact.machine()
    about = {"command": command(), "machine": {"name": machine}, "started": now(), "expected": str(table.expected)}
    if gate.accept:
        return _accepted(gate, expected, path, machine, found, failed)
    if machine not in expected.baselines:
        whole = {} if failed or gate.names else found
        rows = (*of_exact({}, failed, ()), _without_baseline(gate, expected, table.expected, machine, whole))
        return _told(Result("exact", rows, about), gate.out)
    wanted = {name: figures for name, figures in expected.baselines[machine].items() if not is_test(name)}
    if gate.names:  # a part of the table was asked for: the rest of it is not missing
        wanted = {name: figures for name, figures in wanted.items() if name in {t.name for t in targets}}
    rows = of_exact(found, failed, exact.differences(wanted, found), accepting(gate))
    return _told(Result("exact", rows, about), gate.out)


def _without_baseline(gate: Gate, expected: Expected, where: str, machine: str, found: dict[str, exact.Figures]) -> Row:
    """What a machine of another kind is told. Beside the verdict lies the file that would hold this one too."""
    held, how = " and ".join(expected.baselines) or "no machine", f"`{accepting(gate)}` adds it"
    if found:
        expected.accept(machine, found, "the first baseline of this kind of machine", date.today().isoformat())
        expected.write(gate.out / "expected.json")
        how += f", or commit {gate.out / 'expected.json'} as {where}"
    return Row("every case", "exact", NOTHING, f"no baseline for {machine}; {where} holds one for {held}: {how}")


def accepting(gate: Gate) -> str:
    """The command that accepts what this one finds."""
    shape = ["--input", gate.input] if gate.input else []
    return f'{shlex.join(["avbench", "gate", *gate.names, *shape])} --exact --accept --reason "..."'


def figures_of(targets: Sequence[Target], table: Table, root: Path) -> tuple[dict[str, exact.Figures], dict[str, str]]:
    """The exact figures of each case; and why a case has none. ValueError if a case ends its process."""
    exact.importable(root, table.path)
    processes = default_threads() if all(target.device == "cpu" for target in targets) else 1
    try:
        answers = mapped(figures_or_why, targets, min(processes, len(targets)))
    except BrokenProcessPool:
        said = "a case ended its process: name cases, such as `avbench gate --exact NAME`, to see which"
        raise ValueError(said) from None
    found, failed = dict[str, exact.Figures](), dict[str, str]()
    for target, answer in zip(targets, answers, strict=True):
        if isinstance(answer, str):
            failed[target.name] = answer
        else:
            found[target.name] = answer
    return found, failed


def figures_or_why(target: Target) -> exact.Figures | str:
    """The exact figures of a case, or why it has none."""
    try:
        return exact.figures(target)
    except Exception as error:
        return one_line(error)


def latency_tier(gate: Gate) -> int:
    """Checks out both revisions, compares them, and tells."""
    root, inside = place_of(Path.cwd())
    if not gate.head:
        require_clean(root)
    revisions = (gate.base, gate.head or "HEAD")
    base, head = (_table_at(revision) for revision in revisions)
    if base.missing:  # the change that adds the gate: what makes the head importable is the best guess for the base
        base = replace(base, path=head.path, setup=head.setup)
    with ExitStack() as stack:
        trees = [
            stack.enter_context(worktree(root, revision, table.path, table.setup, inside))
            for revision, table in zip(revisions, (base, head), strict=True)
        ]
        targets = chosen(head, gate.names, root / inside, shape_of(gate.input))
        return _compared(gate, trees, targets, {target.name for target in base.targets})


def _compared(gate: Gate, trees: list[Tree], targets: Sequence[Target], listed: set[str]) -> int:
    """Compares the trees on the targets, and tells; `listed` are the cases of the base's table."""
    console = Console(stderr=True, highlight=False)
    seed = int.from_bytes(os.urandom(4)) if gate.seed is None else gate.seed
    device = next((t.device for t in targets if t.device != "cpu" and torch.cuda.is_available()), "cpu")
    began, before = now(), fingerprint(device)
    with console.status("") as status:
        found = compare(trees[0], trees[1], targets, gate.triples, seed, gate.threads, status.update)
    about = {
        "command": command(),
        "machine": machine_of(before["identity"], gate.threads),
        "started": began,
        "before": before["conditions"],
        "after": fingerprint(device)["conditions"],
        "base": trees[0].revision,
        "head": trees[1].revision,
        "seed": seed,
        "again": found.again.raw,
    }
    deleted = set() if gate.names else listed - {target.name for target in targets}
    return _told(Result("latency", of_latency(found, listed, sorted(deleted)), about, found.samples.raw), gate.out)


def machine_of(identity: dict[str, Any], threads: int) -> dict[str, Any]:
    """The machine as its fingerprint knows it, with a name for a heading."""
    processor = identity.get("gpu", identity["cpu"])
    name = f"{processor}, torch {identity['torch']}, {threads} thread{'' if threads == 1 else 's'}"
    return {"name": name, "threads": threads, **identity}


def _table_at(revision: str) -> Table:
    """The table of this folder's project as that revision has it; an empty one where it has none."""
    shown = git(Path.cwd(), "show", f"{revision}:./pyproject.toml")
    if shown.returncode:
        return Table(missing=f"{revision} has no pyproject.toml in this folder: name the cases, or add a table")
    return table_in(shown.stdout, f"{revision}:pyproject.toml", lambda: _names_at(revision))


def _names_at(revision: str) -> list[str]:
    """The designs of `avbench list` whose files that revision of avbench holds: what `*` stands for there."""
    listed = git(Path.cwd(), "ls-tree", "--name-only", revision, "variants/").stdout.split()
    held = {Path(file).stem for file in listed}
    return [name for name in names() if name in held]


def started(gate: Gate) -> int:
    """Writes what a repository needs for the gate, and says what comes next."""
    shape, root = shape_of(gate.input), Path.cwd()
    wrote = init([Target(name, input=shape) if shape else Target(name) for name in gate.names[1:]], root)
    told = ", ".join(str(path.relative_to(root)) for path in wrote)
    Console(highlight=False, soft_wrap=True).print(f"wrote {told}; commit them, and `avbench gate --exact` holds them")
    return PASS


def shape_of(text: str) -> tuple[int, ...]:
    """`1,196,192` -> the shape; nothing for nothing. ValueError if it is none."""
    sides = [side.strip() for side in text.split(",")] if text else []
    if not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError(f"--input {text} is no shape: write whole numbers such as 1,196,192")
    return tuple(int(side) for side in sides)


def _accepted(
    gate: Gate, expected: Expected, path: Path, machine: str, found: dict[str, exact.Figures], failed: dict[str, str]
) -> int:
    if failed:
        name, why = next(iter(failed.items()))
        raise ValueError(f"{name} does not run ({why}): mend it, nothing was accepted")
    kept = expected.baselines.get(machine, {}) if gate.names else {}
    expected.accept(machine, kept | found, gate.reason, date.today().isoformat())
    expected.write(path)
    Console(highlight=False).print(f"{path.name}: accepted {len(found)} cases for {machine}", soft_wrap=True)
    return PASS


def _told(result: Result, out: Path) -> int:
    """Prints the rows, annotates where GitHub listens, writes every form, and returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    for row in sorted(result.rows, key=lambda row: (row.code != PASS, row.case, row.what)):
        style = {PASS: "green", INCONCLUSIVE: "yellow"}.get(row.code, "bold red")
        label = Text(f"{row.word:13} ", style=style)
        console.print(label + Text(written.printable(f"{row.case}  {row.what}  {row.sentence}")))
    paths = written.write(result, out)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in written.workflow_commands(result):
            print(line)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(written.markdown(result))
    counted = f"{len(result.rows)} row{'' if len(result.rows) == 1 else 's'}"
    console.print(Text(f"{result.tier} tier: {result.word}, {counted}; written to {paths[0].parent}"))
    return result.code
