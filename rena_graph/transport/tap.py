"""Looks at a stream without being one of its readers: no edge, no place in the ledger, nobody who waits for it.

On a ring the tap maps the segment read-only: it cannot disturb it, and is not woken by the writer, which would cost the
writer time; it looks when its owner asks. Over ZMQ it is one more subscriber, which the writer drops messages for as
soon as its queue is full; a chunk costs the writer's I/O thread one more send while the tap is open.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

import numpy as np
import zmq

from rena_graph.errors import TransportError, WireError
from rena_graph.transport import wire, zmq_context
from rena_graph.transport.chunk_table import ChunkTable
from rena_graph.transport.geometry import Word
from rena_graph.transport.interface import ChunkInfo, Samples, Stamps, StreamPort
from rena_graph.transport.mapping import map_segment
from rena_graph.transport.strings import texts_of

__all__ = ["RingTap", "Seen", "Tap", "ZmqTap", "open_tap"]

_MARGIN = 8
"""A tap that was overtaken leaves one in so many of the samples that are still there."""
_QUEUE_MESSAGES = 1000


class Seen(NamedTuple):
    """What one look brought.

    Attributes
    ----------
    data : ndarray, shape (samples, channels)
        The tap's own copy.
    timestamps : ndarray of float64, shape (samples,)
        Graph time, seconds.
    missed : int
        Samples before these that went by unseen.
    chunks : tuple of ChunkInfo
        The publishes that these came in, as far as they are remembered.
    """

    data: Samples
    timestamps: Stamps
    missed: int
    chunks: tuple[ChunkInfo, ...]


class Tap(Protocol):
    """An open tap; from one thread."""

    def read(self, limit: int | None = None) -> Seen:
        """What came since the last look, at most about the oldest `limit` samples of it; never waits."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the writer said that no more comes, and all was seen."""
        ...

    def close(self) -> None:
        """Let go."""
        ...

    def __enter__(self) -> Tap: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None: ...


class _Closing:
    def close(self) -> None:
        """Let go."""

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class RingTap(_Closing):
    """A tap on a ring.

    Parameters
    ----------
    port : StreamPort
        Where the segment is.
    newest : int
        Samples that are there already and are to be seen too, at most.
    position : int | None
        Where an earlier tap stopped, to go on from there; instead of `newest`.

    Raises
    ------
    TransportError
        The segment is missing, or another stream's.
    """

    def __init__(self, port: StreamPort, newest: int = 0, position: int | None = None) -> None:
        segment = map_segment(Path(port.address), port.spec, port.capacity, writable=False, header_writable=False)
        self._segment = segment
        self._words = segment.words
        self._text = port.spec.is_string
        self._chunks = ChunkTable(segment)
        committed = self._words[Word.COMMITTED]
        self._position = max(self._words[Word.FLOOR], committed - newest) if position is None else position
        self._position = min(self._position, committed)

    @property
    def position(self) -> int:
        """The number of the sample that is seen next, from the stream's first one."""
        return self._position

    def skip_to(self, newest: int) -> int:
        """Leave out all but the newest so many samples; how many those were."""
        skipped = max(0, self._words[Word.COMMITTED] - newest - self._position)
        self._position += skipped
        return skipped

    def read(self, limit: int | None = None) -> Seen:
        """See :class:`Tap`."""
        segment, words = self._segment, self._words
        capacity, stamp_capacity = segment.geometry.capacity, segment.geometry.stamps
        missed = 0
        while True:
            committed, floor = words[Word.COMMITTED], words[Word.FLOOR]
            if floor > self._position:
                # Some room, so as not to be overtaken again while copying.
                to = min(committed, floor + (committed - floor) // _MARGIN)
                missed += to - self._position
                self._position = to
            first = self._position
            count = committed - first if limit is None else min(limit, committed - first)
            slot, stamp = first % capacity, first % stamp_capacity
            data = segment.data[slot : slot + count].copy()
            stamps = segment.stamps[stamp : stamp + count].copy()
            # Nothing that was copied belongs to a newer lap as long as the floor has not passed the position.
            texts = texts_of(segment, data, self._intact) if self._text else data
            if texts is not None and self._intact():
                self._position = first + count
                return Seen(texts, stamps, missed, self._chunks_of(first, first + count))

    def _intact(self) -> bool:
        return bool(self._words[Word.FLOOR] <= self._position)

    def _chunks_of(self, first: int, end: int) -> tuple[ChunkInfo, ...]:
        found: list[ChunkInfo] = []
        while first < end:
            chunk = self._chunks.find(first)
            if chunk is None:
                break
            found.append(chunk)
            first = chunk.first + chunk.count
        return tuple(found)

    @property
    def ended(self) -> bool:
        """See :class:`Tap`."""
        return bool(self._words[Word.ENDED]) and self._words[Word.COMMITTED] <= self._position

    def __enter__(self) -> RingTap:
        return self


class ZmqTap(_Closing):
    """A tap on a stream over ZMQ. It sees what is published from a moment after it was opened on.

    Parameters
    ----------
    port : StreamPort
        Its address is the endpoint to connect to; nobody need be there yet.
    """

    def __init__(self, port: StreamPort) -> None:
        self._codec = wire.Codec(port.spec)
        self._empty = np.empty((0, port.spec.channels), port.spec.numpy_dtype)
        self._expected: int | None = None
        self._ended = False
        self._socket = zmq_context.acquire().socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.setsockopt(zmq.RCVHWM, _QUEUE_MESSAGES)
        for kind in (wire.chunk_topic(), wire.end_topic()):
            self._socket.setsockopt(zmq.SUBSCRIBE, kind)
        try:
            self._socket.connect(port.address)
        except zmq.ZMQError as problem:
            self.close()
            raise TransportError(f"stream {port.spec.name!r}: cannot connect to {port.address}: {problem}") from problem

    def read(self, limit: int | None = None) -> Seen:
        """See :class:`Tap`; whole chunks, until there are `limit` samples or more."""
        data: list[Samples] = []
        stamps: list[Stamps] = []
        chunks: list[ChunkInfo] = []
        missed = samples = 0
        while (limit is None or samples < limit) and (message := self._next()) is not None:
            first, count = message.info.first, message.info.count
            if self._expected is not None and first < self._expected:
                continue  # of a writer that is over
            missed += 0 if self._expected is None else first - self._expected
            self._expected = first + count
            self._ended = False
            data.append(message.data)
            stamps.append(message.timestamps)
            chunks.append(message.info)
            samples += count
        if not data:
            return Seen(self._empty, np.empty(0), missed, ())
        return Seen(np.concatenate(data), np.concatenate(stamps), missed, tuple(chunks))

    def _next(self) -> wire.Chunk | None:
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            try:
                message = self._codec.decode(frames)
            except WireError:
                continue  # the stream's readers count it, and say so
            if isinstance(message, wire.Chunk):
                return message
            self._ended = isinstance(message, wire.End)

    @property
    def ended(self) -> bool:
        """See :class:`Tap`."""
        return self._ended

    def close(self) -> None:
        """Let go."""
        if not self._socket.closed:
            self._socket.close(0)
            zmq_context.release()

    def __enter__(self) -> ZmqTap:
        return self


def open_tap(port: StreamPort, newest: int = 0) -> Tap:
    """Look at a stream; `newest` samples of those that are there already are seen too, where there is a ring.

    Raises
    ------
    TransportError
        There is no such stream (any more).
    """
    return RingTap(port, newest) if port.transport == "ring" else ZmqTap(port)
