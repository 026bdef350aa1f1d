"""What a running sweep shows: the case, progress, the time left and the last results."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from reports.escape import printable
from suite.outcome import Event
from suite.record import Metric, Record
from suite.units import bytes_text, count_text, duration

LINES = 8
SHOWN = ("params", "macs", "peak_bytes", "latency_ms", "top1", "miou")


class Display:
    """A live display on a terminal, one line for each result elsewhere. A context manager; call it with events."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.last: deque[Text] = deque(maxlen=LINES)
        self.running: dict[str, str] = {}  # by device
        self.progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}", markup=False),
            console=self.console,
        )
        self.bar = self.progress.add_task("", total=None, left="")
        # once a second: the display must not take time from what is measured
        self.live = Live(console=self.console, refresh_per_second=1, get_renderable=self._picture, transient=True)

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def __call__(self, event: Event) -> None:
        left = f"about {duration(event.seconds_left)} left"
        share = f" {event.fraction:.0%}" if 0 < event.fraction < 1 else ""
        self.running[event.planned.case.device] = printable(f"{event.planned.case}{share}")
        self.progress.update(
            self.bar, completed=event.done, total=event.total, left=left, description="\n".join(self.running.values())
        )
        if event.record is None:
            return
        del self.running[event.planned.case.device]
        line = Text(printable(f"{event.done}/{event.total}  {event.planned.case}  ")) + outcome(event.record)
        self.last.append(line)
        if not self.console.is_terminal:
            self.console.print(line, soft_wrap=True)

    def _picture(self) -> Group:
        return Group(*self.last, self.progress)


def outcome(record: Record) -> Text:
    """The numbers of a record, or its status and reason."""
    if record.status != "ok":
        return Text(printable(f"{record.status}: {record.reason}"), style="yellow")
    numbers = [written(name, record.metrics[name]) for name in SHOWN if name in record.metrics]
    return Text("  ".join(numbers), style="bold")


def written(name: str, metric: Metric) -> str:
    """A number with its unit, as people write it."""
    if name in ("params", "macs"):
        return f"{count_text(metric.value)} {name}"
    if name == "peak_bytes":
        return bytes_text(metric.value)
    if name == "latency_ms":
        return duration(metric.value / 1000)
    return f"{name} {metric.value:.3f}"
