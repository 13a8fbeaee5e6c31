"""How a writer waits for the readers of policy ``block``, and for how long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from rena_graph.transport.board import EdgeColumn, Row, StreamColumn

__all__ = ["Brake", "Nap", "nap_by_polling", "wait_for_readers"]

Nap = Callable[[Row, int, float], None]
"""Sleeps until the edge of this row has left this position, or so many seconds have passed."""

_SLICE = 0.02
"""Seconds after which a waiting writer looks again whether its readers still run."""


class Brake:
    """Holds a writer back while a running reader of policy ``block`` still needs what it would overwrite.

    A reader that let its timeout pass is not waited for again before it has moved: a hung one costs its producer
    one timeout, not one for each chunk.

    Parameters
    ----------
    stream : Row
        The stream's row; ``BLOCKED_NS`` and ``BLOCK_TIMEOUTS`` are counted here.
    edges : sequence of Row
        Rows of all edges that read the stream on this host.
    nap : callable
        See :data:`Nap`.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, stream: Row, edges: Sequence[Row], nap: Nap, clock: Callable[[], float]) -> None:
        self._stream = stream.ints
        self._edges = list(edges)
        self._gave_up: list[int | None] = [None] * len(edges)
        self._nap = nap
        self._clock = clock
        self._patient = True
        self.limit: float = 0
        self.refresh()

    def refresh(self) -> None:
        """Look at the readers anew: :attr:`limit` becomes the sequence number up to which nobody holds the writer."""
        held = [row.ints[EdgeColumn.POSITION] for row in self._edges if self._blocks(row)]
        self.limit = min(held) if held and self._patient else math.inf

    def release(self) -> None:
        """Wait for nobody any more, from any thread: the run stops."""
        self._patient = False

    @staticmethod
    def _blocks(row: Row) -> bool:
        return bool(row.ints[EdgeColumn.ACTIVE] and row.ints[EdgeColumn.BLOCK_NS])

    def hold(self, floor: int) -> None:
        """Return once no reader that counts needs a sample below `floor`, or all such had their time."""
        started = self._clock()
        waited = 0.0
        while self._patient:
            behind = self._behind(floor, waited)
            if behind is None:
                break
            row, left = behind
            self._nap(row, row.ints[EdgeColumn.POSITION], min(left, _SLICE))
            waited = max(0.0, self._clock() - started)
        if waited:
            self._stream[StreamColumn.BLOCKED_NS] += int(waited * 1e9)
        self.refresh()

    def _behind(self, floor: int, waited: float) -> tuple[Row, float] | None:
        """The slowest reader to wait for, and for how many seconds more."""
        slowest: tuple[Row, float] | None = None
        for i, row in enumerate(self._edges):
            position = row.ints[EdgeColumn.POSITION]
            if position >= floor or not self._blocks(row) or self._gave_up[i] == position:
                continue
            self._gave_up[i] = None
            left = row.ints[EdgeColumn.BLOCK_NS] / 1e9 - waited
            if left <= 0:
                self._gave_up[i] = position
                self._stream[StreamColumn.BLOCK_TIMEOUTS] += 1
            elif slowest is None or position < slowest[0].ints[EdgeColumn.POSITION]:
                slowest = row, left
        return slowest


def wait_for_readers(
    edges: Sequence[Row], count: int, timeout: float, clock: Callable[[], float], pause: Callable[[float], None]
) -> bool:
    """Whether `count` of these edges had a running reader before `timeout` seconds were over.

    `pause` sleeps for the seconds it is given, or does meanwhile what lets readers get ready.
    """
    deadline = clock() + timeout
    while sum(row.ints[EdgeColumn.ACTIVE] for row in edges) < count:
        left = deadline - clock()
        if left <= 0:
            return False
        pause(min(left, _SLICE / 10))
    return True


def nap_by_polling(row: Row, position: int, seconds: float) -> None:
    """The :data:`Nap` of systems without futexes."""
    pause = 0.0001
    while seconds > 0 and row.ints[EdgeColumn.POSITION] == position:
        time.sleep(min(pause, seconds))
        seconds -= pause
        pause = min(2 * pause, 0.002)
