"""Removes what a run left on this host once everybody else of it is dead, however they died.

A program of its own, run as ``python -I -S reaper.py RUNTIME_FOLDER SEGMENT_PREFIX SESSION_PID``: it imports little,
belongs to no process group that a run could take down with it, and sleeps until the session's lock is free.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time

GRACE = 6.0
"""Seconds that the run's processes have to end by themselves after their session did."""


def wait_for_lock(path: str, how: int) -> None:
    """Block until the lock can be had."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, how)
    os.close(fd)


def everybody_gone(folder: str) -> bool:
    """Whether nobody holds a share of the run's lock."""
    fd = os.open(os.path.join(folder, "alive.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def stat_fields(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the third (state) on; none where the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            raw = file.read()
    except OSError:
        return []
    return raw[raw.rindex(b")") + 2 :].decode().split()


def run_processes(folder: str, session: int) -> list[int]:
    """Everybody of the session (a local Ray and all that it started), and everybody that noted itself."""
    pids = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(int(name))
            if fields and int(fields[3]) == session and fields[0] != "Z":
                pids.add(int(name))
    with contextlib.suppress(OSError), open(os.path.join(folder, "pids")) as file:
        for line in file:
            pid, start = line.split()
            fields = stat_fields(int(pid))
            # The start time tells the process from a later one that got the same id.
            if fields and fields[19] == start and fields[0] != "Z":
                pids.add(int(pid))
    pids.discard(os.getpid())
    return sorted(pids)


def end_all(folder: str, session: int) -> None:
    """End whoever is left."""
    for pid in run_processes(folder, session):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def remove_traces(folder: str, prefix: str) -> None:
    """Remove the run's segments and its folder of sockets."""
    shm = "/dev/shm"
    if os.path.isdir(shm):
        for name in os.listdir(shm):
            if name.startswith(prefix):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(shm, name))
    shutil.rmtree(folder, ignore_errors=True)


def main(folder: str, prefix: str, session: int) -> None:
    """Wait, then clean up."""
    wait_for_lock(os.path.join(folder, "session.lock"), fcntl.LOCK_EX)
    deadline = time.monotonic() + GRACE
    while os.path.isdir(folder) and not (everybody_gone(folder) and not run_processes(folder, session)):
        # Whoever asks for a kill leaves a note: then nobody gets time to end by itself.
        if time.monotonic() > deadline or os.path.exists(os.path.join(folder, "kill")):
            end_all(folder, session)
        time.sleep(0.05)
    remove_traces(folder, prefix)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
