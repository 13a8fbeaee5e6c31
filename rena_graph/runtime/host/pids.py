"""Sees processes end, at the moment at which they do: one thread that sleeps on their descriptors."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from rena_graph.runtime.alive import process_start

__all__ = ["PidWatch"]

LOOK_EVERY = 0.1
"""Seconds between two looks where the system has no descriptors of processes (Linux before 5.3, not Linux)."""
_REAPED_WITHIN = 0.05
"""Seconds for the process's parent to take in how it ended; only then does the kernel tell others."""

_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 1 << 3
_INFO_BYTES, _EXIT_CODE_AT = 64, 60


@dataclass(frozen=True)
class _Watched:
    node: str
    epoch: int
    pid: int
    start: str | None
    fd: int | None


class PidWatch:
    """Tells once of each process that ended.

    Parameters
    ----------
    gone : callable
        Told of node, epoch, and how its process ended, in words; on the watch's thread.
    """

    def __init__(self, gone: Callable[[str, int, str], None]) -> None:
        self._gone = gone
        self._lock = threading.Lock()
        self._fewer = threading.Condition(self._lock)
        self._alive = 0
        self._watched: dict[tuple[str, int], _Watched] = {}
        self._new: list[_Watched] = []
        self._wake_out, self._wake_in = os.pipe()
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="rena-pids", daemon=True)
        self._thread.start()

    def add(self, node: str, epoch: int, pid: int) -> None:
        """Watch the process of this life of a node, from any thread; again and again does no harm."""
        with self._lock:
            if (node, epoch) in self._watched or self._closing:
                return
            watched = _Watched(node, epoch, pid, process_start(pid), _open(pid))
            self._watched[node, epoch] = watched
            self._alive += 1
            self._new.append(watched)
            os.write(self._wake_in, b"x")

    def _watch(self) -> None:
        poller = select.poll()
        poller.register(self._wake_out, select.POLLIN)
        by_fd: dict[int, _Watched] = {}
        polled: list[_Watched] = []
        while True:
            ready = poller.poll(1000 * LOOK_EVERY if polled else None)
            if self._closing:
                break
            with self._lock:
                new, self._new = self._new, []
            for watched in new:
                if watched.fd is None:
                    polled.append(watched)
                else:
                    by_fd[watched.fd] = watched
                    poller.register(watched.fd, select.POLLIN)
            for fd, _ in ready:
                if fd == self._wake_out:
                    os.read(fd, 4096)
                elif fd in by_fd:
                    poller.unregister(fd)
                    self._tell(by_fd.pop(fd))
            for watched in [w for w in polled if w.start is None or process_start(w.pid) != w.start]:
                polled.remove(watched)
                self._tell(watched)
        for fd in by_fd:
            os.close(fd)

    def _tell(self, watched: _Watched) -> None:
        how = "its process died"
        if watched.fd is not None:
            how = _ending(watched.fd) or how
            os.close(watched.fd)
        with self._lock:
            self._alive -= 1
            self._fewer.notify_all()
        self._gone(watched.node, watched.epoch, how)

    def wait(self, timeout: float) -> bool:
        """Whether all of them were gone within so many seconds."""
        with self._lock:
            return self._fewer.wait_for(lambda: self._alive == 0, timeout)

    def close(self) -> None:
        """Watch no more."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            os.write(self._wake_in, b"x")
        self._thread.join(2.0)
        os.close(self._wake_in)
        os.close(self._wake_out)


def _open(pid: int) -> int | None:
    """A descriptor of the process; None where there is none to be had, or the process is gone."""
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            return os.pidfd_open(pid)
    return None


def _ending(fd: int) -> str | None:
    """How the process ended, in words; None where the kernel does not say (before 6.15)."""
    info = bytearray(_INFO_BYTES)
    pause = threading.Event()
    for _ in range(10):
        info[:8] = struct.pack("Q", _PIDFD_INFO_EXIT)
        try:
            fcntl.ioctl(fd, _PIDFD_GET_INFO, info)
        except OSError as error:
            if error.errno != errno.ESRCH:
                return None
        else:
            if struct.unpack_from("Q", info)[0] & _PIDFD_INFO_EXIT:
                return _in_words(struct.unpack_from("i", info, _EXIT_CODE_AT)[0])
        pause.wait(_REAPED_WITHIN / 10)
    return None


def _in_words(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"its process died of {name}"
    return f"its process ended with exit code {os.WEXITSTATUS(status)}"
