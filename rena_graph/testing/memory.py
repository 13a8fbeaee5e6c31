"""A stream in plain memory: a writer, its readers and a waiter with the transport's interface, in one process.

For tests of scripts and bridges; all samples are kept, up to a capacity.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rena_graph.streams.spec import StreamSpec
from rena_graph.transport.board import EdgeColumn, Row, StreamColumn
from rena_graph.transport.histogram import BUCKETS
from rena_graph.transport.interface import ChunkInfo, EdgeOptions

__all__ = ["MemoryReader", "MemoryStream", "MemoryWaiter", "MemoryWriter", "memory_row"]

Stamps = NDArray[np.float64]


def memory_row() -> Row:
    """A row of counters, and a histogram, that belong to no board."""
    cells = memoryview(bytearray(8 * (64 + BUCKETS)))
    return Row(cells.cast("Q"), cells.cast("d"))


class MemoryStream:
    """One stream: :attr:`writer` puts samples in, each :meth:`reader` takes all of them.

    Parameters
    ----------
    spec : StreamSpec
        What flows.
    capacity : int
        Samples that are kept for readers; a reader further behind loses the oldest.
    monotonic : callable
        The clock that chunks are stamped with, in seconds.
    """

    def __init__(
        self, spec: StreamSpec, capacity: int = 1_000_000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.spec = spec
        self.capacity = capacity
        self.changed = threading.Condition()
        self.row = memory_row()
        self.data: NDArray[Any] = np.empty((0, spec.channels), spec.numpy_dtype)
        self.timestamps: Stamps = np.empty(0)
        self.oldest = 0
        self.chunks: list[ChunkInfo] = []
        self.ended = False
        self._monotonic = monotonic
        self.writer = MemoryWriter(self)

    @property
    def produced(self) -> int:
        """Sequence number of the next sample."""
        return self.oldest + len(self.timestamps)

    def reader(self, policy: Literal["fifo", "latest"] = "fifo") -> MemoryReader:
        """A new edge, which begins with what is published from now on."""
        return MemoryReader(self, EdgeOptions(0, policy))

    def wait_for(self, samples: int, timeout: float) -> bool:
        """Wait until so many samples were published; False where `timeout` seconds passed or the stream ended."""
        with self.changed:
            self.changed.wait_for(lambda: self.produced >= samples or self.ended, timeout)
            return self.produced >= samples

    def _append(self, data: NDArray[Any], timestamps: Stamps, origin: float) -> int:
        with self.changed:
            first = self.produced
            self.data = np.concatenate((self.data, data))[-self.capacity :]
            self.timestamps = np.concatenate((self.timestamps, timestamps))[-self.capacity :]
            self.oldest = first + len(timestamps) - len(self.timestamps)
            self.chunks.append(ChunkInfo(first, len(timestamps), self._monotonic(), origin, 0))
            self.row.add(StreamColumn.CHUNKS)
            self.row.ints[StreamColumn.PRODUCED] = self.produced
            self.changed.notify_all()
        return first


class MemoryWriter:
    """See :class:`~rena_graph.transport.interface.StreamWriter`; it never blocks."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream
        self.spec = stream.spec

    def publish(self, data: NDArray[Any], timestamps: Stamps, origin: float = float("nan")) -> int:
        """Append a chunk. A wrong shape or dtype is a ValueError here: tests want to see it."""
        shape = (len(timestamps), self.spec.channels)
        if data.shape != shape or data.dtype != self.spec.numpy_dtype or timestamps.dtype != np.float64:
            raise ValueError(f"{self.spec.name}: {data.dtype} {data.shape}, needed is {self.spec.numpy_dtype} {shape}")
        return self._stream._append(data, timestamps, origin)

    def wait_for_readers(self, count: int, timeout: float) -> bool:
        """True: a reader is there as soon as it is made."""
        return True

    def stop_blocking(self) -> None:
        """Nothing to do: it never blocks."""

    def give_up_hope(self) -> None:
        """Nothing to do: it never blocks."""

    def close(self) -> None:
        """Tell readers that no more comes."""
        with self._stream.changed:
            self._stream.ended = True
            self._stream.row.ints[StreamColumn.ENDED] = 1
            self._stream.changed.notify_all()


