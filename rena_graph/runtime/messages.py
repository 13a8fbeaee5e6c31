"""What the user is told while a run goes on: console lines and the coordinator's own words, one JSON line each."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["MessageLog", "MessageTail", "log_to"]

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


def log_to(path: Path) -> None:
    """Send the log of this process (one of ours, alone in it) to a file of the run folder."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger("rena_graph")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
