"""Saved states: what goes in comes out the same, and what cannot is named."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import StateRefused
from rena_graph.streams.state_codec import decode_state, encode_state

dtypes = st.sampled_from(["bool", "i1", "<u2", ">i4", "i8", "u8", "f2", "f4", ">f8", "c8", "c16", "U3", "S2", "M8[ns]"])
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    dtype, shape = np.dtype(draw(dtypes)), draw(shapes)
    raw = draw(st.binary(min_size=8, max_size=8)) * (1 + math.prod(shape) * dtype.itemsize)
    if dtype.kind == "U":
        return np.array(["", "äb", "x\u20ac"] * 9)[: math.prod(shape)].astype(dtype).reshape(shape)
    if dtype.kind == "b":
        return (np.frombuffer(raw, "u1", math.prod(shape)) & 1).astype(bool).reshape(shape)
    return np.frombuffer(raw, dtype, math.prod(shape)).reshape(shape)


plain = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**200), 2**200) | st.floats() | st.text() | st.binary()
)
keys = plain.filter(lambda key: key == key) | st.tuples(st.integers(), st.text())
values = st.recursive(
    plain | arrays() | arrays().map(lambda a: a.ravel()[0] if a.size else np.float32(1)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, (np.ndarray, np.generic)):
        alike: bool = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        return alike
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one, other)) and all(map(same, one.values(), other.values())) and len(one) == len(other)
    return bool(one == other or (one != one and other != other))


@given(values)
def test_a_state_comes_back_as_it_was(value: Any) -> None:
    assert same(decode_state(encode_state(value)), value)


def test_arrays_come_back_writable_and_their_own() -> None:
    filtered = np.arange(12.0).reshape(3, 4)
    raw = encode_state({"zi": filtered[:, ::2], "fortran": np.asfortranarray(filtered)})
    filtered[:] = 0
    state = decode_state(raw)
    state["zi"][0, 0] = 5
    assert state["zi"].tolist() == [[5, 2], [4, 6], [8, 10]]
    assert np.array_equal(state["fortran"], np.arange(12.0).reshape(3, 4))


def test_the_state_of_a_random_generator_can_be_kept() -> None:
    generator, other = np.random.default_rng(3), np.random.default_rng(4)
    generator.random(7)
    other.bit_generator.state = decode_state(encode_state(generator.bit_generator.state))
    assert other.random() == generator.random()


class Own:
    pass


def _itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Own(), ["state is of type", "test_state_codec.Own"]),
        ({"filters": [1, {"zi": Own()}]}, ["state['filters'][1]['zi']", "Own"]),
        ({"a": {1, 2}}, ["state['a']", "set"]),
        (collections.deque([1]), ["collections.deque"]),
        (collections.OrderedDict(a=1), ["collections.OrderedDict"]),
        ({"x": np.array([None])}, ["state['x']", "dtype object"]),
        ({"x": (1, np.zeros(2, [("a", "f4")]))}, ["state['x'][1]", "'a'"]),
        ({Own(): 1}, ["a key of state", "Own"]),
        ({"s": "\ud800"}, ["state['s']", "str"]),
        (_itself(), ["nested deeper than 200"]),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_path_and_type(value: Any, words: list[str]) -> None:
    with pytest.raises(StateRefused) as caught:
        encode_state(value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@given(st.binary(max_size=60))
def test_other_bytes_are_refused_and_run_nothing(raw: bytes) -> None:
    try:
        decode_state(raw)
    except StateRefused:
        return


def test_a_state_that_was_cut_off_is_refused() -> None:
    raw = encode_state({"a": np.arange(10), "b": (1, 2, "x")})
    for end in range(len(raw)):
        with pytest.raises(StateRefused):
            decode_state(raw[:end])
