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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from suite.gate.target import Target

MARKER = "avbench(input, mode='inference', dtype='float32'): the test returns a module whose exact figures are kept"


class RegressionError(AssertionError):
    """Figures differ from what is expected; the message holds each of them, and the command that accepts them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("avbench")
    group.addoption("--avbench", action="store_true", help="hold modules to the exact figures of perf/expected.json")
    group.addoption("--avbench-accept", metavar="REASON", help="take the figures of this run for those expected")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds an item for each case of the table."""
    if config.getoption("--avbench") or config.getoption("--avbench-accept"):
        for target in listed(config.rootpath):
            items.append(ExactItem.from_parent(session, name=f"avbench[{target.name}]", target=target))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "avbench_case" in metafunc.fixturenames:
        targets = listed(metafunc.config.rootpath)
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
    names = pyfuncitem._fixtureinfo.argnames
    module = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    if pyfuncitem.config.getoption("--avbench") or pyfuncitem.config.getoption("--avbench-accept"):
        from suite.gate.target import Target

        target = Target(make=pyfuncitem.nodeid, **marker.kwargs)
        compare(pyfuncitem.config, target, module)
    return True


class ExactItem(pytest.Item):
    """One case of the table."""

    def __init__(self, *, target: Target, **options: Any) -> None:
        super().__init__(**options)
        self.target = target

    def runtest(self) -> None:
        compare(self.config, self.target)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, RegressionError | ValueError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.config.rootpath / "pyproject.toml", None, self.name


def listed(root: Path) -> tuple[Target, ...]:
    """The cases of the project's table. UsageError without any: an empty gate is never green."""
    from avbench.find import names
    from suite.gate.target import table_of

    table = table_of(root, names)
    if not table.targets:
        raise pytest.UsageError(table.missing or f"{root}/pyproject.toml lists no [[tool.avbench.gate.case]]")
    return table.targets


def compare(config: pytest.Config, target: Target, module: Any = None) -> None:
    """RegressionError if the figures of the target differ, or are not in the file. Skips without a baseline."""
    root = config.rootpath
    from avbench.find import names
    from suite.gate import exact
    from suite.gate.expected import Expected
    from suite.gate.result import ACCEPT, now
    from suite.gate.target import table_of

    table, machine = table_of(root, names), exact.machine()
    path = root / table.expected
    exact.importable(root, table.path)
    found = {target.name: exact.figures(target, module)}
    if reason := config.getoption("--avbench-accept"):
        expected = Expected.read(path) if path.exists() else Expected()
        expected.accept(machine, expected.baselines.get(machine, {}) | found, reason, now()[:10])
        expected.write(path)
        return
    baseline = Expected.read(path).baselines.get(machine)
    if baseline is None:
        pytest.skip(f"{path.name} has no baseline for {machine}")
    wanted = {target.name: baseline[target.name]} if target.name in baseline else {}
    if differing := exact.differences(wanted, found):
        raise RegressionError("\n".join([*map(str, differing), f"if that is right: {ACCEPT}"]))
