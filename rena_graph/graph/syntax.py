"""Says in plain words what is wrong where JSON text does not parse."""

from __future__ import annotations

import json
import re

from rena_graph.graph.problems import printable

__all__ = ["explain_syntax"]

_WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")


def explain_syntax(text: str, error: json.JSONDecodeError) -> tuple[str, str, str | None]:
    """The message, what was found, and a hint, for the parser's own `error`."""
    at = error.pos
    rest = text[at : at + 60]
    before = text[:at].rstrip() if at < 100_000 else text[at - 100_000 : at].rstrip()
    found = _found(rest)
    if not text.strip():
        return "the graph file is empty", "no text", "begin with {"
    if error.msg.startswith("Extra data"):
        return "there is something behind the end of the document", found, "a graph is one object"
    if "trailing comma" in error.msg or (rest[:1] in ("}", "]") and before.endswith(",")):
        return "a comma before a closing bracket", found, "take the last comma away"
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
