"""Graph time: the one module that reads a clock; everything else is handed a :class:`Clock`."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What paces and stamps."""

    def now(self) -> float:
        """Seconds of graph time: the LSL clock (``local_clock``) of the coordinator's host."""
        ...

    def now_ns(self) -> int:
        """Nanoseconds of this host's monotonic clock, for durations."""
        ...

    def unix(self) -> float:
        """Seconds since 1970, for people and log files only."""
        ...


class SystemClock:
    """The machine's clocks.

    liblsl's ``local_clock`` is ``std::chrono::steady_clock`` in seconds, which on Linux is CLOCK_MONOTONIC, the clock
    of :func:`time.monotonic`: the two agree to the nanosecond and no library is needed to read it.
    """

    # The functions themselves: a node reads them several times a loop.
    now = staticmethod(time.monotonic)
    now_ns = staticmethod(time.monotonic_ns)
    unix = staticmethod(time.time)
