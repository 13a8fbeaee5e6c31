"""One place to wait for several ZMQ readers, a doorbell and a deadline: a lock that whoever has news releases."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from rena_graph.transport.zmq_reader import ZmqReader

__all__ = ["ZmqDoorbell", "ZmqWaiter"]

_LONGEST = 1.0
"""Seconds after which any wait ends; as :class:`~rena_graph.transport.waiter.RingWaiter` does."""


class ZmqDoorbell:
    """Wakes a :class:`ZmqWaiter`, from any thread and from signal handlers: it never waits for a lock."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.rung = False

    def ring(self) -> None:
        """Wake it, now or at its next wait."""
        self.rung = True
        self._wake()


class ZmqWaiter:
    """Sleeps until one of its readers has something new, as :class:`~rena_graph.transport.waiter.RingWaiter` does.

    Parameters
    ----------
    readers : sequence of ZmqReader
        May be empty.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, readers: Sequence[ZmqReader], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._news = bool(readers)
        self._wants_data = False
        # Held while there is nothing to wake for. A Condition would deadlock when a signal handler rings.
        self._gate = threading.Lock()
        self._gate.acquire()
        self.doorbell = ZmqDoorbell(self._open)
        self._readers = list(readers)
        for reader in self._readers:
            reader.listen(self._arrived)

    def _open(self) -> None:
        # Already open is as good.
        with contextlib.suppress(RuntimeError):
            self._gate.release()

    def _arrived(self) -> None:
        self._news = True
        # Stored before this is read, and `wait` stores and reads the other way round: one of the two sees the other.
        if self._wants_data:
            self._open()

    def wait(self, deadline: float | None, on_data: bool) -> None:
        """Sleep until `deadline` (monotonic seconds; None: for ever), the doorbell, or, with `on_data`, new data.

        May return early: callers look again.
        """
        self._wants_data = on_data
        if not (self.doorbell.rung or (on_data and self._news)):
            now = self._clock()
            left = _LONGEST if deadline is None else min(deadline - now, _LONGEST)
            self._gate.acquire(timeout=max(0.0, left))
        else:
            self._gate.acquire(blocking=False)
        self.doorbell.rung = False
        if on_data:
            self._news = False

    def close(self) -> None:
        """Let go; the doorbell may still be rung, in vain."""
        for reader in self._readers:
            reader.unlisten(self._arrived)
        self._readers = []
