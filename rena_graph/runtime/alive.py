"""Who of a run's processes on this host is still there: a lock file that each of them holds a share of.

The kernel lets go of a lock when its process ends, however it ends, so "everybody is gone" needs no bookkeeping: it is
when the lock can be had alone. A list of process ids beside it names those that have to be ended by force.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["ALIVE_LOCK", "PIDS", "SESSION_LOCK", "hold_alive", "hold_session", "process_start"]

ALIVE_LOCK = "alive.lock"
SESSION_LOCK = "session.lock"
PIDS = "pids"


def process_start(pid: int) -> str | None:
    """The kernel's start time of a process, which tells it from a later one of the same id; None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return stat[stat.rindex(b")") + 2 :].split()[19].decode()


def hold_alive(folder: Path) -> int:
    """Take this process's share of the run's lock and note its id. Returns the descriptor; it is let go at the end."""
    fd = os.open(folder / ALIVE_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)
    line = f"{os.getpid()} {process_start(os.getpid())}\n".encode()
    pids = os.open(folder / PIDS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(pids, line)  # one small append: whole or not at all
    finally:
        os.close(pids)
    return fd


def hold_session(folder: Path) -> int:
    """The session process's own lock: the reaper wakes when it goes."""
    fd = os.open(folder / SESSION_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd
