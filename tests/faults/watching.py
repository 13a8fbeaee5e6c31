"""Looks at a run's processes while it goes on: memory, descriptors and threads over time, and what they grow by."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from rena_graph.runtime.folders import runtime_dir

__all__ = ["Growth", "ProcessWatch", "run_processes", "until"]

PERIOD = 5.0
SETTLED = 60.0
"""Seconds of a process's life that do not count: it still imports and fills its buffers."""


def until(due: float) -> None:
    """Return at this time of the monotonic clock; the fault or the figure that is due then is what is waited for."""
    threading.Event().wait(max(0.0, due - time.monotonic()))


def run_processes(run: str) -> dict[int, str]:
    """The run's own processes that live now, each with its command line; Ray's are not among them."""
    noted = (runtime_dir() / run / "pids").read_text().split()[::2]
    found: dict[int, str] = {}
    for pid in map(int, noted):
        with suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return found


@dataclass
class Growth:
    """What one process was seen to hold."""

    what: str
    times: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it was watched after it had settled."""
        settled = self._settled()
        return settled[-1] - settled[0] if len(settled) > 1 else 0.0

    @property
    def megabytes_a_minute(self) -> float:
        """Slope of the resident memory once it had settled (least squares)."""
        start = len(self.times) - len(self._settled())
        times = np.asarray(self.times[start:]) / 60
        return float(np.polyfit(times, np.asarray(self.rss[start:]) / 2**20, 1)[0])

    def _settled(self) -> list[float]:
        return [t for t in self.times if t - self.times[0] >= SETTLED]


class ProcessWatch:
    """Watches the processes of one run until it is closed; those that come later too.

    Parameters
    ----------
    run : str
        Its id.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._end = threading.Event()
        self.seen: dict[int, Growth] = {}
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            with suppress(FileNotFoundError):  # the run has just ended
                for pid, command in run_processes(self._run).items():
                    self._look(pid, command)
            if self._end.wait(PERIOD):
                return

    def _look(self, pid: int, command: str) -> None:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            process = psutil.Process(pid)
            growth = self.seen.setdefault(pid, Growth(command))
            with process.oneshot():
                growth.rss.append(process.memory_info().rss)
                growth.fds.append(process.num_fds())
                growth.threads.append(process.num_threads())
            growth.times.append(time.monotonic())

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def __enter__(self) -> ProcessWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
