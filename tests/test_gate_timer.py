"""The processes of the latency tier: they run the code of their revision, die, hang and are told from each other."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from gate_fakes import MODULE, commit, git, repository

from suite.gate import latency, timer
from suite.gate.probe import built
from suite.gate.target import Target
from suite.gate.trees import Tree


def test_real_processes_run_the_code_of_their_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head takes sixty sines more: a ratio that no noise hides."""
    (project := tmp_path / "project").mkdir()
    repository(project)
    slow = MODULE.replace(
        "        return self.to_out(out)",
        "        for _ in range(60):\n            out = out.sin()\n        return out",
    )
    commit(project, slow)
    targets = [Target("mixing:Mixing", name="mixing", input=(2, 12, 16))]
    trees = {}
    for side, revision in (("a", "HEAD~1"), ("a2", "HEAD~1"), ("b", "HEAD")):
        trees[side] = Tree(project.parent / side, revision)
        git(project, "worktree", "add", "--detach", str(trees[side].folder), revision)
    monkeypatch.setattr(latency, "TURNS", 3)
    found, failed = latency.Series(trees, 1, 1, Random(0), lambda what: None).triple(targets)
    assert not failed
    triple = found["mixing", "cpu_ms"]
    assert len(triple.b) == 3 and all(b > 1.5 * a for a, b in zip(triple.a, triple.b, strict=True))
    assert abs(triple.control) < triple.effect


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os\nos._exit(7)\n", "ended with 7: no word, while it built failing"),
        ("import time\ntime.sleep(60)\n", "not over after 1 s, while it built failing"),
        ("print('noise')\ndef Any(): raise OSError('no such luck')\n", "OSError: no such luck"),
    ],
)
def test_a_process_that_dies_or_hangs_fails_its_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    """One that hangs is waited for as long as one case may take, not all together."""
    patient = timer.Timer._reply

    def reply(self: timer.Timer) -> dict[str, Any]:
        answer = patient(self)
        if "sleep" in source:
            monkeypatch.setattr(timer, "PATIENCE_S", 1.0)  # now that torch is imported
        return answer

    monkeypatch.setattr(timer.Timer, "_reply", reply)
    (tmp_path / "failing.py").write_text(source)
    with timer.Timer(Tree(tmp_path, "x"), [target := Target("failing:Any", name="failing")], 0, 1, ()) as one:
        assert said in latency._ready(one, [target])["failing"]


def test_a_process_that_dies_in_a_turn_fails_the_case(tmp_path: Path) -> None:
    """Its calls to build it are over: 3 to warm up, 2 samples of 2. The last breath is told."""
    source = (
        MODULE
        + """

class Dying(Mixing):
    calls = 0
    def forward(self, x):
        self.calls += 1
        if self.calls > 7:
            raise SystemExit("enough")
        return super().forward(x)
"""
    )
    (tmp_path / "failing.py").write_text(source)
    with timer.Timer(Tree(tmp_path, "x"), [Target("failing:Dying", name="dying", input=(2, 12, 16))], 0, 1, ()) as one:
        assert one.failed() == {}
        with pytest.raises(timer.Lost, match="ended with 1: enough"):
            one.block("dying")


def test_the_probe_times_training_too_and_moves_what_it_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mixing_to_probe.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    cases = [Target("mixing_to_probe:Mixing", input=(2, 12, 16), mode=m).as_dict() for m in ("inference", "train")]
    timed, failed = built(cases, tmp_path, [].append)
    assert set(timed) == {"mixing_to_probe:Mixing", "mixing_to_probe:Mixing train"} and not failed
    for one in timed.values():
        before = {name: (p.data_ptr(), p.detach().clone()) for name, p in one.module.named_parameters()}
        assert all(ms > 0 for ms in one.sample().values())
        for name, parameter in one.module.named_parameters():
            assert parameter.data_ptr() != before[name][0] and parameter.equal(before[name][1])


@pytest.mark.parametrize("path", [".", "lib"])
def test_code_that_is_not_of_the_checkout_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A twin of the package is installed: it is what `path` finds if it misses the folder `lib` of the checkout."""
    for folder in ("installed", "checkout/lib"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "twinned.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    target = Target("twinned:Mixing", name="twin", input=(2, 12, 16))
    with timer.Timer(Tree(tmp_path / "checkout", "x", (path,)), [target], 0, 1, ()) as one:
        failed = one.failed()
    said = f"twinned was imported from {tmp_path}/installed/twinned.py, not from the checkout"
    assert said in failed["twin"] if path == "." else not failed


@pytest.mark.parametrize("make", ["torch.nn:Flatten", "vit", "timm:resnet18", "sys:version", "../mine.py"])
def test_what_every_revision_would_share_is_refused(tmp_path: Path, make: str) -> None:
    (timed, failed) = built([Target(make).as_dict()], tmp_path, [].append)
    assert not timed and "every revision would run the same code" in failed[make]
