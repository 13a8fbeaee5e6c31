"""What the user is told while a run goes on: console lines and the coordinator's own words, one JSON line each."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["LogRecords", "MessageLog", "MessageTail", "log_to"]

FILE_NAME = "console.jsonl"


class MessageLog:
    """Writes ``console.jsonl`` of a run folder.

    Parameters
    ----------
    folder : Path
        Of the run.
    unix : callable
        Seconds since 1970.
    """

    def __init__(self, folder: Path, unix: Callable[[], float]) -> None:
        self._unix = unix
        self._file = (folder / FILE_NAME).open("a", encoding="utf-8")

    def say(self, level: str, text: str, node: str | None = None) -> None:
        """One record of the coordinator's own."""
        self.extend([{"time": self._unix(), "node": node, "level": level, "text": text}])

    def extend(self, records: list[dict[str, Any]]) -> None:
        """Records from elsewhere, stamped there."""
        if records and not self._file.closed:
            self._file.writelines(json.dumps(record) + "\n" for record in records)
            self._file.flush()

    def close(self) -> None:
        """Nothing more is said."""
        self._file.close()


class MessageTail:
    """Reads what was added since the last look."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """New records, oldest first; none while there is no file."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                block = file.read()
        except FileNotFoundError:
            return []
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


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
