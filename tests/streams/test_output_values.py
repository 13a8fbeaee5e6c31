"""Which values an output takes, as what, and how it says no."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused
from rena_graph.graph.document import DTYPES
from rena_graph.streams.convert import OrientationRule, to_samples, to_stamps
from rena_graph.streams.spec import StreamSpec

NUMERIC = [d for d in DTYPES if d != "string"]
INTEGERS = [d for d in NUMERIC if np.dtype(d).kind in "iu"]


def spec(channels: int = 3, dtype: str = "float32") -> StreamSpec:
    return StreamSpec("s", channels, dtype)


def convert(value: object, channels: int = 3, dtype: str = "float32", rule: OrientationRule = "samples_first") -> Any:
    result = to_samples(value, spec(channels, dtype), rule)
    assert result.dtype == spec(channels, dtype).numpy_dtype
    assert result.flags.c_contiguous
    assert result.ndim == 2
    assert result.shape[1] == channels
    return result


@pytest.mark.parametrize("dtype", NUMERIC)
@pytest.mark.parametrize("shape", [(5, 3), (3,)])
def test_the_right_array_is_not_copied(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    assert np.shares_memory(convert(array, dtype=dtype), array)


@pytest.mark.parametrize(
    ("value", "channels", "samples"),
    [
        ([1, 2, 3], 3, [[1, 2, 3]]),
        ((1, 2.5, True), 3, [[1, 2.5, 1]]),
        ([1, 2.0], 2, [[1, 2]]),
        (7, 1, [[7]]),
        (7.5, 1, [[7.5]]),
        (np.float64(7), 1, [[7]]),
        (np.array(7), 1, [[7]]),
        (True, 1, [[1]]),
        ([1, 2, 3, 4], 1, [[1], [2], [3], [4]]),
        ([[1, 2, 3], [4, 5, 6]], 3, [[1, 2, 3], [4, 5, 6]]),
        ([np.array([1, 2, 3])], 3, [[1, 2, 3]]),
        (range(3), 3, [[0, 1, 2]]),
        (np.array([1, 2, 3], ">f8"), 3, [[1, 2, 3]]),
        (np.arange(12.0).reshape(2, 6)[:, ::2], 3, [[0, 2, 4], [6, 8, 10]]),
        (np.ma.masked_array([1, 2, 3]), 3, [[1, 2, 3]]),
        (np.array([np.nan, np.inf, -np.inf]), 3, [[np.nan, np.inf, -np.inf]]),
    ],
)  # fmt: skip
def test_what_is_taken(value: object, channels: int, samples: list[list[float]]) -> None:
    np.testing.assert_array_equal(convert(value, channels), np.array(samples, np.float32))


def test_what_has_an_array_in_it_is_taken() -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
            return np.array([1.0, 2.0, 3.0])

    assert convert(Tensor()).tolist() == [[1, 2, 3]]


def test_a_finite_number_too_large_for_float32_becomes_infinity() -> None:
    assert convert([1e300, -1e300, 0]).tolist() == [[np.inf, -np.inf, 0]]


class Explosive:
    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        raise RuntimeError("it lies on a GPU")


@pytest.mark.parametrize(
    ("value", "dtype", "said"),
    [
        ([1, 2], "float32", r"expected 3 channels of float32: 3 values, or samples of shape \(n, 3\); got .*\(2,\)"),
        (np.zeros((4, 4)), "float32", r"got an array of shape \(4, 4\)$"),
        (np.zeros((3, 5)), "float32", r"shape \(3, 5\), the other way round.*\(samples, channels\).*x\.T"),
        (np.zeros((1, 1, 3)), "float32", r"\(1, 1, 3\); flatten it"),
        (np.zeros(0), "float32", r"shape \(0,\)"),
        (5, "float32", "one value of int64"),
        ([[1, 2, 3], [4]], "float32", "ragged list"),
        ([1, "a", 2], "float32", "got text"),
        (["1", "2", "3"], "float32", "got text"),
        ("abc", "float32", "one value of text"),
        ([1, None, 2], "float32", "mixed objects"),
        ([1j, 0, 0], "float32", "complex"),
        ([2**70, 0, 0], "int64", "beyond 64 bits"),
        (np.array([1, 2, 3], "M8[s]"), "int64", "dates"),
        (np.array([b"a", b"b", b"c"]), "float32", "bytes"),
        (b"abc", "int8", "a value of type bytes$"),
        ({"a": 1}, "float32", "a value of type dict$"),
        ({1, 2, 3}, "float32", "a value of type set$"),
        ((x for x in "abc"), "float32", "a value of type generator$"),
        (object(), "float32", "a value of type object$"),
        (Explosive(), "float32", "Explosive that is no array: it lies on a GPU"),
        (np.array([object()] * 3), "float32", "mixed objects"),
        (np.zeros(3, [("x", "f4")]), "float32", "got"),
        ([1, 2, 300], "uint8", "300, outside of 0 to 255"),
        ([1, 2, -1], "uint64", "-1, outside of 0 to 18446744073709551615"),
        ([1, np.nan, 3], "int16", "nan, outside"),
        ([1, np.inf, 3], "int64", "inf, outside"),
        ([1, 2.0**63, 3], "int64", "outside of -9223372036854775808 to 9223372036854775807"),
        ([0, 1, 2], "bool", "2, outside of 0 to 1"),
        ([0, 1, 0.5], "bool", "0.5, outside of 0 to 1"),
    ],
)  # fmt: skip
def test_what_is_refused(value: object, dtype: str, said: str) -> None:
    with pytest.raises(OutputRefused, match=said):
        convert(value, dtype=dtype)


@pytest.mark.parametrize(
    ("rule", "shape", "transposed"),
    [
        ("original", (3, 5), True),
        ("original", (5, 3), False),
        ("original", (3, 3), True),
        ("samples_first", (5, 3), False),
        ("samples_first", (3, 3), False),
        ("channels_first", (3, 5), True),
        ("channels_first", (3, 3), True),
    ],
)
def test_which_way_round(rule: OrientationRule, shape: tuple[int, int], transposed: bool) -> None:
    array = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(convert(array, rule=rule), array.T if transposed else array)


def test_the_wrong_way_round_with_channels_first() -> None:
    with pytest.raises(OutputRefused, match=r"shape \(3, n\); got.*\(5, 3\), the other way.*\(channels, samples\)"):
        convert(np.zeros((5, 3)), rule="channels_first")


def test_a_picture_of_the_right_size_must_be_flattened() -> None:
    with pytest.raises(OutputRefused, match=r"x\.reshape\(-1\)"):
        convert(np.zeros((4, 5, 3), np.uint8), channels=60, dtype="uint8")


@given(
    array=hnp.arrays(
        st.sampled_from([np.dtype(d) for d in NUMERIC]), hnp.array_shapes(min_dims=1, max_dims=2, max_side=4)
    ),
    dtype=st.sampled_from(INTEGERS),
)
def test_integers_come_out_truncated_or_not_at_all(array: NDArray[Any], dtype: str) -> None:
    """Against Python's own integers, which have no range and no rounding."""
    target = StreamSpec("s", array.shape[-1], dtype)
    limits = np.iinfo(dtype)
    values = array.reshape(-1).tolist()
    fits = all(np.isfinite(v) and limits.min <= int(v) <= limits.max for v in values)
    if fits:
        assert to_samples(array, target, "samples_first").reshape(-1).tolist() == [int(v) for v in values]
    else:
        with pytest.raises(OutputRefused, match="outside of"):
            to_samples(array, target, "samples_first")


