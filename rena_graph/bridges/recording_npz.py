"""Reading a recorded stream from an NPZ file, without unpickling anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.recorded_stream import RecordedStream, samples_array
from rena_graph.errors import StreamFormatError

__all__ = ["read_npz"]

_KEYS = ("data", "rate", "timestamps", "channels", "channel_names", "unit")


def read_npz(path: Path) -> RecordedStream:
    """Read ``data``, ``rate`` or ``timestamps``, and perhaps ``channels`` (or ``channel_names``) and ``unit``.

    ``data`` is ``(samples, channels)``, or ``(samples,)`` for one channel. Other keys are left alone. Nothing is
    unpickled.
    """
    try:
        # Opened here, since numpy leaves a damaged file open.
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise StreamFormatError(f"recording {path}: a single array, not an NPZ archive: use numpy.savez")
            names = list(file.files)
            found = {key: file[key] for key in _KEYS if key in names}
    except StreamFormatError:
        raise
    except Exception as error:
        # On damaged files zipfile, zlib and numpy raise whatever they stumble over.
        hint = " (arrays of Python objects are not read: save numbers or text)" if "pickle" in str(error) else ""
        raise StreamFormatError(f"recording {path}: cannot be read: {type(error).__name__}: {error}{hint}") from error
    if "data" not in found:
        raise StreamFormatError(f'recording {path}: no array "data"; found {", ".join(names) or "nothing"}')
    if "rate" not in found and "timestamps" not in found:
        raise StreamFormatError(f'recording {path}: neither "rate" (Hz) nor "timestamps" (s); one of them is needed')
    data = samples_array(path, found["data"])
    rate = _rate(path, found)
    return RecordedStream(
        data, _timestamps(path, found, len(data), rate), rate, _names(path, found, data.shape[1]), _unit(path, found)
    )


def _number(path: Path, found: Mapping[str, NDArray[Any]], key: str) -> float:
    value = found[key]
    if value.size != 1 or value.dtype.kind not in "iuf":
        raise StreamFormatError(
            f"recording {path}: {key} has the shape {value.shape} and is {value.dtype}, not a number"
        )
    return float(value.reshape(()))


def _rate(path: Path, found: Mapping[str, NDArray[Any]]) -> float | None:
    if "rate" not in found:
        return None
    rate = _number(path, found, "rate")
    if not (np.isfinite(rate) and rate >= 0) or (rate == 0 and "timestamps" not in found):
        raise StreamFormatError(
            f"recording {path}: a rate of {rate:g} Hz; it must be greater than 0, or 0 with timestamps"
        )
    return rate


def _timestamps(path: Path, found: Mapping[str, NDArray[Any]], samples: int, rate: float | None) -> NDArray[np.float64]:
    if "timestamps" not in found:
        return np.arange(samples) / (rate or 1.0)
    timestamps = found["timestamps"]
    if timestamps.shape != (samples,) or timestamps.dtype.kind not in "iuf":
        raise StreamFormatError(
            f"recording {path}: timestamps are {timestamps.dtype} of shape {timestamps.shape}, needed is one "
            f"number for each of the {samples} samples"
        )
    return timestamps.astype(np.float64)


def _names(path: Path, found: Mapping[str, NDArray[Any]], channels: int) -> tuple[str, ...] | None:
    key = "channel_names" if "channel_names" in found else "channels"
    if key not in found:
        return None
    names = found[key]
    if names.dtype.kind in "iu" and names.size == 1:
        if int(names.reshape(())) != channels:
            raise StreamFormatError(f"recording {path}: {key} is {names}, but data has {channels} columns")
        return None
    if names.dtype.kind != "U" or names.size != channels:
        raise StreamFormatError(
            f"recording {path}: {key} holds {names.size} values of {names.dtype}, needed is one name for each of the "
            f"{channels} channels"
        )
    return tuple(str(name) for name in names.reshape(-1))


def _unit(path: Path, found: Mapping[str, NDArray[Any]]) -> str | None:
    if "unit" not in found:
        return None
    unit = found["unit"]
    if unit.size != 1 or unit.dtype.kind != "U":
        raise StreamFormatError(f"recording {path}: unit is {unit.dtype} of shape {unit.shape}, not one text")
    return str(unit.reshape(())) or None
