"""What a node counts of each loop, once its outputs are out: on the board, where anybody may read it."""

from __future__ import annotations

import math

from rena_graph import kernel
from rena_graph.transport import fast
from rena_graph.transport.board import NodeColumn, Row
from rena_graph.transport.histogram import bucket_of

__all__ = ["Tally", "open_tally"]

# Plain ints: an enum member's lookup costs more than the store it is for.
_AGE = int(NodeColumn.AGE)
_AHEAD = int(NodeColumn.AHEAD)
_FIRST_LOOP_NS = int(NodeColumn.FIRST_LOOP_NS)
_LAST_LOOP_NS = int(NodeColumn.LAST_LOOP_NS)
_LOOP_NS = int(NodeColumn.LOOP_NS)
_LOOP_NS_MAX = int(NodeColumn.LOOP_NS_MAX)
_LOOPS = int(NodeColumn.LOOPS)
_OVERRUNS = int(NodeColumn.OVERRUNS)


class Tally:
    """The counters of one node's loops.

    Parameters
    ----------
    row : Row
        The node's.
    """

    def __init__(self, row: Row) -> None:
        self._ints, self._floats = row.ints, row.floats
        self._loop_times, self._lateness, self._ages, self._outs, self._output_ages = map(row.histogram, range(5))

    def count(
        self,
        now: float,
        started: int,
        took: int,
        out: int,
        late: float,
        newest: float,
        made_of: float,
        longest: float,
    ) -> None:
        """Count one loop.

        Parameters
        ----------
        now : float
            Graph time at which it began, in seconds.
        started, took, out : int
            Nanoseconds: when the script was called, how long it took, and how long after `now` the outputs were out.
        late : float
            Seconds from the deadline to `now`; NaN where there is none.
        newest : float
            Timestamp of the newest sample that it was shown; ``-inf`` where there is none.
        made_of : float
            Timestamp of the oldest sample that its outputs were made from; NaN where nothing is known of that.
        longest : float
            Nanoseconds; a loop that took more has overrun.
        """
        ints = self._ints
        if late == late:
            nanoseconds = int(late * 1e9)
            self._lateness[bucket_of(nanoseconds)] += 1
            self._outs[bucket_of(nanoseconds + out)] += 1
        if newest != -math.inf:
            self._floats[_AGE] = age = now - newest
            self._count_age(age, self._ages)
        if not ints[_FIRST_LOOP_NS]:
            ints[_FIRST_LOOP_NS] = started
        ints[_LAST_LOOP_NS] = started
        ints[_LOOPS] += 1
        ints[_LOOP_NS] += took
        if took > ints[_LOOP_NS_MAX]:
            ints[_LOOP_NS_MAX] = took
        self._loop_times[bucket_of(took)] += 1
        if took > longest:
            ints[_OVERRUNS] += 1
        if made_of == made_of:
            self._count_age(now + out / 1e9 - made_of, self._output_ages)

    def _count_age(self, seconds: float, ages: memoryview) -> None:
        if seconds < 0:
            self._ints[_AHEAD] += 1
            seconds = 0.0
        ages[bucket_of(int(seconds * 1e9))] += 1


def open_tally(row: Row) -> Tally:
    """The kernel's where there is one."""
    if fast.usable and kernel.core is not None:
        made: Tally = kernel.core.Tally(row.ints)
        return made
    return Tally(row)
