"""``physiolabxr.utils.data_utils``: the functions that scripts take from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "camel_to_snake_case",
    "convert_dict_keys_to_snake_case",
    "get_date_string",
    "integer_one_hot",
    "interp_negative",
    "is_homogeneous_type",
    "mode_by_column",
    "reject_outliers",
    "signal_generator",
    "window_slice",
]

Array = NDArray[Any]


def window_slice(
    data: Array,
    window_size: int,
    stride: int,
    channel_mode: Literal["channel_last", "channel_first"] = "channel_last",
) -> Array:
    """Windows of `window_size` samples, `stride` apart: shape ``(windows, window_size, channels)``.

    As in the original, a window that ends with the very last sample is left out, unless it is the only one.

    Raises
    ------
    ValueError
        Not two dimensions, a window longer than the data, or a stride below 1.
    """
    if data.ndim != 2 or channel_mode not in ("channel_last", "channel_first"):
        raise ValueError(f"expected data of two dimensions and a channel_mode, got {data.shape} and {channel_mode!r}")
    samples = data.T if channel_mode == "channel_first" else data
    if window_size > len(samples) or stride < 1:
        raise ValueError(f"windows of {window_size}, {stride} apart, do not fit {len(samples)} samples")
    if window_size == len(samples):
        return np.expand_dims(samples, 0)
    return np.stack([samples[end - window_size : end] for end in range(window_size, len(samples), stride)])


def integer_one_hot(values: ArrayLike, num_classes: int) -> Array:
    """One row per integer, with a 1 in its column."""
    rows: Array = np.eye(num_classes, dtype=int)[np.asarray(values, dtype=int).reshape(-1)]
    return rows


def interp_negative(values: Array) -> Array:
    """A copy in which negative values are interpolated between their neighbours."""
    result = np.array(values, copy=True)
    bad = result < 0
    if not bad.all():
        result[bad] = np.interp(np.flatnonzero(bad), np.flatnonzero(~bad), result[~bad])
    return result


def reject_outliers(data: Array, m: float = 2.0) -> Array:
    """What lies less than `m` median deviations from the median; everything where that deviation is 0."""
    distance = np.abs(data - np.median(data))
    spread = np.median(distance)
    kept: Array = data[distance < m * spread] if spread else data
    return kept


def mode_by_column(array: Array, ignore: object = None) -> list[Any]:
    """The most frequent value of each column, the smallest of several; `ignore` where nothing else is in it."""
    modes: list[Any] = []
    for column in array.T:
        values, counts = np.unique(column[column != ignore], return_counts=True)
        modes.append(values[counts.argmax()] if len(values) else ignore)
    return modes


def signal_generator(f: float, fs: float, duration: float, amp: float) -> NDArray[np.float32]:
    """A sine of `f` Hz sampled at `fs` Hz for `duration` seconds, with amplitude `amp`."""
    sine = np.sin(2 * np.pi * np.arange(fs * duration) * f / fs)
    return np.multiply(sine, amp, dtype=np.float64).astype(np.float32)


def get_date_string() -> str:
    """The local date and time as ``MM_DD_YYYY_hh_mm_ss``, for file names."""
    return datetime.now().strftime("%m_%d_%Y_%H_%M_%S")


def is_homogeneous_type(items: Iterable[Any]) -> type | Literal[False]:
    """The type that all items have, or False."""
    types = {type(item) for item in items}
    return types.pop() if len(types) == 1 else False


def camel_to_snake_case(name: str) -> str:
    """``StreamName`` as ``stream_name``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def convert_dict_keys_to_snake_case(items: Mapping[str, Any]) -> dict[str, Any]:
    """The same dictionary with keys in snake case."""
    return {camel_to_snake_case(key): value for key, value in items.items()}
