"""Waiting for a moment of the graph's clock, in a thread that must stop when asked."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rena_graph.transport.board import Row, StreamColumn

__all__ = ["CHUNK_SECONDS", "begun_at", "sleep_until"]

CHUNK_SECONDS = 0.01
"""Made-up and recorded streams come in chunks of at most this much wall-clock time: a wait for each sample would cost
a core at high rates, and longer chunks would be felt downstream."""

_LONGEST = 60.0
"""Seconds; Python refuses waits of more than some centuries, and a clock may be set."""


def sleep_until(deadline: float, clock: Callable[[], float], stop: threading.Event) -> bool:
    """Sleep until `clock` shows `deadline`. False where `stop` was set first."""
    while not stop.is_set():
        left = deadline - clock()
        if left <= 0:
            return True
        stop.wait(min(left, _LONGEST))
    return False


def begun_at(row: Row, now: float) -> float:
    """Graph time at which a stream that is made up or played began: now, or when a bridge before this one began it."""
    if not row.floats[StreamColumn.SOURCE_START]:
        row.floats[StreamColumn.SOURCE_START] = now
    return row.floats[StreamColumn.SOURCE_START]
