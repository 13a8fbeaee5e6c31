"""How verbs write: results to stdout, talk to stderr, nothing styled where colour is not wanted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["abandon_stdout", "columns", "talk", "write_json", "write_line"]


def write_line(text: str = "") -> None:
    """Write a line of the result to stdout, at once: somebody may read along."""
    print(text, flush=True)


def write_json(value: Mapping[str, Any] | Sequence[Any], *, compact: bool = False) -> None:
    """Write `value` to stdout as strict JSON (NaN and infinity become null), on one line where `compact`."""
    write_line(json.dumps(_strict(value), ensure_ascii=False, allow_nan=False, indent=None if compact else 2))


def talk(text: str) -> None:
    """Write a line of talk to stderr."""
    print(text, file=sys.stderr, flush=True)


def abandon_stdout() -> None:
    """Send what goes to stdout nowhere: its reader is gone, and what is buffered must not fail at the process's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def columns(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> list[str]:
    """Lines in which each column is as wide as its widest cell; the last one is not padded."""
    table = [tuple(header), *map(tuple, rows)] if header else [*map(tuple, rows)]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    widths[-1] = 0
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
