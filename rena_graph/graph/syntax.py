"""Says in plain words what is wrong where JSON text does not parse."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from rena_graph.graph.problems import printable

__all__ = ["SyntaxFlaw", "explain_syntax"]

_WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")


class SyntaxFlaw(NamedTuple):
    """What is wrong at `offset` of a text."""

    offset: int
    message: str
    found: str
    hint: str | None = None


def explain_syntax(text: str, error: json.JSONDecodeError) -> SyntaxFlaw:
    """What the parser's own `error` means; the same in all versions of Python."""
    comma = _last_comma(text, error)
    if comma is not None:
        found = _found(text[comma : comma + 60])
        return SyntaxFlaw(comma, "a comma before a closing bracket", found, "take it away")
    return SyntaxFlaw(error.pos, *_explain(text, error))


def _last_comma(text: str, error: json.JSONDecodeError) -> int | None:
    """Where the comma is that nothing follows; Python 3.13 says so, older ones complain of the bracket behind it."""
    at = error.pos
    if "trailing comma" in error.msg:
        return at
    window = text[max(0, at - 100_000) : at].rstrip(" \t\r\n")
    if text[at : at + 1] in ("}", "]") and window.endswith(","):
        return max(0, at - 100_000) + len(window) - 1
    return None


def _explain(text: str, error: json.JSONDecodeError) -> tuple[str, str, str | None]:
    rest = text[error.pos : error.pos + 60]
    found = _found(rest)
    if not text.strip():
        return "the graph file is empty", "no text", "begin with {"
    if error.msg.startswith("Extra data"):
        return "there is something behind the end of the document", found, "a graph is one object"
    if rest.startswith(("//", "/*", "#")):
        return "JSON has no comments", found, 'put it into a "description"'
    if rest.startswith("'"):
        return "text in single quotes", found, 'JSON wants double quotes: "'
    word = _WORD.match(rest)
    if word and word.group() in _WORDS:
        return f"{word.group()} is not JSON", found, f"write {_WORDS[word.group()]}"
    if word:
        return "text without quotes", found, f'write "{word.group()}"'
    if not rest.strip():
        return "the document ends too early", "the end of the text", "is a closing bracket or quote missing?"
    return _message(error.msg), found, None


def _found(rest: str) -> str:
    shown = printable(rest.split("\n", 1)[0][:20])
    return shown or ("the end of the line" if rest else "the end of the text")


def _message(message: str) -> str:
    plain = {
        "Expecting ',' delimiter": "a comma or a closing bracket is missing before this",
        "Expecting ':' delimiter": "a colon is missing before this",
        "Expecting value": "a value is missing here",
        "Expecting property name enclosed in double quotes": "a key in double quotes is missing here",
        "Unterminated string starting at": "this text has no closing quote",
        "Invalid control character at": "a line break, tab or other control character inside a text",
        "Invalid \\escape": "a backslash that JSON does not know",
        "Invalid \\uXXXX escape": "\\u without four hexadecimal digits",
    }
    for beginning, words in plain.items():
        if message.startswith(beginning):
            return words
    return f"not JSON: {message}"
