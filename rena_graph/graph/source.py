"""Reads a graph file into a plain Python value, refusing whatever is not clean, bounded JSON text."""

from __future__ import annotations

import itertools
import json
import math
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rena_graph.errors import GraphInvalid
from rena_graph.graph.positions import Lines, Place, locate
from rena_graph.graph.problems import JsonPath, Problem, json_path, sort_key
from rena_graph.graph.syntax import explain_syntax
from rena_graph.graph.wording import plural, quote

__all__ = ["MAX_BYTES", "Flaw", "Source", "flaw_problems", "flaws", "parse_source", "read_source"]

MAX_BYTES = 10_000_000
MAX_DEPTH = 64
MAX_VALUES = 1_000_000
"""Commas, and brackets, in the text: what bounds the memory that parsing takes."""
MAX_MEMBERS = 100_000
"""Values in one list or object."""
MAX_DIGITS = 400
MAX_LISTED = 100
"""Flaws that are listed; a text with more was not made by an editor."""


_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


@dataclass(frozen=True)
class Source:
    """A document as it was written.

    Parameters
    ----------
    name : str
        The file, as the user named it.
    value : object
        The document as plain Python values.
    text : str | None
        What it was read from; None for documents made in Python, which have no lines.
    """

    name: str
    value: Any
    text: str | None = field(default=None, repr=False)

    def places(self, paths: Iterable[JsonPath]) -> dict[JsonPath, Place]:
        """Line and column of each path; of its nearest parent where the document does not have it."""
        return {} if self.text is None else locate(self.text, paths)


@dataclass(frozen=True)
class Flaw:
    """Something in a parsed value that clean JSON cannot hold."""

    code: str
    path: JsonPath
    message: str
    found: str
    at_key: bool = False


class _BadNumber(float):
    """Stands where the text has a number that JSON or a float cannot hold."""

    text: str = ""


class _TwiceDict(dict[str, Any]):
    """An object of which some keys came twice."""

    twice: tuple[str, ...] = ()


