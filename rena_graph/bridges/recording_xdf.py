"""Reading one stream of an XDF file, through pyxdf."""

from __future__ import annotations

import difflib
import gzip
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.bridges.recorded_stream import RecordedStream, samples_array
from rena_graph.errors import StreamFormatError, StreamNotFound

__all__ = ["read_xdf"]

logger = logging.getLogger(__name__)

_DTYPES = {"float32": "float32", "double64": "float64", "int8": "int8", "int16": "int16", "int32": "int32"}
_DTYPES |= {"int64": "int64", "string": "string"}


def read_xdf(path: Path, stream: str | None) -> RecordedStream:
    """Read the stream of this name.

    Timestamps are put onto the recording computer's clock and otherwise left as they are, as in a live inlet:
    they are not made even (no dejittering).

    Raises
    ------
    StreamNotFound
        There is no such stream in the file; the message lists those there are.
    StreamFormatError
        The file is damaged, or several streams could be meant.
    """
    import pyxdf

    try:
        # Opened here, since pyxdf leaves a file that it refuses open.
        with gzip.open(path, "rb") if path.suffix.lower() == ".xdfz" else path.open("rb") as file:
            streams, _ = pyxdf.load_xdf(file, synchronize_clocks=True, dejitter_timestamps=False, verbose=False)
    except Exception as error:
        raise StreamFormatError(f"recording {path}: not a sound XDF file: {type(error).__name__}: {error}") from error
    return _recording(path, _choose(path, streams, stream))


def _choose(path: Path, streams: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    names = [_text(stream["info"], "name") or "" for stream in streams]
    listed = ", ".join(repr(name) for name in names) or "none"
    if wanted is None:
        if len(streams) != 1:
            raise StreamFormatError(f'recording {path}: say which "stream" is meant; the file holds {listed}')
        return streams[0]
    matching = [stream for stream, name in zip(streams, names, strict=True) if name == wanted]
    if not matching:
        near = difflib.get_close_matches(wanted, names, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise StreamNotFound(f"recording {path}: no stream {wanted!r} in it{hint}; it holds {listed}")
    if len(matching) > 1:
        logger.warning("recording %s: %d streams are named %r; taking the longest", path, len(matching), wanted)
    return max(matching, key=lambda stream: len(stream["time_stamps"]))


def _recording(path: Path, stream: dict[str, Any]) -> RecordedStream:
    info = stream["info"]
    dtype = _DTYPES.get(_text(info, "channel_format") or "")
    if dtype is None:
        raise StreamFormatError(f"recording {path}: channel format {_text(info, 'channel_format')!r} is not known")
    try:
        channels, rate = int(_text(info, "channel_count") or ""), float(_text(info, "nominal_srate") or "")
    except ValueError as error:
        raise StreamFormatError(f"recording {path}: its header has no channel count or no rate: {error}") from error
    timestamps = np.asarray(stream["time_stamps"], np.float64)
    data = _samples(path, stream["time_series"], len(timestamps), channels, dtype)
    labels, units = _channel_texts(info, "label", channels), _channel_texts(info, "unit", channels)
    unit = units[0] if units and len(set(units)) == 1 else None
    return RecordedStream(data, timestamps, rate, labels, unit)


def _samples(path: Path, series: Any, samples: int, channels: int, dtype: str) -> NDArray[Any]:
    if dtype == "string":
        data = np.empty((samples, channels), dtype=object)
        for i, row in enumerate(series):
            data[i] = row
        return data
    array = np.asarray(series, dtype)
    # pyxdf gives a stream without samples the shape (0,) or (0, channels), as the versions have it.
    array = array.reshape(0, channels) if samples == 0 else array
    if array.shape != (samples, channels):
        raise StreamFormatError(f"recording {path}: data has the shape {array.shape}, not ({samples}, {channels})")
    return samples_array(path, array)


def _text(info: dict[str, Any], key: str) -> str | None:
    value = info.get(key)
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else None


def _channel_texts(info: dict[str, Any], key: str, channels: int) -> tuple[str, ...] | None:
    """One text a channel out of ``desc/channels/channel``; None where any is missing: headers are written by hand."""
    try:
        entries = info["desc"][0]["channels"][0]["channel"]
        texts = tuple(entry[key][0] for entry in entries)
    except (KeyError, IndexError, TypeError):
        return None
    return texts if len(texts) == channels and all(isinstance(text, str) and text for text in texts) else None
