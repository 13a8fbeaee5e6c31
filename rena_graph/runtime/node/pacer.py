"""When a node's next loop may begin: pure arithmetic on times that the caller reads.

Two ways to pace. On the clock: absolute deadlines ``origin + phase + k / f``, on one grid for all nodes of a run; a
missed one is skipped and counted, never replayed.
On data: a loop begins when data is there, but not before the pacer allows it, so that `f` is a maximum.
"""

from __future__ import annotations

import math

__all__ = ["ClockPacer", "DataPacer"]


class ClockPacer:
    """A grid of deadlines. Each of them has at most one loop, whatever is changed meanwhile.

    Parameters
    ----------
    frequency : float
        Hz.
    start : float
        Not before this time, in seconds, is the first deadline; one that has just passed by then is met late.
    origin : float | None
        Time of the grid's beginning, which all nodes of a run share; `start` where left out.
    phase : float
        Seconds by which this node's deadlines come after the grid's.
    """

    def __init__(self, frequency: float, start: float, origin: float | None = None, phase: float = 0.0) -> None:
        self.frequency = frequency
        self.phase = phase
        self._origin = start if origin is None else origin
        self._base = self._origin + phase
        self._tick = 0
        self.deadline = self._base
        """Time of the next deadline. Counted from the origin each time, so that nothing adds up."""
        if start > self._base:
            self.join(start)

    def begin(self, now: float) -> int:
        """A loop begins at `now`, at or after the deadline; returns how many ticks were missed before it."""
        reached = math.floor((now - self._base) * self.frequency + 1e-9)
        skipped = max(0, reached - self._tick)
        self._tick = tick = max(reached, self._tick) + 1
        self.deadline = self._base + tick / self.frequency
        return skipped

    def set_frequency(self, frequency: float, now: float, phase: float | None = None) -> None:
        """From now on at another rate, on the same grid: its next deadline that is not too near the last one met.

        That is one at least half a new period after the last, so that the change makes no burst.
        """
        last = self._base + (self._tick - 1) / self.frequency if self._tick else -math.inf
        self.frequency = frequency
        if phase is not None:
            self.phase = phase
        self._base = self._origin + self.phase
        earliest = max(now, last + 0.5 / frequency)
        self._tick = max(0, math.ceil((earliest - self._base) * frequency - 1e-9))
        self.deadline = self._base + self._tick / frequency

    def shift(self, phase: float, now: float) -> None:
        """Move the grid to another phase, the short way round: at most half a period earlier or later.

        The next loop is still the next tick: none is skipped, and none comes sooner than half a period after the last.
        """
        period = 1.0 / self.frequency
        before = now - (self._base + self._tick * period)
        self._base += math.remainder(phase - self.phase, period)
        self.phase = phase
        after = now - (self._base + self._tick * period)
        if before < period <= after:  # a tick that is late already would seem to be a whole one late
            self._base += period
        self.deadline = self._base + self._tick / self.frequency

    def join(self, now: float) -> None:
        """Begin, or go on after a pause, at `now`: the tick that passed last is met at once, if no loop met it."""
        self._tick = max(self._tick, math.floor((now - self._base) * self.frequency + 1e-9))
        self.deadline = max(now, self._base + self._tick / self.frequency)


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

    def set_frequency(self, frequency: float, now: float, phase: float | None = None) -> None:
        """From now on at another rate; a ceiling has no phase."""
        last = self.deadline - 1.0 / self.frequency
        self.frequency = frequency
        self.deadline = last + 1.0 / frequency if math.isfinite(last) else -math.inf

    def shift(self, phase: float, now: float) -> None:
        """Nothing: a ceiling has no phase."""

    def join(self, now: float) -> None:
        """Forget what was (after a pause)."""
        self.deadline = -math.inf
