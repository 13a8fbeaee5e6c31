"""Makes the timestamps of the outside fit for the graph: finite, plausible, never backwards; and counts holes in them.

No samples are invented and none are thrown away: only stamps change, and everything is counted.
"""

from __future__ import annotations

from operator import ge

import numpy as np
from numpy.typing import NDArray

from rena_graph.transport.board import Row, StreamColumn

__all__ = ["GapFinder", "Timeline"]

Stamps = NDArray[np.float64]

OLDEST = 3600.0
"""Seconds before now: what is stamped earlier was stamped by another clock."""

NEWEST = 10.0
"""Seconds after now; beyond a clock's error and what a script may stamp ahead on purpose."""

BACK = 1.0
"""Seconds behind the newest stamp: up to here a stamp is jitter, and raised; beyond, it is not to be believed."""

_CREDIT_LIMIT = 0.1
"""Seconds of earlier earliness that can excuse a late sample."""

_FEW = 128
"""Samples that are looked at one by one: that takes less than a dozen calls into numpy, each of which costs
microseconds where other work had the processor meanwhile."""

_LEAK = 1e-3
"""Periods of credit that fade with each sample, so that a clock that runs slightly fast earns none."""


class GapFinder:
    """Finds holes in the timestamps of a regular stream by its nominal rate, without mistaking jitter for loss.

    Jitter moves samples both ways, loss only makes them late: time by which samples came early is kept as a credit, and
    a late sample is a gap only by what exceeds it. So chunks that are all stamped with one time give no gaps, and a
    single lost sample of an evenly stamped stream does.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz, greater than 0.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate
        self._previous: float | None = None
        self._credit = 0.0

    def feed(self, timestamps: Stamps) -> tuple[int, int]:
        """Look at the next timestamps, ascending. Returns how many gaps, and how many samples fell into them."""
        if not len(timestamps):
            return 0, 0
        if self._previous is None:
            self._previous = float(timestamps[0]) - self._period
        if len(timestamps) <= _FEW:
            return self._feed_few(timestamps.tolist(), self._previous)
        return self._feed_many(timestamps, self._previous)

    def _feed_many(self, timestamps: Stamps, previous: float) -> tuple[int, int]:
        """See :meth:`feed`."""
        lateness = np.diff(timestamps, prepend=previous) - self._period
        # credit[i] = max(0, credit[i-1] - lateness[i] - leak), written without a loop.
        walk = np.cumsum(lateness + _LEAK * self._period)
        peaks = np.maximum.accumulate(np.maximum(walk, self._credit))
        credit = np.concatenate(([self._credit], peaks - walk))
        excess = lateness - np.minimum(credit[:-1], _CREDIT_LIMIT)
        gaps = excess[excess > 0.5 * self._period]
        self._previous = float(timestamps[-1])
        self._credit = min(float(credit[-1]), _CREDIT_LIMIT)
        return len(gaps), int(np.rint(gaps / self._period).clip(min=1).sum())

    def _feed_few(self, timestamps: list[float], previous: float) -> tuple[int, int]:
        """The same, sample by sample: for a few that is a tenth of the time."""
        gaps = lost = 0
        period, credit = self._period, self._credit
        half, leak = 0.5 * period, _LEAK * period
        for stamp in timestamps:
            lateness = stamp - previous - period
            previous = stamp
            # Credit is never below 0, so what is not late by half a period by itself is no gap.
            if lateness > half:
                excess = lateness - min(credit, _CREDIT_LIMIT)
                if excess > half:
                    gaps, lost = gaps + 1, lost + max(1, round(excess / period))
            credit -= lateness + leak
            if credit < 0.0:
                credit = 0.0
        self._previous, self._credit = previous, min(credit, _CREDIT_LIMIT)
        return gaps, lost

    def forget(self, previous: float) -> None:
        """Go on from the stamp `previous` without judging what lies before it."""
        self._previous, self._credit = previous, 0.0


class Timeline:
    """One stream's timestamps, cleaned chunk by chunk.

    A stamp that is not finite, negative, further from now than any delay explains, or more than a second behind the
    newest one is replaced by the time of arrival, as if the chunk's last sample had been taken now. One that is less
    behind is raised to the newest. Both count as ``SOURCE_BACKWARDS``.

    Parameters
    ----------
    rate : float
        Nominal rate in Hz; 0: irregular, and no gaps are looked for.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate if rate > 0 else 0.0
        self._gaps = GapFinder(rate) if rate > 0 else None
        self._last = float("-inf")

    @classmethod
    def of(cls, rate: float, row: Row) -> Timeline:
        """A stream's timeline that goes on behind what is published of it: what is missing since then is a gap."""
        timeline = cls(rate)
        last = row.floats[StreamColumn.LAST_TIMESTAMP]
        if row.ints[StreamColumn.PRODUCED] and last > 0:
            timeline._last = last
            if timeline._gaps is not None:
                timeline._gaps.forget(last)
        return timeline

    def clean(self, timestamps: Stamps, now: float, row: Row) -> Stamps:
        """Timestamps ``(samples,)`` in graph time, non-decreasing over all calls.

        Parameters
        ----------
        timestamps : ndarray of float64
            As they came, in graph time where they are sound.
        now : float
            Graph time.
        row : Row
            The stream's row: gaps, samples lost and stamps replaced are counted there.
        """
        if not len(timestamps):
            return timestamps
        low = max(0.0, now - OLDEST)
        if self._is_clean(timestamps, max(low, self._last), now + NEWEST):
            self._last = float(timestamps[-1])
            self._count_gaps(timestamps, True, row)
            return timestamps
        flaws, stamps = 0, timestamps
        # NaN fails every comparison, so that only what is surely sound passes.
        sound = (stamps >= max(low, self._last - BACK)) & (stamps <= now + NEWEST)
        if not sound.all():
            arrival = now - self._period * np.arange(len(stamps) - 1, -1, -1)
            stamps = np.where(sound, stamps, arrival)
            flaws = len(stamps) - int(sound.sum())
        ascending = np.maximum.accumulate(np.maximum(stamps, self._last))
        flaws += int(((ascending > stamps) & sound).sum())
        if flaws:
            row.add(StreamColumn.SOURCE_BACKWARDS, flaws)
        self._last = float(ascending[-1])
        self._count_gaps(ascending, bool(sound.all()), row)
        return ascending

    @staticmethod
    def _is_clean(timestamps: Stamps, low: float, high: float) -> bool:
        """Whether there is nothing to change, as nearly always. NaN makes each of these comparisons false."""
        if not (timestamps[0] >= low and timestamps[-1] <= high):
            return False
        if len(timestamps) > _FEW:
            return bool((timestamps[1:] >= timestamps[:-1]).all())
        values = timestamps.tolist()
        return all(map(ge, values[1:], values))

    def _count_gaps(self, timestamps: Stamps, sound: bool, row: Row) -> None:
        if self._gaps is None:
            return
        if not sound:
            self._gaps.forget(self._last)
            return
        gaps, lost = self._gaps.feed(timestamps)
        if gaps:
            row.add(StreamColumn.SOURCE_GAPS, gaps)
            row.add(StreamColumn.SOURCE_LOST, lost)