@given(st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_floats_come_out_as_they_are(values: list[float]) -> None:
    np.testing.assert_array_equal(to_samples(values, spec(len(values)), "samples_first")[0], values)


@pytest.mark.parametrize(
    ("value", "channels", "samples"),
    [
        ("go", 1, [["go"]]),
        (["a", "b"], 1, [["a"], ["b"]]),
        (["a", "b"], 2, [["a", "b"]]),
        ([["a", "b"], ["c", "d"]], 2, [["a", "b"], ["c", "d"]]),
        (np.array(["a", "bc"]), 2, [["a", "bc"]]),
        (np.array(["a", "bc"], object), 2, [["a", "bc"]]),
        (np.str_("x"), 1, [["x"]]),
        ([np.str_("x"), "ß"], 2, [["x", "ß"]]),
        ("", 1, [[""]]),
    ],
)
def test_text_that_is_taken(value: object, channels: int, samples: list[list[str]]) -> None:
    result = convert(value, channels, "string")
    assert result.tolist() == samples
    assert all(type(item) is str for item in result.flat)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "a value of type int; turn it into text"),
        ([1.5], "a value of type float; turn"),
        (np.zeros(1), "float64; turn"),
        (["a", 1], "a value of type int; turn"),
        (["a", ["b"]], "a value of type list; turn"),
        (b"a", "a value of type bytes$"),
        ([b"a"], "a value of type bytes; turn"),
        ({}, "a value of type dict$"),
        ([None], "a value of type NoneType; turn"),
    ],
)
def test_text_that_is_refused(value: object, said: str) -> None:
    with pytest.raises(OutputRefused, match=said):
        convert(value, 1, "string")


def test_one_timestamp_is_that_of_the_newest_sample() -> None:
    np.testing.assert_allclose(to_stamps(10.0, 3, 4.0), [9.5, 9.75, 10.0])
    np.testing.assert_array_equal(to_stamps(np.float32(10), 3, 0.0), [10, 10, 10])
    np.testing.assert_array_equal(to_stamps(7, 1, 100.0), [7])


def test_one_timestamp_for_each_sample() -> None:
    stamps = to_stamps((1, 2.5, 4), 3, 100.0)
    assert stamps.dtype == np.float64
    assert stamps.tolist() == [1, 2.5, 4]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1.0, 2.0], r"each of its 3 samples, got an array of shape \(2,\)"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\)"),
        ([1.0, np.nan, 2.0], "finite"),
        (np.inf, "finite"),
        ("now", "numbers in seconds, not text"),
        ([1, None, 2], "mixed objects"),
        (True, "not bool"),
        ([[1], [2, 3]], "cannot be read"),
        (Explosive(), "cannot be read: it lies on a GPU"),
    ],
)
def test_timestamps_that_are_refused(value: object, said: str) -> None:
    with pytest.raises(OutputRefused, match=said):
        to_stamps(value, 3, 100.0)
