"""The pool gives an array again only when nobody can see it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rena_graph.streams.pool import ArrayPool

ROWS = 10


def pool_with_spare() -> tuple[ArrayPool, NDArray[Any], NDArray[np.float64]]:
    pool = ArrayPool(3, np.dtype(np.float32))
    data, stamps = pool.take(ROWS)
    pool.give(data, stamps)
    return pool, data, stamps


def test_an_array_that_nobody_sees_comes_again() -> None:
    pool, data, stamps = pool_with_spare()
    addresses = data.ctypes.data, stamps.ctypes.data
    watch = weakref.ref(data), weakref.ref(stamps)
    del data, stamps
    again = pool.take(ROWS)
    assert (again[0].ctypes.data, again[1].ctypes.data) == addresses
    assert (watch[0](), watch[1]()) == again


HOLDERS: list[Callable[[NDArray[Any]], Any]] = [
    lambda array: array,
    lambda array: array[2:5],
    lambda array: array[2:5].T[1:],
    lambda array: array[:1].reshape(-1)[::2],
    lambda array: array[1:].data,
    lambda array: np.frombuffer(array[3:].data, np.uint8),
    lambda array: array[0].flat,
    lambda array: {"in": [array]},
    lambda array: lambda: array,
]


@pytest.mark.parametrize("hold", HOLDERS)
def test_an_array_that_somebody_sees_does_not(hold: Callable[[NDArray[Any]], Any]) -> None:
    pool, data, stamps = pool_with_spare()
    watch = weakref.ref(data)
    held = hold(data)
    del data, stamps
    fresh, _ = pool.take(ROWS)
    assert fresh is not watch()
    assert watch() is not None
    del held, fresh
    assert watch() is None, "an array that was not taken again is let go"


def test_data_and_timestamps_are_looked_at_each_for_itself() -> None:
    pool, data, stamps = pool_with_spare()
    address = data.ctypes.data
    held = stamps[4:]
    del data, stamps
    again, fresh_stamps = pool.take(ROWS)
    assert again.ctypes.data == address
    assert not np.shares_memory(fresh_stamps, held)


def test_another_size_is_not_served_from_what_is_kept() -> None:
    pool, data, stamps = pool_with_spare()
    del data, stamps
    data, stamps = pool.take(ROWS + 1)
    assert data.shape == (ROWS + 1, 3)
    assert stamps.shape == (ROWS + 1,)


def test_arrays_of_objects_are_not_kept() -> None:
    pool = ArrayPool(1, np.dtype(object))
    data, stamps = pool.take(ROWS)
    text = type("Text", (str,), {})("a marker")
    watch = weakref.ref(text)
    data[0, 0] = text
    pool.give(data, stamps)
    del data, stamps, text
    assert watch() is None
