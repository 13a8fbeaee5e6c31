"""What a host agent has to tell its coordinator: kept, in order, until a coordinator has it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["MAX_LINES", "Outbox"]

log = logging.getLogger(__name__)

MAX_LINES = 5000
"""Console lines that are kept while nobody takes them; beyond it the oldest go, and are counted."""
MAX_EVENTS = 10_000
PATIENCE = 1.0
"""Seconds to wait for the last batch to be taken at the end."""

Batch = dict[str, Any]


class Outbox:
    """Hands over one batch after the other: ``{"events": […], "beat": {…} | None, "console": […], "read": {…}}``.

    Parameters
    ----------
    deliver : callable
        Hands a batch to the coordinator and returns whether it has it; may block. Called on the outbox's thread.
    unix : callable
        Seconds since 1970.
    """

    def __init__(self, deliver: Callable[[Batch], bool], unix: Callable[[], float]) -> None:
        self._deliver = deliver
        self._unix = unix
        self._changed = threading.Condition()
        self._events: deque[dict[str, Any]] = deque()
        self._lines: deque[dict[str, Any]] = deque()
        self._beat: dict[str, Any] | None = None
        self._read: dict[str, Any] = {}
        self._dropped = 0
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="rena-outbox", daemon=True)
        self._thread.start()

    def put(self, event: dict[str, Any]) -> None:
        """Something happened; from any thread. None is ever lost, but beyond a limit that no run reaches."""
        with self._changed:
            if len(self._events) >= MAX_EVENTS:
                log.error("nobody has taken %d events: %s is lost", MAX_EVENTS, event)
                return
            self._events.append(event)
            self._changed.notify_all()

    def beat(self, report: dict[str, Any], lines: list[dict[str, Any]], read: dict[str, Any]) -> None:
        """How things are now, which replaces what was said of the same before, and console lines, which do not.

        `read` is how far consoles were read, these lines included.
        """
        with self._changed:
            # Not every beat says everything: what only the one before said is still to be told.
            self._beat, self._read = {**(self._beat or {}), **report}, read
            self._lines.extend(lines)
            while len(self._lines) > MAX_LINES:
                self._lines.popleft()
                self._dropped += 1
            self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._events or self._beat or self._closing)
                if not self._events and self._beat is None:
                    return
                self._busy = True
                batch = self._take()
            if self._deliver(batch):
                continue
            with self._changed:
                self._put_back(batch)
                if self._closing:
                    return
                self._changed.wait(0.05)

    def _take(self) -> Batch:
        batch: Batch = {"events": list(self._events), "beat": self._beat, "console": list(self._lines)}
        batch["read"] = self._read
        if self._dropped:
            text = f"{self._dropped} console lines were lost while no coordinator took them"
            batch["console"].insert(0, {"time": self._unix(), "node": None, "level": "warning", "text": text})
        self._events.clear()
        self._lines.clear()
        self._beat, self._dropped = None, 0
        return batch

    def _put_back(self, batch: Batch) -> None:
        self._events.extendleft(reversed(batch["events"]))
        self._lines.extendleft(reversed(batch["console"]))
        self._beat = {**(batch["beat"] or {}), **(self._beat or {})} or None

    def close(self) -> None:
        """Hand over what is there, then no more."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._events or self._busy), PATIENCE)
            self._closing = True
            self._changed.notify_all()
        self._thread.join(PATIENCE)

    def left(self) -> list[dict[str, Any]]:
        """Console lines that nobody took before the end."""
        with self._changed:
            lines = list(self._lines)
            self._lines.clear()
        return lines
