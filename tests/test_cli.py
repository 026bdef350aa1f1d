"""The command line: flags, tables, errors in one sentence, and a whole sweep of a stranger's design."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer

from avbench import checking, find, planning
from avbench.cli import app, main
from avbench.find import names
from avbench.request import Request
from suite.check import statements
from suite.machine import Calibration
from suite.record import read

FLAGS = set(
    "res task metric scope params layout position patch decoder classes batch device dtype backend compile mode cache "
    "threads data train-res test-res train-images train-minutes pretrain-images train-batch lr lr-search seeds "
    "keep-weights rounds minutes case-seconds memory run max-ms max-memory min-accuracy noise json csv help exact base "
    "head accept reason triples seed input out show image checkpoint claims format fits augment memory-format".split()
)
SMALL = "--device cpu --threads 1 --res 32 --task classification --metric params,memory,latency".split()
SMALL += "--rounds 1 --minutes 5".split()
SHALLOW = '''"""Shallow: ViT with a single block.

Paper    2010.11929.
Time     n² d.
Memory   n d.
Departs  one block.
"""

from dataclasses import replace

from variants.vit import RECIPE as VIT

RECIPE = replace(VIT, layout=replace(VIT.layout, depths=(1,)))
'''
MINE = '''"""Mine: full attention on small patches."""

from dataclasses import dataclass

import fakes


@dataclass(frozen=True)
class Mine(fakes.Fake):
    def build(self, task, classes, size):
        return fakes.NETWORKS["tiny"](self.widths[0], self.extra[0], task, classes)


RECIPE = Mine("mine")
'''


FORGOT = """
from torch import nn
from variants.recipe import part


class Forgot(nn.Module):
    pass


RECIPE = replace(RECIPE, mixers=(part(Forgot),))
"""


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A calibration that takes no time, and plans in this process."""
    speed = Calibration("cpu", "float32", 1, 1e10, 1e10, 1e9, 1e10, 1e10, 1e10, 1e10, 1e-5, 10**10)
    monkeypatch.setattr(planning, "calibrate", lambda *args: speed)
    monkeypatch.setattr(planning, "default_threads", lambda: 1)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stranger's design in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(MINE)
    return "./mine.py"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, error = capsys.readouterr()
    return int(ended.value.code or 0), out, error


def test_the_set_of_flags() -> None:
    """A new flag is a decision: options belong to parts and files."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    found = {o.removeprefix("--") for c in commands.values() for p in c.params for o in p.opts if o.startswith("--")}
    assert found | {"help"} == FLAGS
    assert set(commands) == set("list show data plan sweep records report recommend check view gate doctor".split())
    assert {f.name.replace("_", "-") for f in fields(Request)} - {"designs"} <= FLAGS


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["sweep", "--help"], ["list", "--json"]])
def test_what_needs_no_network_imports_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom avbench.cli import main\n"
        f"try: main({arguments})\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "list")
    assert code == 0
    assert all(re.search(rf"^{name} ", out, re.MULTILINE) for name in names())
    rows = json.loads(call(capsys, "list", "--json")[1])
    assert [row["name"] for row in rows] == names()
    assert [row["name"] for row in csv.DictReader(io.StringIO(call(capsys, "list", "--csv")[1]))] == names()


def test_list_at_a_budget_adds_sizes_and_costs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avbench.listing.names", lambda: ["vit"])
    (row,) = json.loads(call(capsys, "list", "--params", "5M", "--json")[1])
    assert abs(row["params"] / 5e6 - 1) <= 0.01
    assert {"macs", "depth", "width", "paper", "heads"} <= set(row)
    assert "5.00M" in call(capsys, "list", "--params", "5M")[1]


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "show", "vit")
    assert code == 0
    assert "An Image is Worth 16x16 Words" in out and "Multiply-adds" in out and "Policy" in out


def test_show_a_model_of_timm(capsys: pytest.CaptureFixture[str]) -> None:
    """It states no cost of its own, so it is counted."""
    code, out, error = call(capsys, "show", "timm:resnet18")
    assert code == 0, error
    assert out.startswith("timm:resnet18") and "1.81G at 224 pixels" in out and "blocks" not in out


@pytest.mark.parametrize("name", ["shallow", "sound:RECIPE"])
def test_a_design_of_a_package_is_shown_and_checked(
    capsys: pytest.CaptureFixture[str], mine: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By the name of its entry point, and as an importable recipe: what it says of itself stands in its module."""
    Path("sound.py").write_text(SHALLOW)
    point = EntryPoint("shallow", "sound:RECIPE", find.GROUP)
    monkeypatch.setattr(find, "entry_points", lambda group, name="shallow": [point] if name == "shallow" else [])
    monkeypatch.setattr(checking, "check", lambda design, params, text: statements(design, text))
    assert "Shallow: ViT with a single block" in call(capsys, "show", name, "--params", "1M")[1]
    code, out, error = call(capsys, "check", name)
    assert (code, out.splitlines()[-1]) == (0, f"{name} keeps the contract: all 2 findings hold"), error


