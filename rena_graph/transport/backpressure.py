"""How a writer waits for the readers of policy ``block``, and for how long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from rena_graph.transport.board import EdgeColumn, Row, StreamColumn

__all__ = ["AWAY_SECONDS", "Brake", "Nap", "leave", "nap_by_polling", "wait_for_readers"]

Nap = Callable[[Row, int, float], None]
"""Sleeps until the edge of this row has left this position, or so many seconds have passed."""

AWAY_SECONDS = 10.0
"""Seconds for which a writer waits for a reader that is to come back; as long as a ring keeps what a device sends."""
_SLICE = 0.02
"""Seconds after which a waiting writer looks again whether its readers still run."""


def leave(row: Row, *, returns: bool, clock: Callable[[], float] = time.monotonic) -> None:
    """A reader's process is gone, or about to go; `returns` where another one will read on where it stopped."""
    ints = row.ints
    # In this order: at no time does it look as if it had gone for good.
    ints[EdgeColumn.AWAY_NS] = int(clock() * 1e9) if returns and ints[EdgeColumn.BLOCK_NS] else 0
    ints[EdgeColumn.ACTIVE] = 0


class Brake:
    """Holds a writer back while a reader of policy ``block`` still needs what it would overwrite.

    A running reader has its ``block_timeout``. One that is away (its process died, and another one will take its place)
    has :data:`AWAY_SECONDS`, if these are more, until it has taken its first sample again: however fast the writer is,
    a restart that fits into them loses nothing.

    A reader that let its time pass is not waited for again before it has moved: a hung one costs its producer
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
        self._gave_up: list[tuple[int, int] | None] = [None] * len(edges)
        self._back_at = [-math.inf] * len(edges)
        self._nap = nap
        self._clock = clock
        self._patient = self._hopes = True
        self.limit: float = 0
        self.refresh()

    def refresh(self) -> None:
        """Look at the readers anew: :attr:`limit` becomes the sequence number up to which nobody holds the writer."""
        held = [row.ints[EdgeColumn.POSITION] for row in self._edges if self._counts(row.ints)]
        self.limit = min(held) if held and self._patient else math.inf

    def release(self) -> None:
        """Wait for nobody any more, from any thread: the run stops."""
        self._patient = False

    def give_up_hope(self) -> None:
        """Wait for nobody any more who is away, from any thread: nobody comes back."""
        self._hopes = False

    def _counts(self, ints: memoryview) -> bool:
        there = ints[EdgeColumn.ACTIVE] or (self._hopes and ints[EdgeColumn.AWAY_NS])
        return bool(there and ints[EdgeColumn.BLOCK_NS])

    def hold(self, floor: int) -> None:
        """Return once no reader that counts needs a sample below `floor`, or all such had their time."""
        started = now = self._clock()
        while self._patient:
            behind = self._behind(floor, started, now)
            if behind is None:
                break
            row, left = behind
            self._nap(row, row.ints[EdgeColumn.POSITION], min(left, _SLICE))
            now = max(now, self._clock())
        if now > started:
            self._stream[StreamColumn.BLOCKED_NS] += int((now - started) * 1e9)
        self.refresh()

    def _behind(self, floor: int, started: float, now: float) -> tuple[Row, float] | None:
        """The slowest reader to wait for, and for how many seconds more."""
        slowest: tuple[Row, float] | None = None
        for i, row in enumerate(self._edges):
            ints = row.ints
            position, away = ints[EdgeColumn.POSITION], ints[EdgeColumn.AWAY_NS]
            if position >= floor or not self._counts(ints) or self._gave_up[i] == (position, away):
                continue
            self._gave_up[i] = None
            patience = ints[EdgeColumn.BLOCK_NS] / 1e9
            if away and self._hopes:
                self._back_at[i] = now
                left = away / 1e9 + max(patience, AWAY_SECONDS) - now
            else:
                left = max(started, self._back_at[i]) + patience - now
            if left <= 0:
                self._gave_up[i] = position, away
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
