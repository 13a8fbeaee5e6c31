"""The last few different errors of a run: each once, with how often it came, so that prints do not carry it away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rena_graph.cli.view.lines import clean

__all__ = ["ErrorList"]

_KEPT = 50
_AGAIN = re.compile(r"\n\(and (\d+) times more since it was last said\)\s*$")
_NUMBER = re.compile(r"\d+")


@dataclass
class _Error:
    time: float
    node: str | None
    text: str
    count: int = 0


class ErrorList:
    """Takes log records, and keeps the errors among them.

    Two are the same that come from one node and whose last lines differ in numbers only: of a traceback that is the
    exception itself.
    """

    def __init__(self) -> None:
        self._errors: dict[tuple[str | None, str], _Error] = {}

    def add(self, records: Sequence[Mapping[str, Any]]) -> None:
        """New records, oldest first."""
        for record in records:
            if record["level"] == "error":
                self._add(record)

    def _add(self, record: Mapping[str, Any]) -> None:
        text = str(record["text"])
        again = _AGAIN.search(text)
        lines = [line for line in _AGAIN.sub("", text).splitlines() if line.strip()]
        if not lines:
            return
        last = clean(lines[-1].strip())
        key = record["node"], _NUMBER.sub("#", last)
        # Behind all others: it is the newest now.
        error = self._errors.pop(key, None) or _Error(record["time"], record["node"], last)
        error.time, error.text = record["time"], last
        error.count += 1 + (int(again[1]) if again else 0)
        self._errors[key] = error
        while len(self._errors) > _KEPT:
            del self._errors[next(iter(self._errors))]

    def lines(self, limit: int) -> list[str]:
        """The newest `limit` of them, the newest last: time, node, how often, what."""
        errors = list(self._errors.values())[-limit:] if limit > 0 else []
        return [
            f"{datetime.fromtimestamp(e.time).strftime('%H:%M:%S')} {e.node or 'run'}"
            f"{f' ({e.count:,} times)' if e.count > 1 else ''}: {e.text}"
            for e in errors
        ]

    def __len__(self) -> int:
        return len(self._errors)
