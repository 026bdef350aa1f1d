"""A process that measures cases and may die: `Worker` is the parent's end of it, `serve` what runs inside.

The two speak in lines of JSON over pipes of their own, so that nothing a design prints can be mistaken for an answer.
What it prints, and tracebacks, go to the log. No torch here: the parent needs none.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from suite.case import Case
from suite.process import KEEPING, give_back, status_bytes
from suite.record import Record
from suite.training.keep import NOTHING, Keep

START_S = 180.0  # to import torch, on a busy machine
CLOSE_S = 3.0
TICK_S = 0.5  # between two looks at whether the process lives
SLACK_BYTES = 256 * 2**20  # for threads, profiler and code, beside the tensors that the limit is about
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Progress = Callable[[float], None]


class Worker:
    """Measures cases in a process of its own, which starts when it is needed and again after its death."""

    def __init__(
        self,
        find: str = "avbench.find:find",
        threads: int = 1,
        log: Path = Path("worker.log"),
        keep: Keep = NOTHING,
    ) -> None:
        """`find` is `module:function`, a name -> its Design. `threads` are pinned before torch is imported."""
        self.find, self.threads, self.log, self.keep = find, threads, log, keep
        self.process: subprocess.Popen[bytes] | None = None
        self.requests = self.replies = -1  # ends of the two pipes
        self.unread = b""

    def measure(self, case: Case, limit_s: float, memory_bytes: int, progress: Progress | None = None) -> Record:
        """The record of the case. It never raises for what becomes of the process; what happened is the status.

        `limit_s` ends a hang. `memory_bytes` is what the case may allocate, 0 what is free when it begins; see
        `limit_memory`. `progress` hears the share of a training that is over.
        """
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        kills = oom_kills()
        try:
            record = self._measured(case, limit_s, memory_bytes, progress or (lambda fraction: None))
        except TimeoutError:
            self.kill()
            told = ", compiling included" if case.compiles else ""
            record = Record(case, "timeout", f"not over after {limit_s:.3g} s{told}, and stopped")
        except (EOFError, BrokenPipeError):
            record = Record(case, *self._obituary(kills))
        except BaseException:
            self.kill()
            raise
        if record.status == "oom":
            self.kill()
        return record if record.started else replace(record, started=started, seconds=time.monotonic() - began)

    def _measured(self, case: Case, limit_s: float, memory_bytes: int, progress: Progress) -> Record:
        if self.process is None or case.threads != self.threads or self.process.poll() is not None:
            self.kill()
            self._start(case.threads)
        request = {"case": asdict(case), "limit_s": limit_s, "memory_bytes": memory_bytes, "keep": asdict(self.keep)}
        os.write(self.requests, json.dumps(request).encode() + b"\n")
        for reply in self._replies(time.monotonic() + limit_s):
            if "record" in reply:
                return Record.from_json(reply["record"])
            progress(reply["progress"])
        raise EOFError

    def _start(self, threads: int) -> None:
        self.threads = threads
        child_requests, self.requests = os.pipe()
        self.replies, child_replies = os.pipe()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "suite.worker", self.find, str(child_requests), str(child_replies)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(child_requests, child_replies),
                start_new_session=True,  # Ctrl-C in the terminal is not for it, and its children die with it
                env=os.environ | environment(threads),
            )
        os.close(child_requests)
        os.close(child_replies)
        next(self._replies(time.monotonic() + START_S))  # it is ready

    def _replies(self, until: float) -> Iterator[dict[str, Any]]:
        """The lines of the process as they come. TimeoutError at `until`, EOFError once it is dead."""
        while True:
            *lines, self.unread = self.unread.split(b"\n")
            yield from (json.loads(line) for line in lines)
            while not select.select([self.replies], [], [], max(0.0, min(TICK_S, until - time.monotonic())))[0]:
                if time.monotonic() >= until:
                    raise TimeoutError
                if self.process is None or self.process.poll() is not None:
                    raise EOFError
            if not (data := os.read(self.replies, 2**16)):
                raise EOFError
            self.unread += data

    def _obituary(self, kills: int) -> tuple[str, str]:
        """Status and reason of a death."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.process is not None:
                self.process.wait(CLOSE_S)
        code = self.process.returncode if self.process is not None else None
        self.kill()
        if code == -signal.SIGKILL and oom_kills() > kills:
            return "oom", "the system had no memory left and killed the process"
        if code is not None and code < 0:
            return "crash", f"the process was ended by {signal.Signals(-code).name}; see {self.log.name}"
        return "crash", f"the process ended with exit code {code}; see {self.log.name}"

    def stop(self) -> None:
        """Ends the process while another thread waits for it in `measure`, which then returns a crash."""
        if (process := self.process) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Ends the process and its children at once, if there are any."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._forget()

    def close(self) -> None:
        """Lets the process end by itself."""
        if self.process is None:
            return
        os.close(self.requests)
        self.requests = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(CLOSE_S)
        self.kill()

    def _forget(self) -> None:
        for end in (self.requests, self.replies):
            if end >= 0:
                os.close(end)
        self.requests = self.replies = -1
        self.process, self.unread = None, b""

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def environment(threads: int) -> dict[str, str]:
    """What a worker's environment adds: threads, an allocator that keeps memory, where the parent looks for modules."""
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    return dict.fromkeys(THREADS, str(threads)) | KEEPING | {"PYTHONPATH": path, "KINETO_LOG_LEVEL": "9"}


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def serve(find: str, requests: int, replies: int) -> None:
    """The worker's end: measures what it is asked for until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(requests, inbox), daemon=True).start()
    import torch

    from suite.measure import Bench

    threads = int(os.environ[THREADS[0]])
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    bench = Bench(lambda name: function(find)(name), lambda fraction: send(replies, {"progress": fraction}))
    send(replies, {"ready": True})
    while True:
        request = inbox.get()
        limit_memory(request["case"]["device"], request["memory_bytes"])
        record = bench.measure(Case.from_dict(request["case"]), request["limit_s"], Keep(**request["keep"]))
        send(replies, {"record": line_of(record)})


def receive(requests: int, inbox: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Hands on each request. When the parent has closed its end, or died, this process ends, whatever it is doing."""
    with os.fdopen(requests) as lines:
        for line in lines:
            inbox.put(json.loads(line))
    os._exit(0)


