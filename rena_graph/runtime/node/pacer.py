"""When a node's next loop may begin: pure arithmetic on times that the caller reads.

Two ways to pace. On the clock: absolute deadlines ``t0 + k / f``; a missed one is skipped and counted, never replayed.
On data: a loop begins when data is there, but not before the pacer allows it, so that `f` is a maximum.
"""

from __future__ import annotations

import math

__all__ = ["ClockPacer", "DataPacer"]


class ClockPacer:
    """A grid of deadlines.

    Parameters
    ----------
    frequency : float
        Hz.
    start : float
        Time of the first deadline, in seconds.
    """

    def __init__(self, frequency: float, start: float) -> None:
        self.frequency = frequency
        self._origin = start
        self._tick = 0
        self.deadline = start
        """Time of the next deadline. Counted from the origin each time, so that nothing adds up."""

    def begin(self, now: float) -> int:
        """A loop begins at `now`, at or after the deadline; returns how many ticks were missed before it."""
        reached = math.floor((now - self._origin) * self.frequency + 1e-9)
        skipped = max(0, reached - self._tick)
        self._tick = tick = max(reached, self._tick) + 1
        self.deadline = self._origin + tick / self.frequency
        return skipped

    def set_frequency(self, frequency: float, now: float) -> None:
        """From now on at another rate: the next deadline is one new period after the last one that was met."""
        last = self._origin + (self._tick - 1) / self.frequency
        self.frequency = frequency
        self._origin = max(last, now - 1.0 / frequency)
        self._tick = 1
        self.deadline = self._origin + 1.0 / frequency

    def restart(self, now: float) -> None:
        """Begin a new grid at `now` (after a pause)."""
        self._origin, self._tick = now, 0
        self.deadline = now


class DataPacer:
    """A ceiling on how often loops begin.

    A loop that began late by less than a period does not push the following ones back: they may come up to that
    much sooner after it, so that a node whose data arrives at exactly `frequency` does not fall behind for good.

    Parameters
    ----------
    frequency : float
        Hz at most; ``inf`` for no ceiling.
    """

    def __init__(self, frequency: float) -> None:
        self.frequency = frequency
        self.deadline = -math.inf
        """The earliest time at which the next loop may begin."""

    def begin(self, now: float) -> int:
        """A loop begins at `now`. Returns 0: there are no ticks to miss."""
        period = 1.0 / self.frequency
        self.deadline = (self.deadline if now - self.deadline < period else now) + period
        return 0

    def set_frequency(self, frequency: float, now: float) -> None:
        """From now on at another rate."""
        last = self.deadline - 1.0 / self.frequency
        self.frequency = frequency
        self.deadline = last + 1.0 / frequency if math.isfinite(last) else -math.inf

    def restart(self, now: float) -> None:
        """Forget what was (after a pause)."""
        self.deadline = -math.inf
