"""Values as JSON and back, with what JSON has no words for: arrays, NumPy's numbers, tuples. Used on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np


def pack(value: Any) -> Any:
    """A value that JSON can say."""
    if isinstance(value, np.ndarray):
        return {
            "array": [pack(item) for item in value.ravel().tolist()],
            "shape": value.shape,
            "dtype": str(value.dtype),
        }
    if isinstance(value, np.generic):
        return {"scalar": value.item(), "dtype": str(value.dtype)}
    if isinstance(value, tuple):
        return {"tuple": [pack(item) for item in value]}
    if isinstance(value, list):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[key, pack(item)] for key, item in value.items()]}
    return value


def unpack(value: Any) -> Any:
    """What was packed."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return np.array([unpack(item) for item in value["array"]], value["dtype"]).reshape(value["shape"])
    if "scalar" in value:
        return np.dtype(value["dtype"]).type(value["scalar"])
    if "tuple" in value:
        return tuple(unpack(item) for item in value["tuple"])
    return {key: unpack(item) for key, item in value["dict"]}
