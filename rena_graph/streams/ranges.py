"""Cutting a stretch out of a stream, by time or by index."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["index_range", "time_range"]

Array = NDArray[Any]


def time_range(data: Array, timestamps: Array, start: float, end: float, *, axis: int) -> tuple[Array, Array]:
    """Copies of the samples stamped from `start` to `end` seconds, both included.

    Parameters
    ----------
    data, timestamps : ndarray
        A stream; `axis` of `data` is its samples.
    start, end : float
        Seconds.

    Raises
    ------
    ValueError
        `start` is later than `end`, or one of them is NaN.
    """
    if not start <= end:
        raise ValueError(f"the start of a time range, {start}, must not be later than its end, {end}")
    chosen = (timestamps >= start) & (timestamps <= end)
    return np.compress(chosen, data, axis=axis), timestamps[chosen]


def index_range(data: Array, timestamps: Array, start: int, end: int, *, axis: int) -> tuple[Array, Array]:
    """Views of the samples from index `start` (included) to `end` (not included, may lie behind the last).

    Raises
    ------
    ValueError
        A negative index, or `start` greater than `end`.
    """
    if start < 0 or end < 0:
        raise ValueError(f"an index range counts from the oldest sample: {start} and {end} must not be negative")
    if start > end:
        raise ValueError(f"the start of an index range, {start}, must not be greater than its end, {end}")
    along: list[slice] = [slice(None)] * data.ndim
    along[axis] = slice(start, end)
    return data[tuple(along)], timestamps[start:end]
