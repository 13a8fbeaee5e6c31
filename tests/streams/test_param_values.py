"""Parameter values: types, ranges, texts, and changes that are made together or not at all."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import ParamRefused
from rena_graph.graph.document import ParamDef
from rena_graph.graph.param_check import check_param, definition_problem, param_def, parse_param
from rena_graph.streams.params import ParamChanges, Params


def definition(**facts: Any) -> ParamDef:
    return ParamDef.model_validate(facts)


FLOAT = definition(type="float", value=0.5, min=0.0, max=5.0)
INT = definition(type="int", value=3, min=-3, max=9)
CHOICE = definition(type="choice", value="low", choices=["low", "high", 1, 2.5, True])
PATH = definition(type="path", value="model.pt")
LEAVES = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NESTED = st.lists(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=8), max_size=4)


@pytest.mark.parametrize(
    ("spec", "value", "taken"),
    [
        (FLOAT, 1, 1.0), (FLOAT, 5.0, 5.0), (FLOAT, np.float32(0.5), 0.5), (INT, np.int64(4), 4), (INT, -3, -3),
        (CHOICE, "high", "high"), (CHOICE, 1, 1), (CHOICE, 1.0, 1), (CHOICE, True, True), (CHOICE, 2.5, 2.5),
        (True, False, False), (True, np.bool_(False), False), ("a", "", ""), ([1], [], []),
        ([1], (1, [2, ("x",)]), [1, [2, ["x"]]]), (PATH, Path("a/b"), "a/b"), (1.0, 2, 2.0),
    ],
)  # fmt: skip
def test_what_is_taken(spec: Any, value: object, taken: object) -> None:
    got = check_param(spec, value)
    assert got == taken
    assert type(got) is type(taken)


@pytest.mark.parametrize(
    ("spec", "value", "said"),
    [
        (FLOAT, True, "expected a float, got True"), (FLOAT, "1", "expected a float"), (FLOAT, None, "NoneType"),
        (FLOAT, 5.1, "greater than its maximum, 5"), (FLOAT, -0.1, "less than its minimum, 0"),
        (FLOAT, float("nan"), "finite"), (FLOAT, float("inf"), "finite"), (FLOAT, 10**400, "finite"),
        (INT, True, "expected an int"), (INT, 3.0, "expected an int"), (INT, 10, "greater"),
        (True, 1, "true or false"), (True, "true", "true or false"), ("a", 5, "expected a str"),
        ([1], "ab", "expected a list"), ([1], [None], "not None"), ([1], [{"a": 1}], "dict"),
        ([1], [float("nan")], "finite"), (CHOICE, "hi", "\"low\", \"high\", 1, 2.5, true"), (CHOICE, "hihg", "'high'"),
        (CHOICE, False, "not among"), (PATH, "", "not a path"), (PATH, "a\0b", "not a path"),
        (PATH, 5, "expected a path"),
        (PATH, Path("x").name.encode(), "expected a path"),
    ],
)  # fmt: skip
def test_what_is_refused(spec: Any, value: object, said: str) -> None:
    with pytest.raises(ParamRefused, match=said) as caught:
        check_param(spec, value, name="threshold")
    assert str(caught.value).startswith("parameter 'threshold': ")


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ParamRefused, match="deeper than 64"):
        check_param([], endless)


def test_paths_are_relative_to_the_graph() -> None:
    assert check_param(PATH, "model.pt", folder="/data/graphs") == "/data/graphs/model.pt"
    assert check_param(PATH, "/abs/model.pt", folder="/data/graphs") == "/abs/model.pt"
    assert check_param("text", "model.pt", folder="/data/graphs") == "model.pt"


@given(NESTED)
def test_lists_nest_are_equal_and_are_copies(value: list[Any]) -> None:
    got = check_param([], value)
    assert got == value
    assert got is not value
    assert parse_param([], json.dumps(value)) == value


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        (True, "false", False), (False, " YES ", True), (False, "1", True), (True, "off", False),
        (INT, "-2", -2), (FLOAT, "1e-1", 0.1), (FLOAT, "2", 2.0), ("a", "1", "1"), ("a", "", ""),
        ([1], "[1, [2.5, \"x\"]]", [1, [2.5, "x"]]), (CHOICE, "low", "low"), (CHOICE, "1", 1), (CHOICE, "true", True),
        (PATH, "x y.pt", "x y.pt"),
    ],
)  # fmt: skip
def test_texts_of_the_command_line(spec: Any, text: str, value: object) -> None:
    got = parse_param(spec, text)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("spec", "text", "said"),
    [
        (True, "maybe", "true or false"), (INT, "2.5", "'2.5' is not int"), (INT, "100", "greater"),
        (FLOAT, "fast", "'fast' is not float"), (FLOAT, "nan", "finite"), ([1], "[1,", "not JSON"),
        ([1], "5", "a list"),
        ([1], "[" * 100_000, "not JSON"), (CHOICE, "medium", "not among"), (PATH, "", "not a path"),
    ],
)  # fmt: skip
def test_texts_that_are_refused(spec: Any, text: str, said: str) -> None:
    with pytest.raises(ParamRefused, match=said):
        parse_param(spec, text, name="p")


@given(st.integers())
def test_texts_of_integers(value: int) -> None:
    assert parse_param(0, str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_texts_of_floats(value: float) -> None:
    assert parse_param(0.0, repr(value)) == value


@pytest.mark.parametrize(
    ("plain", "kind"), [(True, "bool"), (1, "int"), (1.0, "float"), ("a", "str"), ([], "list"), (INT, "int")]
)
def test_a_plain_value_defines_its_type(plain: Any, kind: str) -> None:
    assert param_def(plain).type == kind


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"type": "str", "value": "a", "min": 1}, "for int and float, not for str"),
        ({"type": "int", "value": 1, "min": 3, "max": 2}, "greater than max"),
        ({"type": "choice", "value": "a"}, "needs choices"),
        ({"type": "int", "value": 1, "choices": [1]}, "for type choice"),
        ({"type": "int", "value": 7, "max": 2}, "greater than its maximum"),
        ({"type": "bool", "value": "yes"}, "true or false"),
    ],
)
def test_definitions_that_are_wrong_in_themselves(facts: dict[str, Any], said: str) -> None:
    assert said in str(definition_problem(definition(**facts)))


def test_a_right_definition_has_no_problem() -> None:
    assert [definition_problem(d) for d in (FLOAT, INT, CHOICE, PATH)] == [None] * 4


def test_no_parameter_is_a_dictionary() -> None:
    with pytest.raises(ParamRefused, match=r"not \{\} \(dict\)"):
        Params({"a": {}})


def test_a_wrong_definition_is_refused_by_name() -> None:
    with pytest.raises(ParamRefused, match=r"parameter 'a': .*needs choices"):
        Params({"a": definition(type="choice", value="x")})


def test_all_changes_or_none() -> None:
    params = Params({"threshold": FLOAT, "verbose": False, "old": 1})
    with pytest.raises(ParamRefused, match="threshold"):
        params.apply({"verbose": True}, ParamChanges(remove=("old",), add={"new": "x"}), {"threshold": 9})
    assert params == {"threshold": 0.5, "verbose": False, "old": 1}
    params.apply({"verbose": True}, ParamChanges(remove=("old",), add={"new": "x"}), {"threshold": 2, "new": "y"})
    assert params == {"threshold": 2.0, "verbose": True, "new": "y"}
    assert set(params.definitions) == {"threshold", "verbose", "new"}


def test_unknown_parameters_say_what_was_meant() -> None:
    params = Params({"threshold": FLOAT})
    with pytest.raises(ParamRefused, match="no parameter 'treshold'; did you mean 'threshold'"):
        params.apply({"treshold": 1})
    with pytest.raises(ParamRefused, match="the parameters are 'threshold'"):
        params.apply(ParamChanges(remove=("zzz",)))
    with pytest.raises(ParamRefused, match="are none"):
        Params().apply({"a": 1})


def test_a_parameter_added_again_has_its_new_definition() -> None:
    params = Params({"a": 1})
    params.apply(ParamChanges(add={"a": "text"}))
    assert params == {"a": "text"}
    params.apply({"a": "b"})
    assert params["a"] == "b"


def test_params_resolve_paths_from_the_graphs_folder() -> None:
    params = Params({"model": PATH}, folder="/graphs")
    assert params["model"] == "/graphs/model.pt"
    params.apply({"model": "other.pt"})
    assert params["model"] == "/graphs/other.pt"


def test_the_dictionary_that_the_script_holds_stays_the_same_object() -> None:
    params = Params({"a": 1})
    held = params
    params.apply({"a": 2})
    assert held["a"] == 2


def test_changes_travel_between_processes() -> None:
    changes = ParamChanges({"a": 1}, {"b": FLOAT}, ("c",))
    assert pickle.loads(pickle.dumps(changes)) == changes