def test_plan_prints_every_case_and_the_total(capsys: pytest.CaptureFixture[str], mine: str) -> None:
    code, out, _ = call(capsys, "plan", mine, *SMALL, "--rounds", "3")
    assert code == 0
    assert re.search(r"latency +3 ", out)
    assert re.search(r"^6 cases, about", out, re.MULTILINE)
    assert "On this machine" not in out, "nothing was measured here"
    rows = json.loads(call(capsys, "plan", mine, *SMALL, "--json")[1])
    assert [row["quantity"] for row in rows] == ["static", "memory", "memory", "latency"]
    assert all(row["macs"] and row["peak_bytes"] and row["seconds"] for row in rows)


def test_plan_says_what_a_memory_holds(capsys: pytest.CaptureFixture[str], mine: str) -> None:
    asked = ("plan", mine, "--task", "classification", "--res", "32,64", "--mode", "inference,train", "--fits")
    code, out, _ = call(capsys, *asked, "20MB")
    assert (
        code == 0
        and "20.0 MB. Predicted, nothing was allocated" in out
        and "10 were within 5 %" in " ".join(out.split())
    )
    few, many = (json.loads(call(capsys, *asked, memory, "--json")[1]) for memory in ("20MB", "200MB"))
    assert [row["mode"] for row in few] == ["inference", "train"]
    assert all("10 were within 5 %" in row["rests_on"] for row in few)
    for less, more in zip(few, many, strict=True):
        assert all(less[name] < more[name] for name in ("memory_bytes", "largest_px", "batch@32", "batch@64"))
    (header, *_) = call(capsys, *asked, "20MB", "--csv")[1].splitlines()
    assert header.split(",") == list(few[0])
    layouts = (*asked, "20MB", "--layout", "bottleneck,pyramid")
    refused, taken = csv.DictReader(io.StringIO(call(capsys, *layouts, "--mode", "train", "--csv")[1]))
    assert refused["reason"] and not refused["batch@64"] and taken["batch@64"]


def test_pixel_at_1024_is_a_row_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(call(capsys, "plan", "pixel", "--res", "1024", "--task", "classification", "--json")[1])
    latency = next(row for row in rows if row["quantity"] == "latency")
    assert latency["status"] in ("too_slow", "too_large")
    assert latency["peak_bytes"] > 10**9
    assert "the limit is 60.0 s" in latency["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("plan vti", "did you mean vit"),
        ("plan vit --res 0", "'0' is no resolution"),
        ("plan vit --res big", "'big' is no resolution"),
        ("plan vit --params 7", "cannot weigh 7 parameters"),
        ("plan vit --params lots", "is not a number of parameters"),
        ("plan vit --task detection", "unknown task detection"),
        ("plan vit --metric speed", "there is no metric speed"),
        ("plan vit --data nowhere", "unknown data nowhere"),
        ("plan vit --device tpu", "there is no device tpu"),
        ("plan vit --layout spiral --res 32", "no layout is called 'spiral'"),
        ("plan vit --batch many", "--batch many is no whole number"),
        ("plan vit --fits 24GB --batch 8", "leave out --batch"),
        ("plan vit --fits 24GB --compile yes", "leave out --compile"),
        ("plan vit --fits plenty", "is not an amount of memory"),
        ("plan vit --fits 24GB --layout spiral", "no layout is called 'spiral'"),
        ("plan vit --memory plenty", "is not an amount of memory"),
        ("plan vit --minutes 0", "--minutes is 0"),
        ("plan vit --res 32 --json --csv", "choose one"),
        ("show vti", "did you mean vit"),
        ("check vti", "did you mean vit"),
        ("check timm:resnet18", "is a model of timm, which keeps no contract of ours"),
        ("records nowhere", "holds no records.jsonl"),
        ("report nowhere", "holds no records.jsonl"),
        ("recommend nowhere --max-ms 0", "--max-ms is 0"),
        ("recommend nowhere --max-memory much", "is not an amount of memory"),
        ("recommend nowhere --min-accuracy 80", "is no accuracy: write 80% or 0.8"),
    ],
)
def test_an_error_of_the_user_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: str, said: str) -> None:
    code, _, error = call(capsys, *arguments.split())
    assert code == 2
    assert said in error
    assert error.count("\n") == 1 and "Traceback" not in error


