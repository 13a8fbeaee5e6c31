"""Log lines about things that may happen a thousand times a second: each kind at most once a second, none forgotten."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["Sayer"]


class Sayer:
    """Lets through one line a key and interval; the next one says how many were held back.

    Parameters
    ----------
    logger : logging.Logger
        Where the lines go.
    interval : float
        Seconds between two lines of one key.
    monotonic : callable
        The clock, in seconds.
    """

    def __init__(
        self, logger: logging.Logger, interval: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._interval = interval
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def __call__(self, level: int, key: str, message: str, *args: object) -> bool:
        """Log `message`, unless a line of this `key` was logged within the interval. Whether it was."""
        now = self._monotonic()
        with self._lock:
            if now < self._next.get(key, float("-inf")):
                self._held[key] = self._held.get(key, 0) + 1
                return False
            self._next[key] = now + self._interval
            held = self._held.pop(key, 0)
        if held:
            message += f" ({held} more like this since the last such line)"
        self._logger.log(level, message, *args)
        return True

    def warning(self, key: str, message: str, *args: object) -> bool:
        """Log at level WARNING."""
        return self(logging.WARNING, key, message, *args)