def read_source(path: Path) -> Source:
    """Read a graph file.

    Parameters
    ----------
    path : Path
        A regular file of at most 10 MB of UTF-8 JSON, with or without a byte order mark.

    Raises
    ------
    GraphInvalid
        With codes G001 to G009.
    """
    name = str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _refusal("G001", name, f"{name} is not a regular file", hint="give the graph's .json file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise _refusal("G001", name, f"cannot read the graph: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _refusal(
            "G002", name, "the graph file is too large", found=f"more than {MAX_BYTES:,} bytes", allowed="10 MB at most"
        )
    return parse_source(data, name)


def parse_source(data: bytes, name: str = "graph") -> Source:
    """Parse the bytes of a graph file; see :func:`read_source`."""
    text = _decode(data, name)
    for characters, what in ((",", "values"), ("[{", "lists and objects")):
        count = sum(text.count(c) for c in characters)
        if count > MAX_VALUES:
            raise _refusal(
                "G008", name, f"the document has too many {what}", found=f"{count:,}", allowed=f"{MAX_VALUES:,} at most"
            )
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        offset, message, found, hint = explain_syntax(text, error)
        line, column = Lines(text).place(offset)
        raise _refusal("G004", name, message, line, column, found=found, hint=hint) from None
    except RecursionError:
        raise _too_deep(text, name) from None
    source = Source(name, value, text)
    bad = list(itertools.islice(flaws(value), MAX_LISTED))
    if any(flaw.code == "G007" for flaw in bad):
        raise _too_deep(text, name)
    if bad:
        raise GraphInvalid(name, flaw_problems(source, bad))
    return source


def flaws(value: object) -> Iterator[Flaw]:
    """What clean JSON cannot hold, in a parsed value or one made in Python; stops at the first that is too deep.

    Not recursive, and holds one iterator per level.
    """
    path: list[str | int] = []
    stack = [iter([("", value)])]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            if path:
                path.pop()
            continue
        key, item = entry
        here = (*path[1:], key) if path else ()
        if isinstance(item, (dict, list)):
            if len(stack) > MAX_DEPTH:
                yield Flaw("G007", here, "lists and objects are nested too deep", f"more than {MAX_DEPTH} levels")
                return
            yield from _container_flaws(item, here)
            path.append(key)
            stack.append(iter(item.items() if isinstance(item, dict) else enumerate(item)))  # type: ignore[arg-type]
        else:
            yield from _scalar_flaws(item, here)


def _container_flaws(item: dict[str, Any] | list[Any], here: JsonPath) -> Iterator[Flaw]:
    if len(item) > MAX_MEMBERS:
        yield Flaw("G008", here, f"more than {MAX_MEMBERS:,} values in one list or object", plural(len(item), "value"))
    if not isinstance(item, dict):
        return
    for key in item:
        if isinstance(key, str) and not _is_unicode(key):
            yield Flaw("G009", (*here, key), "a key is not valid Unicode", quote(key), at_key=True)
    if isinstance(item, _TwiceDict):
        for key in item.twice:
            yield Flaw(
                "G005", (*here, key), f"the key {quote(key)} stands twice in one object", quote(key), at_key=True
            )


def _scalar_flaws(item: object, here: JsonPath) -> Iterator[Flaw]:
    if isinstance(item, str):
        if not _is_unicode(item):
            yield Flaw("G009", here, "the text is not valid Unicode", quote(item))
    elif isinstance(item, float) and not math.isfinite(item):
        found = item.text if isinstance(item, _BadNumber) else str(item)
        yield Flaw("G006", here, "not a number that a graph can hold", found)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def flaw_problems(source: Source, found: Iterable[Flaw]) -> list[Problem]:
    """The flaws as problems, each with its place."""
    flaws_found = list(found)
    places = source.places(flaw.path for flaw in flaws_found)
    problems = []
    for flaw in flaws_found:
        place = places.get(flaw.path)
        line, column = (place.key if flaw.at_key and place.key else place.value) if place else (None, None)
        hint = f"the first is in line {place.earlier[0]}" if place and place.earlier and flaw.code == "G005" else None
        where = json_path(flaw.path)
        problems.append(
            Problem(flaw.code, "error", flaw.message, source.name, line, column, where, flaw.found, hint=hint)
        )
    return sorted(problems, key=sort_key)


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        raise _refusal("G003", name, "the graph file is not UTF-8", found="UTF-16 or UTF-32", hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        line, column = Lines(before).place(len(before))
        found = f"the byte 0x{data[error.start]:02x}, which is not UTF-8 here"
        raise _refusal(
            "G003", name, "the graph file is not UTF-8", line, column, found=found, hint="save it as UTF-8"
        ) from None


def _too_deep(text: str, name: str) -> GraphInvalid:
    """The refusal with the place where the nesting goes beyond the limit."""
    depth = 0
    for match in _STRUCTURE.finditer(text):
        mark = match.group()
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
        if depth > MAX_DEPTH:
            break
    line, column = Lines(text).place(match.start())
    found = f"more than {MAX_DEPTH} levels"
    return _refusal("G007", name, "lists and objects are nested too deep", line, column, found=found)


def _refusal(
    code: str,
    name: str,
    message: str,
    line: int | None = None,
    column: int | None = None,
    *,
    found: str | None = None,
    allowed: str | None = None,
    hint: str | None = None,
) -> GraphInvalid:
    problem = Problem(code, "error", message, name, line, column, "$", found, allowed, hint)
    return GraphInvalid(name, [problem])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    seen: set[str] = set()
    marked = _TwiceDict(value)
    marked.twice = tuple(dict.fromkeys(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return marked


def _bad_number(text: str) -> float:
    number = _BadNumber("nan")
    number.text = text if len(text) < 40 else text[:39] + "…"
    return number


def _float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _bad_number(text)


def _int(text: str) -> int | float:
    # Python itself refuses to read more than 4,300 digits, with an error that has no place.
    return int(text) if len(text) <= MAX_DIGITS else _bad_number(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_bad_number)
