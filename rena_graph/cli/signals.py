"""Ctrl-C and its kin while a run is attached: the first asks it to stop, the second kills it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

__all__ = ["SIGNALS", "Interrupts"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What counts: Ctrl-C, a polite kill, a terminal that was closed."""


class Interrupts:
    """Counts :data:`SIGNALS` instead of dying of them, while it is entered. Main thread only."""

    def __init__(self) -> None:
        self.count = 0
        """How many came."""
        self._raise = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            # What was ignored stays ignored: nohup asks for that.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Within this block each signal raises ``KeyboardInterrupt``, to end a call that blocks; the first is answered.

        The answer is written past Python's buffers: a handler may run in the middle of a ``print``.
        """
        self._raise = True
        try:
            yield
        finally:
            self._raise = False

    def _caught(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if not self._raise:
            return
        if self.count == 1:
            with suppress(OSError):  # the terminal may be what went away
                os.write(2, b"\ninterrupted while starting: stopping; Ctrl-C kills at once\n")
        raise KeyboardInterrupt