class MemoryReader:
    """See :class:`~rena_graph.transport.interface.StreamReader`."""

    def __init__(self, stream: MemoryStream, edge: EdgeOptions) -> None:
        self._stream = stream
        self.spec = stream.spec
        self.edge = edge
        self.row = memory_row()
        self._position = stream.produced
        self._peeked = 0
        self.row.ints[EdgeColumn.START] = self.row.ints[EdgeColumn.POSITION] = self._position
        self.row.ints[EdgeColumn.ACTIVE] = 1

    def pending(self) -> int:
        """Samples that can be taken now."""
        with self._stream.changed:
            self._drop(self._stream.oldest - self._position, EdgeColumn.DROPPED_OVERRUN)
            if self.edge.policy == "latest" and self._stream.chunks:
                self._drop(self._stream.chunks[-1].first - self._position, EdgeColumn.DROPPED_LATEST)
            return self._stream.produced - self._position

    def peek(self, limit: int | None = None) -> tuple[NDArray[Any], Stamps]:
        """The oldest `limit` pending samples."""
        pending = self.pending()
        with self._stream.changed:
            start = self._position - self._stream.oldest
            end = start + (pending if limit is None else min(limit, pending))
            self._peeked = self._position
            return self._stream.data[start:end], self._stream.timestamps[start:end]

    def commit(self, count: int) -> bool:
        """Take `count` samples; False where they were pushed out meanwhile."""
        with self._stream.changed:
            if self._stream.oldest > self._peeked:
                self._drop(self._stream.oldest - self._position, EdgeColumn.DROPPED_OVERRUN)
                return False
            self._position += count
            self.row.add(EdgeColumn.DELIVERED, count)
            self.row.ints[EdgeColumn.POSITION] = self._position
            return True

    def intact(self, first: int) -> bool:
        """Whether the samples from `first` on are still kept."""
        with self._stream.changed:
            return first >= self._stream.oldest

    def window(self, count: int) -> tuple[NDArray[Any], Stamps, int]:
        """The newest `count` samples up to the read position, and the first one's sequence number."""
        with self._stream.changed:
            first = max(self._stream.oldest, self._position - count)
            kept = slice(first - self._stream.oldest, self._position - self._stream.oldest)
            return self._stream.data[kept], self._stream.timestamps[kept], first

    def skip(self, count: int, reason: str = "window") -> None:
        """Pass over the oldest `count` pending samples, counted as dropped for `reason`."""
        with self._stream.changed:
            self._drop(min(count, self._stream.produced - self._position), EdgeColumn[f"DROPPED_{reason.upper()}"])

    def retract(self, count: int, reason: str) -> None:
        """Count the last `count` delivered samples as dropped for `reason` after all."""
        self.row.ints[EdgeColumn.DELIVERED] -= count
        self.row.add(EdgeColumn[f"DROPPED_{reason.upper()}"], count)

    def newest(self) -> ChunkInfo | None:
        """The newest chunk published."""
        with self._stream.changed:
            return self._stream.chunks[-1] if self._stream.chunks else None

    def chunk_at(self, sequence: int) -> ChunkInfo | None:
        """The chunk that holds this sample."""
        with self._stream.changed:
            index = bisect.bisect_right(self._stream.chunks, sequence, key=lambda chunk: chunk.first) - 1
            chunk = self._stream.chunks[index] if index >= 0 else None
            return chunk if chunk is not None and sequence < chunk.first + chunk.count else None

    @property
    def position(self) -> int:
        """Sequence number of the next sample to take."""
        return self._position

    @property
    def ended(self) -> bool:
        """Whether the writer closed and all was taken."""
        with self._stream.changed:
            return self._stream.ended and self._position >= self._stream.produced

    def close(self) -> None:
        """Let go."""
        self.row.ints[EdgeColumn.ACTIVE] = 0

    def _drop(self, count: int, column: EdgeColumn) -> None:
        if count > 0:
            self._position += count
            self.row.add(column, count)
            self.row.ints[EdgeColumn.POSITION] = self._position


class MemoryWaiter:
    """See :class:`~rena_graph.transport.interface.Waiter`; waits for one reader's stream."""

    def __init__(self, reader: MemoryReader, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._changed = reader._stream.changed
        self._monotonic = monotonic
        self._rung = False
        self.doorbell = self

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def wait(self, deadline: float | None, on_data: bool) -> None:
        """Sleep until `deadline`, the doorbell, or (with `on_data`) data or the stream's end."""
        stream, reader = self._reader._stream, self._reader
        with self._changed:
            timeout = None if deadline is None else max(0.0, deadline - self._monotonic())
            self._changed.wait_for(
                lambda: self._rung or (on_data and (stream.ended or stream.produced > reader.position)), timeout
            )
            self._rung = False

    def close(self) -> None:
        """Nothing is held."""