def send(replies: int, message: dict[str, Any]) -> None:
    """Writes one line to the parent; where there is none any more, ends the process."""
    data = json.dumps(message).encode() + b"\n"
    try:
        while data:
            data = data[os.write(replies, data) :]
    except BrokenPipeError:
        os._exit(0)


def line_of(record: Record) -> str:
    """The record's line. A number that is not finite makes it a record of the status `nan`."""
    try:
        return record.to_json()
    except ValueError:
        return Record(record.case, "nan", "a measured number is not finite", started=record.started).to_json()


def function(path: str) -> Callable[[str], Any]:
    """`module:function` -> the function."""
    module, _, name = path.partition(":")
    found: Callable[[str], Any] = getattr(import_module(module), name)
    return found


def limit_memory(device: str, memory_bytes: int) -> None:
    """Lets this process have so much more memory than it has now, so that an allocation too many fails cleanly.

    The memory of an earlier case is given back to the system first. 0 stands for SPARE of what is free then. Where
    the system does not say what a process holds, nothing is limited. On CUDA it is what torch may hold of the device.
    """
    from suite.machine import SPARE, available_bytes

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = resource.RLIM_INFINITY
    give_back()
    if device == "cpu" and (held := status_bytes("VmData")):
        allowed = held + (memory_bytes or int(SPARE * available_bytes())) + SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    if device != "cpu":
        limit_device(device, memory_bytes)


def limit_device(device: str, memory_bytes: int) -> None:
    """Bounds what torch holds of a CUDA device; what an earlier case left in its cache is given back first.

    0 stands for what torch holds then, and SPARE of what is free.
    """
    import torch

    from suite.machine import SPARE, available_bytes

    with torch.cuda.device(device):
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
        allowed = memory_bytes or torch.cuda.memory_reserved() + int(SPARE * available_bytes(device))
        torch.cuda.set_per_process_memory_fraction(min(1.0, allowed / total))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
