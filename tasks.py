"""The tasks of this repository: `inv -l` lists them, and is its manual.

Run as a script by a bare Python 3.11 or later, this file first makes the virtual environment .venv beside itself,
which costs nothing the second time, and then hands over:

    python tasks.py test                          the tasks below go to Invoke
    python tasks.py sweep --res 224,512,1024      all else goes to the command line of avbench
"""

import ast
import fcntl
import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"  # what .venv holds, or UNFINISHED
UNFINISHED = "unfinished"


def start(words: "list[str]") -> NoReturn:
    """Becomes the task or the avbench command that the words name, in an environment that can run it."""
    if sys.version_info < (3, 11):  # noqa: UP036 (older Pythons come this far, since this file uses nothing newer)
        refuse(f"avbench needs Python 3.11 or later, this is {sys.version.split()[0]}: start tasks.py with a newer one")
    is_task = bool(words) and words[0] in task_names()
    install("test" if is_task else "")
    program = ["invoke", "--search-root", str(ROOT)] if is_task else ["avbench"]
    os.execv(PYTHON, [str(PYTHON), "-P", "-m", *program, *words])


def refuse(sentence: str) -> NoReturn:
    """Ends with one sentence and exit code 2."""
    print(sentence, file=sys.stderr)
    sys.exit(2)


def task_names() -> "set[str]":
    """The tasks below as a shell names them, read from this file because Invoke may not be installed yet."""
    functions = [node for node in ast.parse(Path(__file__).read_bytes()).body if isinstance(node, ast.FunctionDef)]
    return {f.name.replace("_", "-") for f in functions if "task" in map(ast.unparse, f.decorator_list)}


def install(extra: str) -> None:
    """Sees to it that .venv holds the project and this extra, or the extra `test`, which holds all the others."""
    if is_installed(extra):
        return
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second start waits here until the first is through
        if not is_installed(extra):
            make_venv()
            pip_install(extra)


def is_installed(extra: str) -> bool:
    return stamped() in {digest(extra), digest("test")}


def stamped() -> str:
    return STAMP.read_text() if STAMP.is_file() else ""


def digest(extra: str) -> str:
    """Of all that decides what .venv has to hold."""
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(repr((extra, str(ROOT), sys.version_info[:2], files)).encode()).hexdigest()


def make_venv() -> None:
    """Keeps a .venv that is sound; makes one where there is none, or where an installation was cut short."""
    if stamped() != UNFINISHED and is_sound():
        return
    if find_spec("ensurepip") is None:
        refuse("This Python cannot make virtual environments: `apt install python3-venv`, or start another Python")
    print(f"Setting up {VENV}, once: a few minutes.", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)]).returncode:
        refuse(f"{VENV} could not be made: see the lines above, then start again")


def is_sound() -> bool:
    """Whether .venv has a pip that runs, is of this Python, and stands where it was made."""
    try:
        answer = subprocess.run([VENV / "bin" / "pip", "--version"], capture_output=True, text=True)
    except OSError:
        return False
    return str(VENV) in answer.stdout and "(python {}.{})".format(*sys.version_info) in answer.stdout


def pip_install(extra: str) -> None:
    """Installs the project, editable. The stamp comes last, so that a start that was cut short is repaired."""
    before = stamped()
    STAMP.write_text(UNFINISHED)
    what = f".[{extra}]" if extra else "."
    command = ["-m", "pip", "install", "--disable-pip-version-check", "-c", "constraints.txt", "-e", what]
    if subprocess.run([str(PYTHON), *command], cwd=ROOT).returncode:
        STAMP.write_text(before or UNFINISHED)  # pip refuses before it changes what an earlier start installed
        refuse("The installation failed: see pip's lines above, then start again")
    STAMP.write_text(digest(extra))


if __name__ == "__main__":
    try:
        start(sys.argv[1:])
    except KeyboardInterrupt:
        print("\nInterrupted: the next start goes on.", file=sys.stderr)
        sys.exit(130)

from invoke.context import Context  # noqa: E402 (only here is it certain that Invoke is installed)
from invoke.tasks import task  # noqa: E402


def run(c: Context, command: str) -> None:
    """Runs a program of this environment in the repository's root, each process with one thread."""
    os.chdir(ROOT)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"OMP_NUM_THREADS": "1", "PATH": programs}
    c.run(command, echo=True, env=env, in_stream=False, pty=sys.stdout.isatty())


@task
def lint(c: Context) -> None:
    """Who imports whom, style, and types."""
    run(c, "lint-imports --no-logo")
    run(c, "ruff check")
    run(c, "ruff format --check")
    run(c, "mypy")


@task
def test(c: Context) -> None:
    """Everything that CI checks: lint, then the tests."""
    lint(c)
    run(c, "pytest -n 2 --benchmark-disable --avbench")


@task
def format(c: Context) -> None:
    """Formats the code, and repairs what ruff can."""
    run(c, "ruff check --fix")
    run(c, "ruff format")


@task
def bench(c: Context) -> None:
    """The benchmarks of tests/bench, timed."""
    run(c, "pytest --benchmark-only tests/bench")


@task
def gallery(c: Context) -> None:
    """Draws docs/gallery.md and its diagrams anew, from what is measured."""
    run(c, "python -m avbench.gallery")


@task
def calibrate_gate(c: Context, minutes: float = 30.0, load: bool = False, exact: int = 0, at_once: int = 1) -> None:
    """How often the gate cries wolf, and what it finds, by the command that users run: writes docs/gate.md; goes on."""
    given = f"--minutes {minutes} --exact {exact} --at-once {at_once} {'--load' if load else ''}"
    run(c, f"python tests/bench/calibrate_gate.py {given}")


@task
def bench_peers(c: Context, only: str = "", rounds: int = 9) -> None:
    """Our mixers against public implementations of the same operators: writes docs/speed.md."""
    run(c, f"env PYTHONPATH=tests python tests/bench/bench_peers.py --only '{only}' --rounds {rounds}")


@task
def bench_noise(c: Context, pairs: int = 30, minutes: float = 60.0) -> None:
    """The same measurements in fresh processes, again and again: writes docs/noise.md. The same command goes on."""
    run(c, f"env PYTHONPATH=tests python tests/bench/noise.py --pairs {pairs} --minutes {minutes}")


@task
def separate(
    c: Context, runs: str = "runs/separation", family: str = "", device: str = "cpu", processes: int = 1
) -> None:
    """Whether the families of scenes separate designs: trains for an hour, writes docs/separation.md; can go on.

    With --family, of one family alone.
    """
    chosen = f"--family {family} " if family else ""
    run(c, f"python tests/bench/separation.py {runs} {chosen}--device {device} --processes {processes}")


@task
def count_all(c: Context) -> None:
    """Three counts of every design in every form at eight sizes, which must agree: some 20 minutes of one core."""
    run(c, "env PYTHONPATH=tests python tests/bench/count_all.py")
