"""What processes cost while they run: processor time and memory, read from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rena_graph.errors import EnvironmentRefused

__all__ = ["cpu_seconds", "main_thread_seconds", "own_memory", "pid_of_actor", "pids_of_run", "thread_seconds"]


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, all its threads, in seconds.

    Raises
    ------
    EnvironmentRefused
        It has ended.
    """
    try:
        # The clock of another process, as clock_getcpuclockid(3) makes its id.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise EnvironmentRefused(f"process {pid} of the benchmark has ended before it was measured") from error


def main_thread_seconds(pid: int) -> float:
    """Processor time of a process's main thread, in seconds: that on which a node's loop runs."""
    return thread_seconds(pid, pid)


def thread_seconds(tid: int, pid: int | None = None) -> float:
    """Processor time of one thread, of this process where no other is named, in seconds.

    Raises
    ------
    EnvironmentRefused
        It has ended.
    """
    try:
        return int(Path(f"/proc/{pid or 'self'}/task/{tid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError) as error:
        what = f"process {pid}" if pid else f"thread {tid}"
        raise EnvironmentRefused(f"{what} of the benchmark has ended before it was measured") from error


def own_memory(pid: int) -> int:
    """Bytes of memory that are a process's own: what it shares with others is left out."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError as error:
        raise EnvironmentRefused(f"process {pid} of the benchmark has ended before it was measured") from error
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def pids_of_run(runtime: Path) -> list[int]:
    """All processes that a run has on this host: each noted itself in the run's folder of sockets."""
    from rena_graph.runtime.alive import PIDS, process_start

    noted = (line.split() for line in (runtime / PIDS).read_text().splitlines())
    return [int(pid) for pid, start in noted if process_start(int(pid)) == start]


def pid_of_actor(runtime: Path, name: str) -> int:
    """The process of a run's actor of the class `name`: Ray writes that into the process's title.

    Raises
    ------
    EnvironmentRefused
        There is none.
    """
    for pid in pids_of_run(runtime):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::" + os.fsencode(name)):
            return pid
    raise EnvironmentRefused(f"no process of the run is called {name}")
