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

    @property
    def deadline(self) -> float:
        """Time of the next deadline. Counted from the origin each time, so that nothing adds up."""
        return self._origin + self._tick / self.frequency

    def begin(self, now: float) -> int:
        """A loop begins at `now`, at or after the deadline; returns how many ticks were missed before it."""
        reached = math.floor((now - self._origin) * self.frequency + 1e-9)
        skipped = max(0, reached - self._tick)
        self._tick = max(reached, self._tick) + 1
        return skipped

    def set_frequency(self, frequency: float, now: float) -> None:
        """From now on at another rate: the next deadline is one new period after the last one that was met."""
        last = self._origin + (self._tick - 1) / self.frequency
        self.frequency = frequency
        self._origin = max(last, now - 1.0 / frequency)
        self._tick = 1

    def restart(self, now: float) -> None:
        """Begin a new grid at `now` (after a pause)."""
        self._origin, self._tick = now, 0


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
        self._allowed = -math.inf

    @property
    def deadline(self) -> float:
        """The earliest time at which the next loop may begin."""
        return self._allowed

    def begin(self, now: float) -> int:
        """A loop begins at `now`. Returns 0: there are no ticks to miss."""
        period = 1.0 / self.frequency
        self._allowed = (self._allowed if now - self._allowed < period else now) + period
        return 0

    def set_frequency(self, frequency: float, now: float) -> None:
        """From now on at another rate."""
        last = self._allowed - 1.0 / self.frequency
        self.frequency = frequency
        self._allowed = last + 1.0 / frequency if math.isfinite(last) else -math.inf

    def restart(self, now: float) -> None:
        """Forget what was (after a pause)."""
        self._allowed = -math.inf
