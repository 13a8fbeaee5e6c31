"""Waiting for a moment of the graph's clock, in a thread that must stop when asked."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["CHUNK_SECONDS", "sleep_until"]

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
