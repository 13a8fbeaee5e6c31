"""Looks at a stream of another host: for people, few samples at a time, through the control socket and a Ray call.

This is no way for data: a look is bounded, and what is too much for it is counted and left out. Each one is whole in
itself: a tap is opened for it, where the look before stopped, so that nobody keeps anything between two of them.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from rena_graph.errors import TransportError
from rena_graph.runtime.clock import Clock
from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.interface import ChunkInfo, Samples, StreamPort
from rena_graph.transport.tap import RingTap, Seen

__all__ = ["MOST_BYTES", "look_at", "seen_of", "take_look"]

MOST_BYTES = 256 << 10
"""Of samples and timestamps in one look."""
_TEXT_BYTES = 256
"""That a string counts as."""
_STAMP_BYTES = 8
_TRIES = 3


def look_at(port: StreamPort | None, stream: str, request: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    """What a host agent answers: :func:`take_look`, or ``refused`` with the reason."""
    if port is None:
        return {"refused": f"stream {stream!r} is not there, or not yet"}
    # Whoever is held up between the two reads too little.
    offset = max(clock.now() - time.monotonic() for _ in range(_TRIES))
    try:
        return take_look(port, request, offset)
    except TransportError as error:
        return {"refused": str(error)}


def take_look(port: StreamPort, request: Mapping[str, Any], offset: float) -> dict[str, Any]:
    """Look at a ring of this host.

    Parameters
    ----------
    port : StreamPort
        Where the ring is.
    request : mapping
        ``position``: where the look before stopped; null at first, and then so many of the ``newest`` samples that are
        there already count too. ``limit``: samples, at most. ``values``: whether the samples themselves are wanted.
    offset : float
        Graph time less this host's monotonic clock, seconds.

    Returns
    -------
    dict
        What :func:`seen_of` reads, as JSON-able values.

    Raises
    ------
    TransportError
        The stream is gone, or so wide that not one sample of it may travel.
    """
    values = bool(request["values"])
    most = _most(port.spec, values)
    with RingTap(port, request["newest"], request["position"]) as tap:
        skipped = tap.skip_to(most)
        seen = tap.read(min(most, request["limit"]))
        stamps = np.ascontiguousarray(seen.timestamps, np.float64)
        return {
            "position": tap.position,
            "ended": tap.ended,
            "missed": seen.missed + skipped,
            "stamps": _packed(stamps),
            "data": _data(port.spec, seen.data) if values else None,
            "chunks": [[c.first, c.count, c.published + offset, c.epoch] for c in seen.chunks],
        }


def _most(spec: StreamSpec, values: bool) -> int:
    """Samples in one look."""
    if not values:
        return MOST_BYTES // _STAMP_BYTES
    each = _STAMP_BYTES + (spec.channels * _TEXT_BYTES if spec.is_string else spec.sample_bytes)
    if each > MOST_BYTES:
        raise TransportError(
            f"stream {spec.name!r} lies on another host, and a sample of it has {each:,} bytes; samples of at most "
            f"{MOST_BYTES:,} are shown from there. `stream hz` measures how it flows, whatever its width"
        )
    return MOST_BYTES // each


def _data(spec: StreamSpec, data: Samples) -> Any:
    return data.tolist() if spec.is_string else _packed(np.ascontiguousarray(data))


def _packed(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def seen_of(spec: StreamSpec, answer: Mapping[str, Any]) -> Seen:
    """What a look brought, as a tap of this host gives it; without its samples where those were not wanted.

    Parameters
    ----------
    spec : StreamSpec
        The stream's format.
    answer : mapping
        Of :func:`take_look`.
    """
    stamps = np.frombuffer(base64.b64decode(answer["stamps"]), "<f8").astype(np.float64)
    if answer["data"] is None:
        data = np.empty((0, spec.channels), spec.numpy_dtype)
    elif spec.is_string:
        data = np.array(answer["data"], object).reshape(len(stamps), spec.channels)
    else:
        flat = np.frombuffer(base64.b64decode(answer["data"]), np.dtype(spec.numpy_dtype).newbyteorder("<"))
        data = flat.astype(spec.numpy_dtype).reshape(len(stamps), spec.channels)
    nowhere = float("nan")
    chunks = tuple(ChunkInfo(first, count, at, nowhere, epoch) for first, count, at, epoch in answer["chunks"])
    return Seen(data, stamps, answer["missed"], chunks)
