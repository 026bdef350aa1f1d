"""The pytest plug-in: `pytest --avbench` holds a project's modules to their exact figures.

Cases come from the project's `[[tool.avbench.gate.case]]`, and from tests that carry a marker and return a module:

    @pytest.mark.avbench(input=(1, 196, 192), mode="train")
    def test_attention():
        return Attention(192)

A test that asks for the fixture `avbench_case` runs once for each case of the table; with pytest-benchmark it can time
them: `def test_speed(avbench_case, benchmark): benchmark(avbench_case)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from suite.gate.exact import Figures
    from suite.gate.target import Table, Target

MARKER = "avbench(input, mode='inference', dtype='float32'): the test returns a module whose exact figures are kept"
ACCEPT = 'pytest --avbench-accept "..."'
WITHOUT = "avbench_without_baseline"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("avbench")
    group.addoption("--avbench", action="store_true", help="hold modules to the exact figures of perf/expected.json")
    group.addoption("--avbench-accept", metavar="REASON", help="take the figures of this run for those expected")
    parser.addini(
        WITHOUT, "on a machine of a kind that perf/expected.json does not hold: fail, or skip", default="fail"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuses what means nothing here, before any process is started."""
    config.addinivalue_line("markers", MARKER)
    if config.getini(WITHOUT) not in ("fail", "skip"):
        raise pytest.UsageError(f"{WITHOUT} is {config.getini(WITHOUT)}: choose fail or skip")
    if config.getoption("--avbench-accept") is not None and config.getoption("dist", "no") != "no":
        raise pytest.UsageError("--avbench-accept writes one file: leave out -n")
    if is_asked(config):
        table_of(config)


def is_asked(config: pytest.Config) -> bool:
    return config.getoption("--avbench") or config.getoption("--avbench-accept") is not None


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds an item for each case of the table, and one that misses those which the table lacks."""
    if not is_asked(config):
        return
    table = table_of(config) if any(item.get_closest_marker("avbench") for item in items) else listed(config)
    for target in table.targets:
        items.append(ExactItem.from_parent(session, name=f"avbench[{target.name}]", target=target))
    items.append(ExactItem.from_parent(session, name="avbench[every case]", target=None))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "avbench_case" in metafunc.fixturenames:
        targets = listed(metafunc.config).targets
        metafunc.parametrize("avbench_case", targets, ids=[t.name for t in targets], indirect=True)


@pytest.fixture
def avbench_case(request: pytest.FixtureRequest) -> Iterator[Callable[[], object]]:
    """One pass of a case of the table, on a random input: call it without arguments."""
    from suite.gate.probe import Timed

    timed = Timed(request.param.as_dict())
    x = timed.fresh()
    yield lambda: timed.call(x)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """A test with the marker returns a module, which is compared with --avbench, and else only built."""
    marker = pyfuncitem.get_closest_marker("avbench")
    if marker is None:
        return None
    from torch import nn

    target = marked(pyfuncitem.nodeid, marker)
    names = pyfuncitem._fixtureinfo.argnames
    module = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    if not isinstance(module, nn.Module):
        pytest.fail(f"the test returns a {type(module).__name__}: return the nn.Module that is measured", pytrace=False)
    if is_asked(pyfuncitem.config):
        hold(pyfuncitem.config, lambda name: name == target.name, lambda: measured(target, module))
    return True


def marked(nodeid: str, marker: pytest.Mark) -> Target:
    """The case of a marked test. Fails on arguments of the marker that mean nothing."""
    from suite.gate.target import target_of

    with sentences():
        if len(marker.args) > 1:
            raise ValueError("the marker avbench takes the input alone without a name: name the others, mode='train'")
        return target_of({"make": nodeid, **dict(zip(["input"], marker.args, strict=False)), **marker.kwargs}, nodeid)


class ExactItem(pytest.Item):
    """One case of the table; or, without a target, every case that the file has and the table lacks."""

    def __init__(self, *, target: Target | None, **options: Any) -> None:
        super().__init__(**options)
        self.target = target

    def runtest(self) -> None:
        from suite.gate.target import is_test

        if target := self.target:
            hold(self.config, lambda name: name == target.name, lambda: measured(target))
        else:
            names = {target.name for target in table_of(self.config).targets}
            hold(self.config, lambda name: name not in names and not is_test(name), dict)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, ValueError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.config.rootpath / "pyproject.toml", None, self.name


def table_of(config: pytest.Config) -> Table:
    """The project's table. UsageError if it means nothing."""
    from avbench.find import names
    from suite.gate import target

    try:
        return target.table_of(config.rootpath, names)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def listed(config: pytest.Config) -> Table:
    """The project's table. UsageError if it lists no case: an empty gate is never green."""
    table = table_of(config)
    if not table.targets:
        raise pytest.UsageError(
            table.missing or f"{config.rootpath}/pyproject.toml lists no [[tool.avbench.gate.case]]"
        )
    return table


def measured(target: Target, module: Any = None) -> dict[str, Figures]:
    from suite.gate import exact

    return {target.name: exact.figures(target, module)}


def hold(config: pytest.Config, owns: Callable[[str], bool], found: Callable[[], dict[str, Figures]]) -> None:
    """Fails if what is found differs from what the file has of the names that `owns` picks; or accepts it instead.

    Fails without a baseline for this machine too, or skips where the project says so.
    """
    from suite.gate import exact
    from suite.gate.expected import Expected
    from suite.gate.result import now

    table, machine, reason = table_of(config), exact.machine(), config.getoption("--avbench-accept")
    path = config.rootpath / table.expected
    exact.importable(config.rootpath, table.path)
    with sentences():
        expected = Expected.read(path) if reason is None or path.exists() else Expected()
    baseline = expected.baselines.get(machine)
    if reason is not None:
        others = {name: figures for name, figures in (baseline or {}).items() if not owns(name)}
        taken = others | found()
        with sentences():
            expected.accept(machine, taken, reason, now()[:10])
            expected.write(path)
    elif baseline is None:
        said = f"{path.name} has no baseline for {machine}: add it with {ACCEPT}"
        if config.getini(WITHOUT) == "skip":
            pytest.skip(said)
        pytest.fail(said, pytrace=False)
    elif differing := exact.differences({name: baseline[name] for name in baseline if owns(name)}, found()):
        pytest.fail("\n".join([*map(str, differing), f"if that is right: {ACCEPT}"]), pytrace=False)


@contextmanager
def sentences() -> Iterator[None]:
    """A ValueError fails the test with its sentence alone."""
    try:
        yield
    except ValueError as error:
        pytest.fail(str(error), pytrace=False)
