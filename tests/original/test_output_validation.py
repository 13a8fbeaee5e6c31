"""What may be assigned to an output, beside the original's ``validate_output``: same samples, same refusals."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused
from rena_graph.streams.convert import to_samples
from rena_graph.streams.spec import StreamSpec
from tests.original.environment import Original

compared = settings(
    max_examples=200,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8")
channel_counts = st.integers(1, 4)
numbers = st.integers(-100, 300) | st.floats(-300, 300, width=32)


def ours(value: Any, channels: int, dtype: str) -> NDArray[Any] | None:
    """Samples as a script with the original's names sends them; None where they are refused."""
    try:
        return to_samples(value, StreamSpec("s", channels, dtype, 0.0), "original")
    except OutputRefused:
        return None


def theirs(original: Original, value: Any, channels: int, dtype: str) -> NDArray[Any] | None:
    """The same, by the original."""
    samples: NDArray[Any] | None = original.ask("output", value=value, channels=channels, dtype=dtype)["samples"]
    return samples


def fits(value: Any, dtype: str) -> bool:
    """Whether the type holds the values, which else wrap around in the original and are refused here."""
    if dtype.startswith("float"):
        return True
    info = np.iinfo(dtype)
    items = np.asarray(value).ravel().tolist()
    return all(math.isfinite(item) and info.min <= math.trunc(item) <= info.max for item in items)


shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
dense = st.one_of(
    arrays.arrays(st.sampled_from([np.dtype(d) for d in ("float32", "float64", "int16", "int64", "bool")]), shapes)
)


@compared
@np.errstate(invalid="ignore")  # hypothesis knows signalling NaNs too, which trip when they are cast
@given(dense, channel_counts, st.sampled_from(DTYPES))
def test_arrays(original: Original, value: NDArray[Any], channels: int, dtype: str) -> None:
    mine, other = ours(value, channels, dtype), theirs(original, value, channels, dtype)
    if channels == 1 and value.ndim == 1 and len(value) != 1:
        # On purpose: N values of a stream of one channel are N samples; the original refuses them.
        assert other is None
        other = value.reshape(-1, 1).astype(dtype) if fits(value, dtype) else None
    if not fits(value, dtype):
        assert mine is None, "on purpose: never wrapped"
    elif other is None:
        assert mine is None
    else:
        assert mine is not None
        assert mine.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(mine, other)


rows = st.lists(numbers, min_size=1, max_size=5)
listed = st.one_of(rows, rows.map(tuple), st.lists(rows, min_size=1, max_size=4), st.lists(rows.map(tuple), min_size=1))


@compared
@given(listed, channel_counts)
def test_lists(original: Original, value: Any, channels: int) -> None:
    mine, other = ours(value, channels, "float64"), theirs(original, value, channels, "float64")
    if other is not None:
        assert mine is not None
        np.testing.assert_array_equal(mine, other)
        return
    flat = not isinstance(value[0], (list, tuple))
    mixed = flat and len({type(item) for item in value}) > 1
    # On purpose: mixed numbers, and many samples of one channel, are accepted here.
    if mixed and len(value) == channels:
        np.testing.assert_array_equal(mine, np.array([value], np.float64))
    elif channels == 1 and flat:
        np.testing.assert_array_equal(mine, np.array(value, np.float64).reshape(-1, 1))
    else:
        assert mine is None


@compared
@given(arrays.arrays(np.float64, st.tuples(channel_counts, channel_counts)), channel_counts)
def test_squares_have_channels_first(original: Original, value: NDArray[Any], channels: int) -> None:
    mine, other = ours(value, channels, "float64"), theirs(original, value, channels, "float64")
    assert (mine is None) == (other is None)
    if mine is not None:
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("value", [5, 2.5, True, np.float32(1.5)])
def test_a_number_is_refused_there_and_accepted_here(original: Original, value: Any) -> None:
    assert theirs(original, value, 1, "float64") is None
    assert ours(value, 1, "float64") is not None
    assert ours(value, 2, "float64") is None


@pytest.mark.parametrize(
    "value",
    [
        "text", ["a"], [[1.0, 2.0], [3.0]], [[1.0], [2.0, 3.0]], {"data": 1}, [None], np.zeros((1, 2, 3)),
        np.array(["a", "b"]), np.zeros((3, 3)), [[]], np.zeros((3, 0)),
    ],
)  # fmt: skip
def test_what_neither_sends(original: Original, value: Any) -> None:
    assert theirs(original, value, 2, "float64") is None
    assert ours(value, 2, "float64") is None


def test_none_among_numbers_is_nan_there_and_refused_here(original: Original) -> None:
    other = theirs(original, [[None, 1.0]], 2, "float64")
    assert other is not None
    np.testing.assert_array_equal(other, [[np.nan, 1.0]])
    assert ours([[None, 1.0]], 2, "float64") is None


@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
def test_no_samples_are_no_samples(original: Original, shape: tuple[int, int]) -> None:
    mine, other = ours(np.zeros(shape), 2, "float64"), theirs(original, np.zeros(shape), 2, "float64")
    assert mine is not None
    assert other is not None
    assert mine.shape == other.shape == (0, 2)
