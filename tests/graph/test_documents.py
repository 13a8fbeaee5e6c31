"""Valid documents load and come back; whatever is done to them is answered by problems, never by a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rena_graph.errors import GraphInvalid
from rena_graph.graph.document import GraphDocument
from rena_graph.graph.draw import FORMATS
from rena_graph.graph.load import graph_from_dict, load_graph
from rena_graph.graph.model import Graph
from rena_graph.graph.problems import CODES, Problem
from rena_graph.graph.schema import json_schema
from tests.graph.documents import valid_documents
from tests.graph.test_source import VALUES, paths_of, value_at

SCHEMA = Draft202012Validator(json_schema())
ODD = st.one_of(
    VALUES,
    st.sampled_from([True, 1.5, -1, 0, 10**30, "", "60", "a\0b", "\u202e", [], {}, {"x": 1}, "simulate", None]),
)


@given(valid_documents())
def test_valid_documents_come_back(document: dict[str, Any]) -> None:
    graph = graph_from_dict(document, Path("/"), check_scripts=False)
    assert all(problem.severity == "warning" for problem in graph.warnings)
    dumped = graph.document.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert dumped == document
    again = GraphDocument.model_validate(json.loads(json.dumps(dumped)))
    assert again == graph.document
    assert not list(SCHEMA.iter_errors(document))
    assert set(graph.order) == set(graph.nodes)
    for draw in FORMATS.values():
        assert draw(graph).endswith("\n")


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid document to which one to three things were done."""
    document = copy.deepcopy(draw(valid_documents()))
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in paths_of(document) if path]
        assume(paths)
        path = draw(st.sampled_from(paths))
        holder = value_at(document, path[:-1])
        action = draw(st.sampled_from(["replace", "remove", "rename", "copy"]))
        if action == "replace":
            holder[path[-1]] = draw(ODD)
        elif action == "remove":
            del holder[path[-1]]
        elif action == "copy":
            holder[path[-1]] = copy.deepcopy(value_at(document, draw(st.sampled_from(paths))))
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = holder.pop(path[-1])
    return document


def answer(load: Callable[[], Graph]) -> tuple[bool, tuple[Problem, ...]]:
    """Whether it was taken, and the problems."""
    try:
        return True, load().warnings
    except GraphInvalid as invalid:
        return False, invalid.problems


@given(mutated())
def test_mutated_documents_are_answered(document: Any) -> None:
    taken, problems = answer(lambda: graph_from_dict(document, Path("/"), check_scripts=False))
    assert taken != any(problem.is_error for problem in problems)
    assert not taken or SCHEMA.is_valid(document), "the schema refuses what the loader takes"
    for problem in problems:
        assert problem.severity == CODES[problem.code].severity
        assert all(line.isprintable() for line in str(problem).split("\n"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example overwrites the file
@given(document=mutated())
def test_what_was_read_from_a_file_has_places(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    text = json.dumps(document, indent=1)
    path.write_text(text, encoding="utf-8")
    lines = text.split("\n")
    for problem in answer(lambda: load_graph(path, check_scripts=False))[1]:
        assert problem.line is not None
        assert problem.column is not None
        assert 1 <= problem.column <= len(lines[problem.line - 1])
