"""How other clocks of this host stand to graph time. The one module of the bridges that reads the wall clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["WallClock", "offset_between"]

logger = logging.getLogger(__name__)

_TRIES = 5
_REFRESH = 1.0
"""Seconds between two looks at the wall clock."""

_JUMP = 0.01
"""Seconds by which the wall clock may be corrected between two looks before it is worth a line in the log."""


def offset_between(clock: Callable[[], float], other: Callable[[], float]) -> float:
    """Seconds to add to a reading of `other` to get one of `clock`; exactly 0 where they cannot be told apart.

    Of several tries the one that took least time counts: the others were interrupted.
    """
    best_width, best = float("inf"), 0.0
    for _ in range(_TRIES):
        before = other()
        reading = clock()
        after = other()
        if before <= reading <= after:
            return 0.0
        if after - before < best_width:
            best_width, best = after - before, reading - (before + after) / 2
    return best


class WallClock:
    """Turns Unix timestamps into graph time, also after somebody has set this host's clock.

    Parameters
    ----------
    clock : callable
        Graph time in seconds.
    wall : callable
        Unix time in seconds.
    told : callable
        Told by how many seconds the wall clock was set, once that was seen; logs it where left out.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        told: Callable[[float], None] | None = None,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._told = told or _log
        # Not before it is asked for: a host may learn only after its bridges were made what time it is.
        self._offset: float | None = None
        self._measured = float("-inf")

    def offset(self) -> float:
        """Seconds to add to Unix time to get graph time; measured anew once a second."""
        now = self._clock()
        if self._offset is None or now - self._measured >= _REFRESH:
            offset = offset_between(self._clock, self._wall)
            if self._offset is not None and abs(offset - self._offset) > _JUMP:
                self._told(self._offset - offset)
            self._offset, self._measured = offset, now
        return self._offset


def _log(seconds: float) -> None:
    logger.warning("this host's wall clock was set by %+.3f s", seconds)
