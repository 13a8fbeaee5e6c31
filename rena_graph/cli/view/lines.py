"""What scripts print and log, as lines of text with time and node, safe for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["MARKS", "clean", "message_lines"]

MARKS = {"warning": "WARNING ", "error": "ERROR ", "native": "NATIVE "}
"""What stands before the text of a record that is not plain output. ``native``: written by C code past Python."""

# An escape sequence from a script must not move the cursor in the live table, nor a NUL end a line.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


_COLOUR = re.compile("\x1b\\[[0-9;]*m")


def clean(text: str) -> str:
    """`text` without colours, and with its other control characters (but tab and newline) written out as escapes."""
    return _CONTROL.sub(lambda match: repr(match.group())[1:-1], _COLOUR.sub("", text))


def message_lines(message: Mapping[str, Any]) -> list[str]:
    """One log record as lines: local time, node, mark of the level, text; further lines are indented below the text.

    Parameters
    ----------
    message : mapping
        ``time`` (seconds since 1970), ``node`` (name, or None for the run itself), ``level``, ``text``.
    """
    time = datetime.fromtimestamp(message["time"]).strftime("%H:%M:%S.%f")[:-3]
    head = f"{time} {message['node'] or 'run'}: "
    first, *rest = clean(message["text"]).rstrip("\n").split("\n")
    return [f"{head}{MARKS.get(message['level'], '')}{first}", *(f"{' ' * len(time)}   {line}" for line in rest)]
