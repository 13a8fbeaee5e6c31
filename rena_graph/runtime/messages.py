"""What the user is told while a run goes on: console lines and the coordinator's own words, one JSON line each."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rena_graph.runtime.segments import SegmentTail, SegmentWriter

__all__ = ["NAME", "LogRecords", "MessageLog", "MessageTail", "log_to"]

NAME = "console"
"""Of the log's files, without their ending."""


class MessageLog:
    """Writes ``console.jsonl`` of a run folder, and the segments before it; see :mod:`rena_graph.runtime.segments`.

    Parameters
    ----------
    folder : Path
        Of the run.
    unix : callable
        Seconds since 1970.
    """

    def __init__(self, folder: Path, unix: Callable[[], float]) -> None:
        self._unix = unix
        self._file = SegmentWriter(folder, NAME, lambda text: self._record("warning", text, None))

    def _record(self, level: str, text: str, node: str | None) -> dict[str, Any]:
        return {"time": self._unix(), "node": node, "level": level, "text": text}

    def say(self, level: str, text: str, node: str | None = None) -> None:
        """One record of the coordinator's own."""
        self.extend([self._record(level, text, node)])

    def extend(self, records: list[dict[str, Any]]) -> None:
        """Records from elsewhere, stamped there."""
        self._file.write(records)

    def close(self) -> None:
        """Nothing more is said."""
        self._file.close()


class MessageTail(SegmentTail):
    """Reads what was added to the console of a run folder since the last look."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, NAME)


class LogRecords(logging.Handler):
    """Keeps what a logger of this process says, from INFO on, as records for :class:`MessageLog`.

    Parameters
    ----------
    name : str
        The logger's.
    unix : callable
        Seconds since 1970.
    limit : int
        Records that are kept until they are taken; beyond it the oldest go.
    """

    def __init__(self, name: str, unix: Callable[[], float], limit: int = 1000) -> None:
        super().__init__(logging.INFO)
        self._unix = unix
        self._records: deque[dict[str, Any]] = deque(maxlen=limit)
        self._logger = logging.getLogger(name)
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one; from any thread."""
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        self._records.append({"time": self._unix(), "node": None, "level": level, "text": record.getMessage()})

    def take(self) -> list[dict[str, Any]]:
        """What was said since the last call, oldest first."""
        taken = []
        while self._records:
            taken.append(self._records.popleft())
        return taken

    def close(self) -> None:
        """Listen no more."""
        self._logger.removeHandler(self)
        super().close()


def log_to(path: Path) -> None:
    """Send the log of this process (one of ours, alone in it) to a file of the run folder."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger("rena_graph")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
