"""Timestamps of samples that a script sends without any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["DefaultStamps"]

TOLERANCE = 0.05
"""Seconds that a regular stream's stamps may lag behind the clock before they are anchored anew."""
TICK = 1e-6
"""Seconds between the samples of one chunk of an irregular stream: well above a double's resolution of any uptime."""


class DefaultStamps:
    """Makes timestamps that only grow. Pure: the time is given at each call.

    With a rate, each stamp is the previous one plus ``1 / rate``; when the chunk's newest sample would then be stamped
    more than 50 ms before now, it is stamped now and the others before it, and that is counted. Never backwards: a
    stream that gives more samples than its rate promises runs ahead of the clock. Without a rate, the newest sample of
    a chunk is stamped now, and those before it a microsecond apart.

    Parameters
    ----------
    rate : float
        Hz; 0 is irregular.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate if rate > 0 else 0.0
        self._anchor: float | None = None
        self._since = 0
        self._count = 0
        self._ready: NDArray[np.float64] | None = None
        self._reanchored = 0
        self.told: Callable[[], None] | None = None
        """Called whenever the stamps had to be moved forward to the clock."""

    @property
    def reanchored(self) -> int:
        """How often the stamps had to be moved forward to the clock."""
        return self._reanchored

    @reanchored.setter
    def reanchored(self, count: int) -> None:
        self._reanchored = count
        if self.told is not None:
            self.told()

    @property
    def previous(self) -> float | None:
        """The last stamp given or noted."""
        return None if self._anchor is None else self._anchor + self._since * (self._period or TICK)

    def stamp(self, count: int, now: float) -> NDArray[np.float64]:
        """Stamps for the next `count` samples, of which the newest was made at `now` (seconds).

        Counted from the anchor and not from the last stamp, so that no rounding error adds up.
        """
        step = self._period or TICK
        ready, self._ready = self._ready, None
        if self._anchor is None:
            self._anchor, self._since = now - count * step, 0
        elif self._period:
            if now - (self._anchor + (self._since + count) * step) > TOLERANCE:
                self._anchor, self._since = now - count * step, 0
                self.reanchored += 1
                ready = None
        else:
            self._anchor, self._since = max(now - count * step, self._anchor + self._since * step), 0
        if ready is None or count != self._count:
            ready = self._made(count, self._anchor)
            self._count = count
        self._since += count
        return ready

    def prepare(self) -> None:
        """Make now what the next :meth:`stamp` gives if its chunk is as long as the last one and comes in time.

        For moments in which nobody waits: the arithmetic is the dearest part of a small chunk's way out.
        """
        if self._ready is None and self._count and self._period and self._anchor is not None:
            self._ready = self._made(self._count, self._anchor)

    def note(self, last: float) -> None:
        """The script stamped its samples itself, the newest with `last`: continue from there."""
        self._anchor, self._since = last, 0
        self._ready = None

    def _made(self, count: int, anchor: float) -> NDArray[np.float64]:
        first = self._since + 1
        return np.arange(first, first + count, dtype=np.float64) * (self._period or TICK) + anchor
