"""One place to wait for the doorbells of several rings, a doorbell of one's own, and a deadline: ``futex_waitv``."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence

from rena_graph.transport import futex
from rena_graph.transport.ring_reader import RingReader

__all__ = ["RingDoorbell", "RingWaiter"]

LONGEST = 1.0
"""Seconds after which any wait ends: Python serves a signal that came just before the sleep only after it."""
POLL = 0.001
"""Seconds between two looks at the rings that are too many for one system call."""


class RingDoorbell:
    """Wakes a :class:`RingWaiter`, from any thread and from signal handlers: it takes no lock."""

    def __init__(self) -> None:
        self._cell = ctypes.c_uint32(0)
        self.address = ctypes.addressof(self._cell)
        self.value = memoryview(self._cell).cast("B").cast("I")
        """One cell, which changes with each ring."""
        self._wake = futex.waker(self.address, private=True)

    def ring(self) -> None:
        """Wake it, now or at its next wait."""
        # Two threads may store the same value; either had set what it rings for before the other's store.
        self.value[0] = self.value[0] + 1 & 0xFFFFFFFF
        self._wake()


class RingWaiter:
    """Sleeps until one of its rings has something new.

    New is what was published since the last wait that waited for data returned. The kernel compares each doorbell
    with the value it had *then*, so whatever came between that return and this sleep ends the sleep at once, and
    what the caller left lying does not. The first wait for data returns at once.

    Parameters
    ----------
    readers : sequence of RingReader
        May be empty.
    clock : callable
        Seconds, in which deadlines are given; graph time on a host whose own clock shows another.
    """

    def __init__(self, readers: Sequence[RingReader], clock: Callable[[], float] = time.monotonic) -> None:
        self.doorbell = RingDoorbell()
        self._clock = clock
        self._foreign = clock is not time.monotonic
        watched = readers[: futex.MAX_WORDS - 1]
        self._longest = LONGEST if len(watched) == len(readers) else POLL
        self._bells = [(3 * i, reader.bell) for i, reader in enumerate(watched, 1)]
        own = (self.doorbell.address, True)
        self._all = futex.WaitSet([own, *((reader.bell_address, False) for reader in watched)])
        self._own = futex.WaitSet([own])
        for place, bell in self._bells:
            # A value that lies behind, and not one ahead, which the next publish would make true.
            self._all.expected[place] = bell[0] - 1 & 0xFFFFFFFF

    def wait(self, deadline: float | None, on_data: bool) -> None:
        """Sleep until `deadline` (monotonic seconds; None: for ever), the doorbell, or, with `on_data`, new data.

        May return early: callers look again.
        """
        now = self._clock()
        latest = now + (self._longest if on_data else LONGEST)
        if deadline is None or deadline > latest:
            deadline = latest
        # A timer that is over when it is set costs the kernel ten times what any other wait does.
        if deadline > now:
            if self._foreign:
                deadline += time.monotonic() - now
            (self._all if on_data else self._own).sleep(deadline)
        expected = self._all.expected
        self._own.expected[0] = expected[0] = self.doorbell.value[0]
        if on_data:
            for place, bell in self._bells:
                expected[place] = bell[0]

    def close(self) -> None:
        """Let go; the doorbell may still be rung, in vain."""
        self._bells = []
        self._all = self._own
