"""From what a script assigned to an output to samples of exactly the stream's shape and dtype, or a refusal."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused
from rena_graph.streams.spec import StreamSpec

__all__ = ["OrientationRule", "to_samples", "to_stamps"]

OrientationRule = Literal["original", "samples_first", "channels_first"]
Array = NDArray[Any]


def to_samples(value: object, spec: StreamSpec, rule: OrientationRule) -> Array:
    """Samples ``(n, channels)`` of the stream's dtype, C-contiguous; no copy where `value` is that already.

    Parameters
    ----------
    value : object
        A number (or text), a list, tuple or array of one or two dimensions.
    spec : StreamSpec
        The stream.
    rule : {'original', 'samples_first', 'channels_first'}
        Which axis of two is the channels: either that fits, the first of two that fit (PhysioLabXR's rule); the
        second; the first.

    Raises
    ------
    OutputRefused
        The stream cannot carry it. The message says what was expected and what came.
    """
    dtype = spec.numpy_dtype
    array: Array = value if type(value) is np.ndarray else _as_array(value, spec, rule)
    array = _oriented(array, spec, rule)
    if array.dtype != dtype or dtype.hasobject:
        array = _as_text(array, spec, rule) if dtype.hasobject else _cast(array, spec, rule)
    return np.ascontiguousarray(array)


def to_stamps(value: object, count: int, rate: float) -> NDArray[np.float64]:
    """The script's own timestamps for `count` samples.

    Parameters
    ----------
    value : object
        One per sample; or one number, which stamps the newest sample: the others lie ``1 / rate`` apart before it
        (all at it where `rate` is 0), as an LSL client takes one number for a chunk.
    count : int
        Samples.
    rate : float
        Hz.

    Raises
    ------
    OutputRefused
        Not numbers, not finite, or a wrong count.
    """
    try:
        stamps = np.asarray(value)
    except Exception as error:  # the script's own object may raise anything here
        raise OutputRefused(f"its timestamps cannot be read: {error}") from error
    if stamps.dtype.kind not in "iuf":
        raise OutputRefused(f"its timestamps must be numbers in seconds, not {_kind(stamps)}")
    stamps = stamps.astype(np.float64)
    if not np.isfinite(stamps).all():
        raise OutputRefused("its timestamps must be finite")
    if stamps.ndim == 0:
        period = 1.0 / rate if rate > 0 else 0.0
        return np.arange(1 - count, 1, dtype=np.float64) * period + float(stamps)
    if stamps.shape != (count,):
        raise OutputRefused(
            f"expected one timestamp, or one for each of its {count} samples, got an array of shape {stamps.shape}"
        )
    return stamps


def _refused(spec: StreamSpec, rule: OrientationRule, got: str) -> OutputRefused:
    channels = spec.channels
    if channels == 1:
        expected = f"one channel of {spec.dtype}: a value, or samples of shape (n,) or (n, 1)"
    else:
        shape = {
            "original": f"({channels}, n) or (n, {channels})",
            "samples_first": f"(n, {channels})",
            "channels_first": f"({channels}, n)",
        }[rule]
        expected = f"{channels} channels of {spec.dtype}: {channels} values, or samples of shape {shape}"
    return OutputRefused(f"expected {expected}; got {got}")


def _kind(array: Array) -> str:
    """What an array holds, in a script author's words."""
    words = {"U": "text", "S": "bytes", "c": "complex numbers", "O": "mixed objects", "M": "dates", "m": "time spans"}
    return words.get(array.dtype.kind, str(array.dtype))


def _as_array(value: object, spec: StreamSpec, rule: OrientationRule) -> Array:
    kind = type(value).__name__
    if isinstance(value, (dict, set, frozenset, bytes, bytearray)):
        raise _refused(spec, rule, f"a value of type {kind}")
    try:
        array: Array = np.asarray(value, dtype=object) if spec.is_string else np.asarray(value)
    except Exception as error:  # an object of the script's (a tensor on a GPU) may raise anything
        ragged = isinstance(error, ValueError) and isinstance(value, (list, tuple))
        got = f"a ragged {kind}, its rows differ in length" if ragged else f"a {kind} that is no array: {error}"
        raise _refused(spec, rule, got) from error
    if array.ndim == 0 and array.dtype.kind == "O" and not spec.is_string:
        raise _refused(spec, rule, f"a value of type {kind}")
    return array


def _oriented(array: Array, spec: StreamSpec, rule: OrientationRule) -> Array:
    """``(samples, channels)``, whichever of the accepted ways round it came."""
    channels, shape = spec.channels, array.shape
    if array.ndim == 2:
        if shape[0] == channels and rule != "samples_first":
            return np.transpose(array)
        if shape[1] == channels and rule != "channels_first":
            return array
    elif array.ndim == 1:
        if channels == 1:
            return array.reshape(-1, 1)
        if shape[0] == channels:
            return array.reshape(1, channels)
    elif array.ndim == 0 and channels == 1:
        return array.reshape(1, 1)
    got = f"one value of {_kind(array)}" if array.ndim == 0 else f"an array of shape {shape}"
    raise _refused(spec, rule, got + _remedy(shape, channels, rule))


def _remedy(shape: tuple[int, ...], channels: int, rule: OrientationRule) -> str:
    if len(shape) == 2 and channels in shape:
        order = "(samples, channels)" if rule == "samples_first" else "(channels, samples)"
        return f", the other way round: this node's layout is {order}; assign its transpose, x.T"
    if len(shape) > 2 and int(np.prod(shape)) == channels:
        return "; flatten it with x.reshape(-1)"
    return ""


def _as_text(array: Array, spec: StreamSpec, rule: OrientationRule) -> Array:
    if array.dtype.kind in "UT":
        return array.astype(object)
    got = _kind(array)
    if array.dtype.kind == "O":
        wrong = next((type(item).__name__ for item in array.flat if not isinstance(item, str)), None)
        if wrong is None:
            text = np.empty(array.shape, dtype=object)
            text.flat[:] = [str(item) for item in array.flat]  # plain str also where they are numpy's
            return text
        got = f"a value of type {wrong}"
    raise _refused(spec, rule, f"{got}; turn it into text with str(...)")


def _cast(array: Array, spec: StreamSpec, rule: OrientationRule) -> Array:
    """Numbers in the stream's dtype. Floats lose their fraction in an integer dtype, as in PhysioLabXR; none wraps."""
    dtype = spec.numpy_dtype
    if array.dtype.kind not in "biuf":
        too_big = array.dtype.kind == "O" and all(isinstance(item, int) for item in array.flat)
        raise _refused(spec, rule, "integers beyond 64 bits" if too_big else _kind(array))
    if dtype.kind in "iub" and not np.can_cast(array.dtype, dtype, "safe"):
        _check_range(array, spec, rule)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinity, which passes
        return array.astype(dtype)


def _check_range(array: Array, spec: StreamSpec, rule: OrientationRule) -> None:
    if spec.dtype == "bool":
        low, high = 0, 1
        inside = (array == 0) | (array == 1)
    else:
        limits = np.iinfo(spec.dtype)
        low, high = int(limits.min), int(limits.max)
        whole = np.trunc(array) if array.dtype.kind == "f" else array
        # For floats compared with `high + 1`, a power of two, which they hold exactly; int64's `high` they do not.
        below = whole < float(high + 1) if array.dtype.kind == "f" else whole <= high
        inside = (whole >= low) & below  # NaN compares false
    if not inside.all():
        raise _refused(spec, rule, f"{array[~inside].flat[0]}, outside of {low} to {high}")
