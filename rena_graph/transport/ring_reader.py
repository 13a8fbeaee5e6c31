"""The reading end of a stream in shared memory: views of the ring, and the proof that they were whole."""

from __future__ import annotations

import time
from pathlib import Path

from rena_graph.errors import UsageError
from rena_graph.transport import futex
from rena_graph.transport.board import Board, EdgeColumn
from rena_graph.transport.chunk_table import ChunkTable
from rena_graph.transport.edge_reader import EdgeReader
from rena_graph.transport.geometry import Word
from rena_graph.transport.interface import ChunkInfo, EdgeOptions, Samples, Stamps, StreamPort
from rena_graph.transport.mapping import map_segment

__all__ = ["RingReader"]

_FLOOR = int(Word.FLOOR)
_COMMITTED = int(Word.COMMITTED)
_HOLES = int(Word.HOLES)
_POSITION = int(EdgeColumn.POSITION)
_DELIVERED = int(EdgeColumn.DELIVERED)
_LAST_TIMESTAMP = int(EdgeColumn.LAST_TIMESTAMP)
_AWAY_NS = int(EdgeColumn.AWAY_NS)
_MARGIN = 8
"""A reader that was overtaken leaves one in so many of the samples that are still there."""


class RingReader(EdgeReader):
    """One edge's end of a ring; see :class:`~rena_graph.transport.interface.StreamReader`.

    Parameters
    ----------
    port : StreamPort
        Where the segment is.
    edge : EdgeOptions
        The edge's row on the board, and what to do when this reader cannot keep up.
    board : Board
        This host's counters.
    start : int | None
        Sequence number at which to begin; by default behind all that was published.
    resume : bool
        Go on where the edge's reader before stopped; what was overwritten since is dropped, reason ``restart``.
    """

    def __init__(
        self, port: StreamPort, edge: EdgeOptions, board: Board, start: int | None = None, resume: bool = False
    ) -> None:
        super().__init__(port.spec, edge, board.edge(edge.index))
        segment = map_segment(Path(port.address), port.spec, port.capacity, writable=False)
        self._segment = segment
        self._words = segment.words
        self._data = segment.data
        self._stamps = segment.stamps
        self._stamp_values = segment.stamps.data
        self._capacity = segment.geometry.capacity
        self._stamp_capacity = segment.geometry.stamps
        self._chunks = ChunkTable(segment)
        self._holes = self._words[_HOLES]
        self._latest = edge.policy == "latest"
        self._progress = futex.waker(futex.address_of(self._ints, 8 * EdgeColumn.POSITION))
        self._blocking = edge.policy == "block"
        self._attach(start, resume)

    def _attach(self, start: int | None, resume: bool) -> None:
        self._away_until = -1
        if resume and self._ints[EdgeColumn.READER_EPOCH]:
            self._resume()
            self._seen_from = self._ints[EdgeColumn.START]
            self._away_until = self._position
            self._lose(EdgeColumn.DROPPED_RESTART)
        else:
            committed = self._words[_COMMITTED]
            if start is not None and not 0 <= start <= committed:
                raise UsageError(f"stream {self.spec.name!r}: cannot start at {start}, {committed} were published")
            self._begin(committed if start is None else start)
            self._seen_from = self._position
        self._activate()
        self._announce()

    def _announce(self) -> None:
        # Any value that was not there before makes the writer look; two readers that come at once cannot clash.
        self._words[Word.READERS] = time.monotonic_ns()
        self._progress()

    @property
    def bell(self) -> memoryview:
        """The stream's doorbell; changes with each publish."""
        return self._segment.bell

    @property
    def bell_address(self) -> int:
        """Where the doorbell lies, for the futex calls."""
        return self._segment.bell_address

    def pending(self) -> int:
        """Samples that can be taken now, after counting what was overtaken or skipped."""
        words = self._words
        # In this order: a floor that is looked at later can only be higher.
        available = words[_COMMITTED] - self._position
        if words[_FLOOR] > self._position:
            available = self._lose(EdgeColumn.DROPPED_OVERRUN)
        if self._latest and available:
            available = self._jump(available)
        self._available = available
        return available

    def _lose(self, column: EdgeColumn) -> int:
        """Count what was overwritten, and leave the writer so much room that it is not overtaken again at once.

        Returns what can be taken then.
        """
        words = self._words
        while True:
            committed = words[_COMMITTED]
            floor = words[_FLOOR]
            if floor <= self._position:
                return int(committed - self._position)
            if self._position == self._away_until:
                # Nothing was taken yet: it is still the restart (a long init(), say) that this was missed for. Nor
                # is what the margin passes over part of any window.
                column = EdgeColumn.DROPPED_RESTART
            # Behind a hole there is no writer who gains on this reader.
            hole = self._words[_HOLES] != self._holes
            room = 0 if hole else max(0, committed - floor) // _MARGIN
            self._drop(min(committed, floor + room) - self._position, column)
            if column is EdgeColumn.DROPPED_RESTART:
                self._seen_from = self._away_until = self._position

    def _drop(self, count: int, column: EdgeColumn) -> None:
        """Count what is passed over; what never came, since the link that brings the stream lost it, apart."""
        holes = self._words[_HOLES]
        if holes != self._holes:
            missing = min(holes - self._holes, count)
            self._holes += missing
            super()._drop(missing, EdgeColumn.DROPPED_LINK)
            count -= missing
        super()._drop(count, column)

    def _jump(self, available: int) -> int:
        """Leave out all before the newest chunk."""
        newest = self._chunks.newest()
        if newest is None or newest[0] <= self._position:
            return available
        self._drop(newest[0] - self._position, EdgeColumn.DROPPED_LATEST)
        return newest[1]

    def peek(self, limit: int | None = None) -> tuple[Samples, Stamps]:
        """The oldest `limit` of the samples that :meth:`pending` found, as read-only views.

        Returns
        -------
        data : ndarray, shape (samples, channels)
        timestamps : ndarray of float64, shape (samples,)
        """
        count = self._available
        if limit is not None and limit < count:
            count = limit
        slot = self._position % self._capacity
        stamp = self._position % self._stamp_capacity
        return self._data[slot : slot + count], self._stamps[stamp : stamp + count]

    def commit(self, count: int) -> bool:
        """Take `count` samples of the last peek; False when the writer overtook them while they were copied."""
        if not 0 <= count <= self._available:
            self._check(count)
        position = self._position
        last = self._stamp_values[(position + count - 1) % self._stamp_capacity]
        if self._words[_FLOOR] > position:
            self._lose(EdgeColumn.DROPPED_OVERRUN)
            self._available = 0
            return False
        if not count:
            return True
        self._available -= count
        self._position = position = position + count
        ints = self._ints
        ints[_DELIVERED] += count
        ints[_POSITION] = position
        self._floats[_LAST_TIMESTAMP] = last
        if self._blocking:
            self._moved()
        return True

    def skip(self, count: int, reason: str = "window") -> None:
        """Pass over the oldest `count` pending samples, counted as dropped for `reason`."""
        super().skip(count, reason)
        if self._blocking:
            self._moved()

    def _moved(self) -> None:
        """The writer may go on; and a reader that had died before this one is back."""
        self._ints[_AWAY_NS] = 0
        self._progress()

    def bounds(self) -> tuple[int, int]:
        """Sequence numbers of the oldest sample that is unharmed now, and of the next one to be published."""
        return int(self._words[_FLOOR]), int(self._words[_COMMITTED])

    def look(self, first: int, count: int) -> tuple[Samples, Stamps]:
        """Views of `count` samples from `first` on, taken or not; whole only if :meth:`intact` says so afterwards."""
        slot, stamp = first % self._capacity, first % self._stamp_capacity
        return self._data[slot : slot + count], self._stamps[stamp : stamp + count]

    def intact(self, first: int) -> bool:
        """Whether the samples from sequence number `first` on are still unharmed."""
        return bool(self._words[_FLOOR] <= first)

    def window(self, count: int) -> tuple[Samples, Stamps, int]:
        """Views of the newest `count` samples up to the read position, and the first one's sequence number.

        Never of what lay before this edge's time, or was overwritten: then there are fewer.
        """
        first = max(self._position - count, self._seen_from, self._words[_FLOOR])
        first = min(first, self._position)
        count = self._position - first
        slot, stamp = first % self._capacity, first % self._stamp_capacity
        return self._data[slot : slot + count], self._stamps[stamp : stamp + count], first

    def newest(self) -> ChunkInfo | None:
        """The newest chunk published, taken or not."""
        record = self._chunks.newest()
        return None if record is None else ChunkInfo(*record)

    def chunk_at(self, sequence: int) -> ChunkInfo | None:
        """The chunk that holds the sample of this sequence number, while it is remembered."""
        return self._chunks.find(sequence)

    @property
    def ended(self) -> bool:
        """Whether the writer said that no more comes, and all was taken."""
        words = self._words
        return bool(words[Word.ENDED]) and words[_COMMITTED] <= self._position

    def close(self) -> None:
        """Let go; the edge no longer holds up a writer. Views that were handed out stay mapped."""
        if not self._closed:
            super().close()
            self._announce()
