"""On the hosts that a run was not launched on: ends and removes what is left there of it, once nobody else can.

A program of its own: ``python -m rena_graph.runtime.host.guard FOLDER PREFIX RAYLET START LOG``. It is the child of no
process that Ray knows of, so it outlives Ray; there is one a run and host. What it decides is :class:`Watch`, pure.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rena_graph.runtime.alive import process_start
from rena_graph.runtime.host.mark import read_mark
from rena_graph.runtime.messages import log_to
from rena_graph.runtime.session.reaper import end_all, remove_traces, run_processes, stat_fields

__all__ = ["GUARD_LOCK", "Watch", "end_guard", "start_guard"]

log = logging.getLogger(__name__)

GUARD_LOCK = "guard.lock"
LOOK_SECONDS = 0.5
ENDED_WITHIN = 2.0
WITHOUT_AGENT = 15.0
"""Seconds without a living agent, who alone holds nodes whose lease is over: more than another one needs to come, and
less, with the time that killing takes, than the coordinator waits until it takes the host for lost."""
WITHOUT_RAY = 4.0
"""The same without the raylet, without which no other agent comes; its workers end by themselves a second after it."""
_NOBODY = -1
"""No session's process id: here, all of a run have noted themselves."""


@dataclass
class Watch:
    """Counts looks, not time: of a host that was stopped as a whole, nobody had the time to give a sign of life.

    Attributes
    ----------
    mark : float
        The agent's newest one.
    """

    mark: float = float("nan")
    _agent_missed: int = 0
    _ray_missed: int = 0

    def look(self, mark: float, ray_lives: bool) -> str | None:
        """Why all is to be ended now; None where it is not. One look every :data:`LOOK_SECONDS`."""
        self._agent_missed = self._agent_missed + 1 if mark == self.mark or mark != mark else 0
        self._ray_missed = 0 if ray_lives else self._ray_missed + 1
        self.mark = mark
        if self._ray_missed * LOOK_SECONDS >= WITHOUT_RAY:
            return "Ray is gone from this host"
        if self._agent_missed * LOOK_SECONDS >= WITHOUT_AGENT:
            return f"the host agent has given no sign of life for {WITHOUT_AGENT:g} s"
        return None


def start_guard(folder: Path, prefix: str, logs: Path) -> None:
    """Start the run's guard on this host, from a process that Ray's raylet has started; where there is one it stays.

    Parameters
    ----------
    folder : Path
        The run's folder of sockets.
    prefix : str
        Of its segments.
    logs : Path
        The run's folder of logs on this host.
    """
    raylet = os.getppid()
    words = [str(folder), prefix, str(raylet), process_start(raylet) or "", str(logs / "guard.log")]
    # It forks once more and returns, so that it is nobody's child.
    subprocess.run(
        [sys.executable, "-m", "rena_graph.runtime.host.guard", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )


def end_guard(folder: Path) -> None:
    """The run has gone from this host in good order: its guard may go, and has gone when this returns."""
    try:
        pid, start = (folder / GUARD_LOCK).read_text().split()
    except (FileNotFoundError, ValueError):
        return  # there is none, or it has ended already
    deadline = time.monotonic() + ENDED_WITHIN
    while _lives(int(pid), start) and time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
        time.sleep(0.01)


def _lives(pid: int, start: str) -> bool:
    """Whether this very process is there, and is no zombie."""
    fields = stat_fields(pid)
    return bool(fields) and fields[0] != "Z" and fields[19] == start


def _is_alone(folder: Path) -> bool:
    """Whether this is the host's only guard, from now until it ends."""
    fd = os.open(folder / GUARD_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()} {process_start(os.getpid())}".encode())
    return True


def main(folder: Path, prefix: str, raylet: int, start: str, logs: Path) -> None:
    """Look until the run has gone from this host, or has to be ended there."""
    if not _is_alone(folder):
        return
    log_to(logs)
    watch = Watch()
    while folder.is_dir():
        time.sleep(LOOK_SECONDS)
        why = watch.look(read_mark(folder), _lives(raylet, start))
        if why is not None and folder.is_dir():
            log.warning("%s: what is left of the run here is ended", why)
            while run_processes(str(folder), _NOBODY):
                end_all(str(folder), _NOBODY)
                time.sleep(0.05)
            break
    remove_traces(str(folder), prefix)


if __name__ == "__main__":
    if os.fork() == 0:
        os.setsid()
        main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], Path(sys.argv[5]))
