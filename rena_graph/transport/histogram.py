"""A histogram of durations in shared counters: logarithmic buckets, four to the octave, from 1 µs up."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["BUCKETS", "Histogram", "bucket_of", "quantile"]

BUCKETS = 128
_PER_OCTAVE = 4
_FIRST_NS = 1000


def bucket_of(nanoseconds: int) -> int:
    """Index of the bucket for a duration; what is below 1 µs falls into the first, above 70 minutes into the last.

    The two bits after the leading one choose the bucket within the octave, so that no logarithm is taken.
    """
    scaled = nanoseconds * _PER_OCTAVE // _FIRST_NS
    if scaled < 2 * _PER_OCTAVE:
        return max(0, scaled - _PER_OCTAVE)
    shift = scaled.bit_length() - 3
    index = shift * _PER_OCTAVE + (scaled >> shift) - _PER_OCTAVE
    return index if index < BUCKETS else BUCKETS - 1


def upper_edge(bucket: int) -> float:
    """Seconds at which the bucket ends."""
    octave, quarter = divmod(bucket, _PER_OCTAVE)
    return (_FIRST_NS / _PER_OCTAVE) * (_PER_OCTAVE + quarter + 1) * 2.0**octave / 1e9


def quantile(counts: Sequence[int] | memoryview, q: float) -> float:
    """Seconds below which the share `q` of the durations lies, rounded up to a bucket's edge; NaN where empty."""
    # In C, not in a loop of ours: a status asks for a dozen of each node.
    reached = list(accumulate(counts))
    if not reached or not reached[-1]:
        return math.nan
    return upper_edge(bisect_left(reached, max(1, q * reached[-1])))


class Histogram:
    """Counts durations into `cells`, :data:`BUCKETS` unsigned integers of a board's row."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def add(self, nanoseconds: int) -> None:
        """Count one duration."""
        self._cells[bucket_of(nanoseconds)] += 1

    def quantile(self, q: float) -> float:
        """See :func:`quantile`."""
        return quantile(self._cells.tolist(), q)
