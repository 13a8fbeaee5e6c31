"""How busy a host is, and how long its nodes waited for a processor: what the kernel counts, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["HostLoad", "cores", "processor_times", "told_by_kernel"]


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def told_by_kernel(path: str) -> bytes:
    """The first page of a file in ``/proc``, at a third of what a path object takes for it; there are many a second.

    Raises
    ------
    OSError
        There is no such file, or the process has ended meanwhile.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def processor_times(pid: int, proc: Path = Path("/proc")) -> tuple[float, float] | None:
    """Seconds that a process's main thread had a processor, and that it waited for one while it could have run.

    None where the kernel does not tell, or there is no such process any more.
    """
    try:
        had, waited, *_ = told_by_kernel(f"{proc}/{pid}/schedstat").split()
    except (OSError, ValueError):
        return None
    return int(had) / 1e9, int(waited) / 1e9


LEAST_TICKS = 20
"""Of all processors together, between two looks."""


class HostLoad:
    """The share of all processors' time that is in use.

    Parameters
    ----------
    proc : Path
        Where the kernel tells.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._stat = proc / "stat"
        self._before = self._times()
        self._known: float | None = None

    def _times(self) -> tuple[int, int]:
        """Ticks of all processors together, and those of them that were idle."""
        try:
            with self._stat.open() as file:
                fields = [int(field) for field in file.readline().split()[1:9]]
        except (OSError, ValueError):
            return 0, 0
        return sum(fields), fields[3] + fields[4]

    def read(self) -> float | None:
        """From 0 to 1; None where the kernel does not tell, or too little time has passed."""
        total, idle = self._times()
        passed, rested = total - self._before[0], idle - self._before[1]
        if passed >= LEAST_TICKS:  # it counts in hundredths of a second
            self._before = total, idle
            self._known = min(1.0, max(0.0, 1.0 - rested / passed))
        return self._known
