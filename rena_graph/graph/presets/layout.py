"""Writes a graph document as people would: what fits on a line stands on one, long lists are filled up."""

from __future__ import annotations

import json
import textwrap
from typing import Any

__all__ = ["document_text"]

WIDTH = 110
_STEP = "  "


def document_text(document: dict[str, Any]) -> str:
    """The JSON text of a document."""
    return _text(document, "") + "\n"


def _text(value: Any, indent: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    inner = indent + _STEP
    if not value or not isinstance(value, (dict, list)) or (indent and len(indent) + len(line) <= WIDTH):
        return line
    if isinstance(value, dict):
        rows = [f"{json.dumps(key, ensure_ascii=False)}: {_text(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + row for row in rows) + f"\n{indent}}}"
    rows = [_text(item, inner) for item in value]
    if any("\n" in row or isinstance(item, (dict, list)) for row, item in zip(rows, value, strict=True)):
        return "[\n" + ",\n".join(inner + row for row in rows) + f"\n{indent}]"
    # A space within a text is no place to break a line at.
    filled = textwrap.fill(
        ", ".join(row.replace(" ", "\0") for row in rows), WIDTH, initial_indent=inner, subsequent_indent=inner,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return "[\n" + filled.replace("\0", " ") + f"\n{indent}]"
