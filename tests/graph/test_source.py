"""Reading: what is not clean, bounded UTF-8 JSON is refused, and every place in the text is found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import GraphInvalid
from rena_graph.graph.positions import Lines, Place, locate
from rena_graph.graph.problems import JsonPath, Problem
from rena_graph.graph.source import MAX_BYTES, flaws, parse_source, read_source

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=20,
)


def refused(data: bytes) -> Problem:
    with pytest.raises(GraphInvalid) as invalid:
        parse_source(data, "g.json")
    return invalid.value.problems[0]


def paths_of(value: Any, path: JsonPath = ()) -> list[JsonPath]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [path, *(p for key, item in items for p in paths_of(item, (*path, key)))]


def value_at(value: Any, path: JsonPath) -> Any:
    for part in path:
        value = value[part]
    return value


def offset(text: str, place: tuple[int, int]) -> int:
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: place[0] - 1]) + place[1] - 1


@given(VALUES, st.sampled_from([None, 0, 1, 2]), st.booleans(), st.data())
def test_each_path_is_found_where_its_value_stands(
    value: Any, indent: int | None, ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    paths = paths_of(value)
    wanted = data.draw(st.sets(st.sampled_from(paths)))
    places = locate(text, wanted)
    assert set(places) == wanted
    decode = json.JSONDecoder().raw_decode
    for path in wanted:
        place = places[path]
        assert decode(text, offset(text, place.value))[0] == value_at(value, path)
        if path and isinstance(path[-1], str):
            assert place.key is not None
            assert decode(text, offset(text, place.key))[0] == path[-1]
        else:
            assert place.key is None


@given(VALUES)
def test_clean_documents_come_back_as_they_are(value: Any) -> None:
    assert parse_source(json.dumps(value).encode()).value == value
    assert parse_source(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode()).value == value
    assert list(flaws(value)) == []


@given(st.binary(max_size=60))
def test_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = parse_source(data).value
    except GraphInvalid as invalid:
        codes = {problem.code for problem in invalid.problems}
    else:
        assert json.loads(data.decode("utf-8-sig")) == value
        return
    assert codes
    assert codes <= {"G003", "G004", "G005", "G006", "G009"}


def test_a_missing_path_gets_the_place_of_its_parent() -> None:
    places = locate('{"a": {"b": [1, 2]}}', [("a", "c", 3), ("a", "b", 7), ("x",)])
    assert places[("a", "c", 3)] == Place((1, 7), (1, 2))
    assert places[("a", "b", 7)] == Place((1, 13), (1, 8))
    assert places[("x",)] == Place((1, 1))


def test_a_key_that_stands_twice_knows_both_places() -> None:
    text = '{"a": 1,\n "b": 2,\n  "a": 3,\n "a": 4}'
    assert locate(text, [("a",)]) == {("a",): Place((4, 7), (4, 2), (1, 2))}


def test_lines_may_be_asked_for_in_any_order() -> None:
    lines = Lines("ab\ncd\r\n\nz")
    assert [lines.place(i) for i in (8, 0, 2, 3, 7, 4)] == [(4, 1), (1, 1), (1, 3), (2, 1), (3, 1), (2, 2)]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"a": 1,\n }', (1, 8), "a comma before a closing bracket"),
        ("[1, 2,]", (1, 6), "a comma before a closing bracket"),
        ('{"a": nil}', (1, 7), "text without quotes"),
        ("{a: 1}", (1, 2), "text without quotes"),
        ('{"a" 1}', (1, 6), "a colon is missing before this"),
        ('{"a": 1 "b": 2}', (1, 9), "a comma or a closing bracket is missing before this"),
        ('{"a": "b\nc"}', (1, 9), "a line break, tab or other control character inside a text"),
        ('{"a": "b', (1, 7), "this text has no closing quote"),
        ('{"a": "\\x"}', (1, 8), "a backslash that JSON does not know"),
        ('{"a":\n 1} x', (2, 5), "there is something behind the end of the document"),
        ("# mine\n{}", (1, 1), "JSON has no comments"),
        ("[", (1, 2), "the document ends too early"),
        (" \n ", (2, 2), "the graph file is empty"),
    ],
)
def test_syntax_errors_are_said_in_words(text: str, place: tuple[int, int], message: str) -> None:
    problem = refused(text.encode())
    assert (problem.code, problem.message) == ("G004", message)
    assert (problem.line, problem.column) == place


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_are_named(encoding: str) -> None:
    problem = refused('{"version": 1}'.encode(encoding))
    assert (problem.code, problem.found) == ("G003", "UTF-16 or UTF-32")


def test_a_wrong_byte_is_placed() -> None:
    problem = refused('{\n "ä": "'.encode() + b'\xff"}')
    assert (problem.code, problem.line, problem.column) == ("G003", 2, 8)


def test_numbers_that_json_or_a_float_cannot_hold() -> None:
    with pytest.raises(GraphInvalid) as invalid:
        parse_source(b'{"a": [NaN, -Infinity, 1e400, -1e400, ' + b"9" * 5000 + b", 1e308, 12]}")
    found = [(p.code, p.json_path) for p in invalid.value.problems]
    assert found == [("G006", f"$.a[{i}]") for i in range(5)]


def test_flaws_of_documents_made_in_python() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert [flaw.code for flaw in flaws({"a": float("inf"), "\ud800": 1, "b": "\udfff"})] == ["G009", "G006", "G009"]
    assert [flaw.code for flaw in flaws(loop)] == ["G007"]
    assert [flaw.code for flaw in flaws([0] * 100_001)] == ["G008"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.json"
    os.mkfifo(fifo)  # opening it would block for ever
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (MAX_BYTES + 1))
    cases = {tmp_path / "none.json": "G001", tmp_path: "G001", fifo: "G001", Path("a\0b"): "G001", large: "G002"}
    for path, code in cases.items():
        with pytest.raises(GraphInvalid) as invalid:
            read_source(path)
        assert [problem.code for problem in invalid.value.problems] == [code]
        assert invalid.value.problems[0].path == str(path)
