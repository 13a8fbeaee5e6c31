"""What ``save_state()`` returns, as bytes and back: msgpack with arrays, tuples and long integers; never pickle."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import numpy as np

from rena_graph.errors import StateRefused

__all__ = ["decode_state", "encode_state"]

_ARRAY, _SCALAR, _TUPLE, _LONG = 1, 2, 3, 4
_KINDS = "biufcSUmM"
"""Kinds of numpy dtype that are nothing but their bytes."""
_PLAIN = (type(None), bool, int, float, str, bytes)
_ALLOWED = "None, bool, int, float, str, bytes, list, tuple, dict, numpy arrays and numpy scalars"
_DEPTH = 200
_HEAD = struct.Struct("<BB")


class _Unfit(Exception):
    """Something that cannot be saved, found by the packer, which does not know where it is."""


def encode_state(value: Any) -> bytes:
    """The bytes of a state.

    Parameters
    ----------
    value : object
        Made of None, bool, int, float, str, bytes, list, tuple, dict, and numpy arrays and scalars that hold no Python
        objects. Types are kept: a tuple comes back as a tuple, an array with its dtype and shape, in C order.

    Raises
    ------
    StateRefused
        Something else is in it; the message has the path to it and its type.
    """
    try:
        return _pack(value, 0)
    except (_Unfit, TypeError, ValueError, OverflowError, UnicodeEncodeError) as problem:
        raise StateRefused(_explain(value, problem)) from None


def decode_state(raw: bytes) -> Any:
    """The state that these bytes were made of; arrays are new and writable.

    Raises
    ------
    StateRefused
        They are not a state of this version.
    """
    try:
        return _unpack(raw)
    except (ValueError, TypeError, KeyError, struct.error, msgpack.UnpackException) as problem:
        raise StateRefused(f"the saved state does not decode: {problem}") from problem


def _pack(value: Any, depth: int) -> bytes:
    if depth > _DEPTH:
        raise _Unfit("nested")

    def other(part: Any) -> msgpack.ExtType:
        kind = type(part)
        if kind is tuple:
            return msgpack.ExtType(_TUPLE, _pack(list(part), depth + 1))
        if kind is np.ndarray and part.dtype.kind in _KINDS:
            return msgpack.ExtType(_ARRAY, _array(part))
        if isinstance(part, np.generic) and part.dtype.kind in _KINDS:
            return msgpack.ExtType(_SCALAR, _array(np.asarray(part)))
        if kind is int:
            # Wider than msgpack's 64 bits: numpy's random generators have such in their state.
            return msgpack.ExtType(_LONG, part.to_bytes(part.bit_length() // 8 + 1, "little", signed=True))
        raise _Unfit(kind.__name__)

    packed: bytes = msgpack.packb(value, default=other, strict_types=True, use_bin_type=True)
    return packed


def _array(array: np.ndarray[Any, Any]) -> bytes:
    dtype: bytes = array.dtype.str.encode()
    shape = struct.pack(f"<{array.ndim}Q", *array.shape)
    return _HEAD.pack(len(dtype), array.ndim) + dtype + shape + bytes(array.tobytes())


def _unpack(raw: bytes) -> Any:
    unpacked: Any = msgpack.unpackb(raw, ext_hook=_extension, strict_map_key=False, raw=False)
    return unpacked


def _extension(code: int, raw: bytes) -> Any:
    if code == _TUPLE:
        return tuple(_unpack(raw))
    if code == _LONG:
        return int.from_bytes(raw, "little", signed=True)
    if code not in (_ARRAY, _SCALAR):
        raise ValueError(f"it holds an extension {code}, which this version does not know")
    length, dimensions = _HEAD.unpack_from(raw)
    at = _HEAD.size + length
    dtype = np.dtype(raw[_HEAD.size : at].decode())
    if dtype.kind not in _KINDS:
        raise ValueError(f"it holds an array of dtype {dtype}")
    shape = struct.unpack_from(f"<{dimensions}Q", raw, at)
    array = np.frombuffer(raw, dtype, offset=at + 8 * dimensions).reshape(shape)
    return array.copy() if code == _ARRAY else array[()]


def _explain(value: Any, problem: Exception) -> str:
    """Where in the value the first thing is that cannot be saved, and what it is."""
    found = _find(value, "state", 0)
    if found is None:
        return f"it cannot be encoded: {problem}"
    return f"{found}; a state may be made of {_ALLOWED}"


def _find(value: Any, path: str, depth: int) -> str | None:
    if depth > _DEPTH:
        return f"{path[:60]}… is nested deeper than {_DEPTH} levels (does it hold itself?)"
    kind = type(value)
    if kind in (list, tuple):
        parts = ((part, f"{path}[{i}]") for i, part in enumerate(value))
    elif kind is dict:
        for key in value:
            if (found := _find(key, f"a key of {path}", depth + 1)) is not None:
                return found
        parts = ((part, f"{path}[{key!r}]") for key, part in value.items())
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in _KINDS:
        return f"{path} is a numpy {'array' if isinstance(value, np.ndarray) else 'scalar'} of dtype {value.dtype}"
    elif kind in _PLAIN or kind is np.ndarray or isinstance(value, np.generic):
        if kind is str:
            try:
                value.encode()
            except UnicodeEncodeError as error:
                return f"{path} is a str that is no text: {error.reason}"
        return None
    else:
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        return f"{path} is of type {module}{kind.__qualname__}"
    return next((found for part, at in parts if (found := _find(part, at, depth + 1)) is not None), None)