def test_missing_cuda_is_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    code, _, error = call(capsys, "plan", "vit", "--device", "cuda")
    assert (code, error.count("\n")) == (2, 1)
    assert "choose --device cpu" in error


def test_an_unknown_flag_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "plan", "--sizes", "3")[0] == 2


def test_an_unwritable_run_folder_is_one_sentence(capsys: pytest.CaptureFixture[str], mine: str) -> None:
    code, _, error = call(capsys, "sweep", mine, *SMALL, "--run", "mine.py/run")
    assert code == 2
    assert "cannot write to mine.py/run" in error.splitlines()[-1]


def test_a_sweep_from_name_to_report_and_again(capsys: pytest.CaptureFixture[str], mine: str) -> None:
    code, out, error = call(capsys, "sweep", mine, *SMALL, "--run", "here")
    assert code == 0, error
    assert out.strip().endswith("index.html") and Path(out.strip()).is_file()
    found = {(r.case.quantity, r.case.mode): r for r in read(Path("here"))}
    assert {r.status for r in found.values()} == {"ok"}, found
    assert len(found) == 4
    again = call(capsys, "sweep", mine, *SMALL, "--run", "here")
    assert "4 measured before" in again[2]
    assert len(read(Path("here"))) == 4
    table = call(capsys, "records", "here", "--csv")[1]
    columns = next(csv.reader(io.StringIO(table)))
    assert columns[:5] == ["design", "layout", "position", "decoder", "task"]
    assert {row["metric"] for row in json.loads(call(capsys, "records", "here", "--json")[1])} >= {"macs", "latency_ms"}
    assert "latency_ms" in call(capsys, "records", "here")[1]
    assert call(capsys, "report", "here")[0] == 0
    code, out, _ = call(capsys, "report", "here", "here", "--format", "md,csv")
    assert (code, out.split()) == (0, ["here/beside-here/report.md", "here/beside-here/records.csv"])
    with Path("here/records.jsonl").open("a") as file:
        file.write("junk\n")
    code, _, error = call(capsys, "records", "here")
    assert code == 2 and "line 5: not a record" in error


def test_the_same_command_goes_on_with_what_it_left(
    capsys: pytest.CaptureFixture[str], mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("suite.worker.Worker.measure", interrupted)
        assert call(capsys, "sweep", mine, *SMALL)[0] == 130
    (folder,) = Path("runs").iterdir()
    assert {r.status for r in read(folder)} == {"not_reached"}
    assert "(going on)" in call(capsys, "sweep", mine, *SMALL)[2]
    assert list(Path("runs").iterdir()) == [folder]
    assert {r.status for r in read(folder)[-4:]} == {"ok"}


def test_check_passes_a_sound_design_and_names_what_breaks(
    capsys: pytest.CaptureFixture[str], mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("sound.py").write_text(SHALLOW)
    code, out, _ = call(capsys, "check", "./sound.py", "--params", "1M")
    assert code == 0 and "FAIL" not in out
    assert out.strip().splitlines()[-1].startswith("./sound.py keeps the contract")
    Path("broken.py").write_text(MINE.replace("tiny", "miscounted"))
    code, out, _ = call(capsys, "check", "./broken.py")
    assert code == 1
    assert "FAIL" in out and "disagree" in out and "it weighs" in out


def test_check_goes_on_where_a_mixer_is_none(capsys: pytest.CaptureFixture[str], mine: str) -> None:
    """A stranger who forgets to derive from Mixer reads what fails, to the last line."""
    Path("forgot.py").write_text(SHALLOW + FORGOT)
    code, out, error = call(capsys, "check", "./forgot.py")
    assert (code, error) == (1, "")
    assert "has no attribute 'takes'" in out and out.splitlines()[-1].startswith("./forgot.py breaks the contract")


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(call(capsys, "doctor", "--threads", "1", "--json")[1])
    assert found["devices"][0] == "cpu"
    assert found["calibration"][0]["matmul"] > 0
    assert "MAC/s" in call(capsys, "doctor", "--threads", "1")[1]
    code, _, error = call(capsys, "doctor", "--noise", "--minutes", "0")
    assert (code, error) == (2, "avbench: --minutes is 0: it must be above 0\n")
    for threads in ("0", "-1"):
        code, _, error = call(capsys, "doctor", "--threads", threads)
        assert (code, error) == (2, f"avbench: --threads is {threads}: it must be at least 1\n")
    code, _, error = call(capsys, "doctor", "--device", "tpu")
    assert code == 2 and "there is no device tpu" in error
