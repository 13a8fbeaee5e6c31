"""Finds the line and column of given paths in a JSON text, in one pass and without keeping positions of the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rena_graph.graph.problems import JsonPath

__all__ = ["Lines", "Place", "locate"]

_SPACE = re.compile(r"[ \t\n\r]*")
_SPACES = frozenset(" \t\n\r")
_SPACES = frozenset(" \t\n\r")
_Trie = dict[str | int, Any]


@dataclass(frozen=True)
class Place:
    """Where a value stands.

    Parameters
    ----------
    value : tuple of int
        Line and column of its first character, from 1.
    key : tuple of int | None
        Those of the key that it belongs to; None in lists and for the document itself.
    earlier : tuple of int | None
        Those of the same key before, where the object has it twice (`value` and `key` are the last one's).
    """

    value: tuple[int, int]
    key: tuple[int, int] | None = None
    earlier: tuple[int, int] | None = None


class Lines:
    """Turns offsets of a text into lines and columns; fast where they are asked for in growing order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line, self._start, self._offset = 1, 0, 0

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of the character at `offset`, from 1; columns count characters."""
        if offset < self._offset:
            self._line, self._start, self._offset = 1, 0, 0
        breaks = self._text.count("\n", self._offset, offset)
        if breaks:
            self._line += breaks
            self._start = self._text.rfind("\n", self._offset, offset) + 1
        self._offset = offset
        return self._line, offset - self._start + 1


def locate(text: str, paths: Iterable[JsonPath]) -> dict[JsonPath, Place]:
    """Where `paths` stand in `text`, which must be valid JSON.

    A path that the text does not have gets the place of its nearest parent, which is where something is missing.
    What no path leads into is skipped by the C scanner of the standard library.
    """
    wanted = set(paths)
    if not wanted:
        return {}
    trie: _Trie = {}
    for path in wanted:
        node = trie
        for part in path:
            node = node.setdefault(part, {})
    search = _Search(text)
    search.value(_skip_space(text, 0), (), trie, None)
    return search.places(wanted)


def _skip_space(text: str, offset: int) -> int:
    if text[offset : offset + 1] not in _SPACES:
        return offset
    match = _SPACE.match(text, offset)
    return match.end() if match else offset


class _Search:
    """One walk through a text; notes offsets, of which only the wanted ones become lines and columns."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Strings may hold control characters here: this text was accepted already.
        self._decode = json.JSONDecoder(strict=False, parse_int=_nothing, parse_float=_nothing).raw_decode
        self._found: dict[JsonPath, tuple[int, int | None, int | None]] = {}

    def places(self, wanted: Iterable[JsonPath]) -> dict[JsonPath, Place]:
        """What was found, or the nearest parent's place."""
        lines = Lines(self._text)
        offsets = {path: self._nearest(path) for path in wanted}
        places = {}
        for path, (value, key, earlier) in sorted(offsets.items(), key=lambda item: item[1][0]):
            key_place = None if key is None else lines.place(key)
            earlier_place = None if earlier is None else Lines(self._text).place(earlier)
            places[path] = Place(lines.place(value), key_place, earlier_place)
        return places

    def _nearest(self, path: JsonPath) -> tuple[int, int | None, int | None]:
        while path not in self._found:
            path = path[:-1]
        return self._found[path]

    def value(self, offset: int, path: JsonPath, trie: _Trie, key: int | None) -> int:
        """Note the value at `offset` and what is wanted inside it; the offset behind it."""
        before = self._found.get(path)
        earlier = None if before is None else before[1] if before[2] is None else before[2]
        self._found[path] = (offset, key, earlier)
        opening = self._text[offset]
        if trie and opening == "{":
            return self._object(offset + 1, path, trie)
        if trie and opening == "[":
            return self._list(offset + 1, path, trie)
        return self._skip(offset)

    def _skip(self, offset: int) -> int:
        return self._decode(self._text, offset)[1]

    def _object(self, offset: int, path: JsonPath, trie: _Trie) -> int:
        text = self._text
        offset = _skip_space(text, offset)
        while text[offset] != "}":
            if text[offset] == ",":
                offset = _skip_space(text, offset + 1)
            key_offset = offset
            key, offset = self._decode(text, offset)
            offset = _skip_space(text, _skip_space(text, offset) + 1)
            inner = trie.get(key)
            offset = self._skip(offset) if inner is None else self.value(offset, (*path, key), inner, key_offset)
            offset = _skip_space(text, offset)
        return offset + 1

    def _list(self, offset: int, path: JsonPath, trie: _Trie) -> int:
        text = self._text
        last = max((index for index in trie if isinstance(index, int)), default=-1)
        index = 0
        start = offset - 1
        offset = _skip_space(text, offset)
        while text[offset] != "]" and index <= last:
            if text[offset] == ",":
                offset = _skip_space(text, offset + 1)
            inner = trie.get(index)
            offset = self._skip(offset) if inner is None else self.value(offset, (*path, index), inner, None)
            offset = _skip_space(text, offset)
            index += 1
        return offset + 1 if text[offset] == "]" else self._skip(start)


def _nothing(_: str) -> None:
    """Numbers need not be made to be skipped, and overlong ones could not be."""
