"""The writing end of a stream in shared memory: one memcpy and one system call a chunk, however many read it.

A sample with sequence number ``s`` lies in slot ``s % capacity``. The writer raises ``FLOOR`` over the samples that
it is about to overwrite, copies, notes the chunk, raises ``COMMITTED``, changes the doorbell and wakes everybody who
sleeps on it. A reader copies, and then looks whether ``FLOOR`` has passed what it copied. x86-64 keeps stores in
order and loads in order, which is all that this needs; a load may pass an earlier store, which is why the writer
always wakes instead of looking whether anybody sleeps.

A writer that dies in the middle leaves ``COMMITTED`` where it was: the samples it was about to publish never existed,
those it destroyed lie below ``FLOOR``, and its successor simply goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from rena_graph.errors import Fenced, RenaGraphError, UsageError
from rena_graph.transport import futex
from rena_graph.transport.backpressure import Brake, wait_for_readers
from rena_graph.transport.board import Board, EdgeColumn, Row, StreamColumn
from rena_graph.transport.chunk_table import RECORD
from rena_graph.transport.geometry import RECORD_BYTES, Word
from rena_graph.transport.interface import Samples, Stamps, StreamPort
from rena_graph.transport.mapping import map_segment

__all__ = ["RingWriter", "nap_on_position"]

# Module-level names of plain int: an enum member's lookup costs more than the store it is for.
_EPOCH = int(Word.EPOCH)
_FLOOR = int(Word.FLOOR)
_COMMITTED = int(Word.COMMITTED)
_CHUNKS = int(Word.CHUNKS)
_READERS = int(Word.READERS)
_PRODUCED = int(StreamColumn.PRODUCED)
_BYTES = int(StreamColumn.BYTES)
_BOARD_CHUNKS = int(StreamColumn.CHUNKS)
_LAST_TIMESTAMP = int(StreamColumn.LAST_TIMESTAMP)
_NAN = float("nan")
_NO_EPOCH = -1
"""What no ring ever holds: a closed writer fails the check that every publish makes anyhow."""


def nap_on_position(row: Row, position: int, seconds: float) -> None:
    """Sleep on the low half of an edge's position, which its reader wakes after each commit."""
    futex.wait(futex.address_of(row.ints, 8 * EdgeColumn.POSITION), position, seconds)


class RingWriter:
    """The one writer of a stream; see :class:`~rena_graph.transport.interface.StreamWriter`.

    Parameters
    ----------
    port : StreamPort
        Where the segment is.
    board : Board
        This host's counters.
    epoch : int
        Larger than any writer's before, unless that one was closed. Older writers are fenced off from now on.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, port: StreamPort, board: Board, epoch: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = port.spec
        segment = map_segment(Path(port.address), port.spec, port.capacity, writable=True)
        geometry = segment.geometry
        self._segment = segment
        self._clock = clock
        self._words = segment.words
        self._bell = segment.bell
        self._wake = futex.waker(segment.bell_address)
        self._data = segment.data
        self._stamps = segment.stamps
        self._stamp_values = segment.stamps.data
        self._records = segment.records
        self._dtype = port.spec.numpy_dtype
        self._tail = (port.spec.channels,)
        self._capacity = geometry.capacity
        self._stamp_capacity = geometry.stamps
        self._record_count = geometry.records
        self._piece = geometry.capacity // 2
        self._sample_bytes = port.spec.sample_bytes
        row = board.stream(port.index)
        self._ints = row.ints
        self._floats = row.floats
        self._edges = [board.edge(index) for index in (*port.edges, *port.later)]
        self._brake = Brake(row, self._edges, nap_on_position, clock)
        self._closed = False
        self._take_over(epoch)

    def _take_over(self, epoch: int) -> None:
        """Fence off the writer before, and go on behind what it committed."""
        words = self._words
        held = words[_EPOCH]
        if epoch + 1 < held or (epoch + 1 == held and not words[Word.ENDED]):
            raise Fenced(
                f"stream {self.spec.name!r}: epoch {epoch} cannot take over, a writer of epoch {held - 1} holds it"
            )
        words[_EPOCH] = self._epoch = epoch + 1
        words[Word.ENDED] = 0
        self._sequence = words[_COMMITTED]
        self._floor = words[_FLOOR]
        self._chunks = words[_CHUNKS]
        if self._chunks:
            first, count, *_ = RECORD.unpack_from(self._records, (self._chunks - 1) % self._record_count * RECORD_BYTES)
            if first + count > self._sequence:
                # Noted, but never committed.
                self._chunks -= 1
                words[_CHUNKS] = self._chunks
        self._readers = words[_READERS]
        self._brake.refresh()
        ints = self._ints
        ints[_PRODUCED] = self._sequence
        ints[_BOARD_CHUNKS] = self._chunks
        ints[StreamColumn.EPOCH] = epoch
        ints[StreamColumn.ENDED] = 0
        if self._sequence:
            # Its writer before may have been killed ahead of this.
            self._floats[_LAST_TIMESTAMP] = self._stamp_values[(self._sequence - 1) % self._stamp_capacity]

    def publish(self, data: Samples, timestamps: Stamps, origin: float = _NAN) -> int:
        """Make samples visible to all readers.

        Parameters
        ----------
        data : ndarray, shape (samples, channels)
            Of exactly the stream's dtype.
        timestamps : ndarray of float64, shape (samples,)
            Graph time, seconds.
        origin : float
            Graph time of the oldest sample that these were made from.

        Returns
        -------
        int
            Sequence number of the first sample. More than half the capacity is published in pieces.

        Raises
        ------
        UsageError
            Another dtype or shape; nothing was published.
        Fenced
            A newer writer holds the stream.
        """
        shape = data.shape
        if (
            (data.dtype is not self._dtype and data.dtype != self._dtype)
            or shape[1:] != self._tail
            or timestamps.shape != shape[:1]
        ):
            raise self._refusal(data, timestamps)
        count = shape[0]
        if count <= self._piece:
            return self._put(data, timestamps, count, origin, count * self._sample_bytes)
        first = self._sequence
        for start in range(0, count, self._piece):
            piece = data[start : start + self._piece]
            size = len(piece) * self._sample_bytes
            self._put(piece, timestamps[start : start + self._piece], len(piece), origin, size)
        return first

    def _put(self, slots: Samples, timestamps: Stamps, count: int, origin: float, size: int) -> int:
        """Publish at most half the capacity; `size` is what the stream's bytes grow by."""
        words = self._words
        if words[_EPOCH] != self._epoch:
            raise self._fenced()
        first = self._sequence
        if not count:
            return first
        end = first + count
        if end - self._capacity > self._floor:
            self._make_room(end - self._capacity)
        slot = first % self._capacity
        self._data[slot : slot + count] = slots
        slot = first % self._stamp_capacity
        self._stamps[slot : slot + count] = timestamps
        if words[_EPOCH] != self._epoch:
            raise self._fenced()
        chunks = self._chunks
        place = chunks % self._record_count * RECORD_BYTES
        RECORD.pack_into(self._records, place, first, count, self._clock(), origin, self._epoch - 1)
        words[_CHUNKS] = self._chunks = chunks + 1
        ints = self._ints
        # Before COMMITTED: nobody may find a reader's position ahead of what was produced.
        ints[_PRODUCED] = self._sequence = end
        words[_COMMITTED] = end
        bell = self._bell
        bell[0] = (bell[0] + 1) & 0xFFFFFFFF
        self._wake()
        # The rest nobody waits for.
        ints[_BOARD_CHUNKS] = chunks + 1
        ints[_BYTES] += size
        self._floats[_LAST_TIMESTAMP] = self._stamp_values[slot + count - 1]
        return first

    def _make_room(self, floor: int) -> None:
        """Say that all below `floor` may be overwritten, after waiting for readers that may ask for that."""
        words = self._words
        if words[_READERS] != self._readers:
            self._readers = words[_READERS]
            self._brake.refresh()
        if floor > self._brake.limit:
            self._brake.hold(floor)
        words[_FLOOR] = self._floor = floor

    def would_block(self, count: int) -> bool:
        """Whether publishing `count` samples now would wait for a reader of policy ``block``."""
        floor = self._sequence + min(count, self._piece) - self._capacity
        if floor <= self._floor:
            return False
        self._readers = self._words[_READERS]
        self._brake.refresh()
        return floor > self._brake.limit

    def skip(self, count: int) -> None:
        """Let `count` sequence numbers pass without samples: what a link lost for good.

        Readers count them as dropped, reason ``link``. They can read nothing across the hole, so what they have not
        taken yet is dropped too, as overrun: let them catch up before.
        """
        words = self._words
        if words[_EPOCH] != self._epoch:
            raise self._fenced()
        end = self._sequence + count
        words[Word.HOLES] += count
        self._make_room(end)
        self._ints[_PRODUCED] = self._sequence = end
        words[_COMMITTED] = end
        self._ring()

    @property
    def sequence(self) -> int:
        """Sequence number of the next sample."""
        return self._sequence

    def _ring(self) -> None:
        bell = self._bell
        bell[0] = (bell[0] + 1) & 0xFFFFFFFF
        self._wake()

    def wait_for_readers(self, count: int, timeout: float) -> bool:
        """Whether `count` of the stream's readers were there before `timeout` seconds were over."""
        return wait_for_readers(self._edges, count, timeout, self._clock, time.sleep)

    def stop_blocking(self) -> None:
        """Wait for no reader any more, nor in a publish now waiting; from any thread."""
        self._brake.release()

    def give_up_hope(self) -> None:
        """Wait for no reader any more that is away; from any thread."""
        self._brake.give_up_hope()

    def close(self) -> None:
        """Tell readers that no more comes, and let go."""
        if self._closed:
            return
        self._closed = True
        if self._words[_EPOCH] == self._epoch:
            self._words[Word.ENDED] = 1
            self._ints[StreamColumn.ENDED] = 1
            self._ring()
        self._epoch = _NO_EPOCH

    def hand_over(self) -> None:
        """Let go of a stream that has not ended, for a writer whose epochs are none of this one's row."""
        if not self._closed and self._words[_EPOCH] == self._epoch:
            self._words[_EPOCH] = 0
        self._closed, self._epoch = True, _NO_EPOCH

    def __enter__(self) -> RingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _fenced(self) -> RenaGraphError:
        if self._closed:
            return UsageError(f"stream {self.spec.name!r}: the writer is closed, it publishes no more")
        return Fenced(
            f"stream {self.spec.name!r}: this writer's epoch {self._epoch - 1} is over, epoch "
            f"{self._words[_EPOCH] - 1} holds the stream"
        )

    def _refusal(self, data: Any, timestamps: Any) -> UsageError:
        return UsageError(
            f"stream {self.spec.name!r} takes data of shape (samples, {self.spec.channels}) and dtype {self._dtype} "
            f"with one timestamp a sample; got {data.shape} {data.dtype} with timestamps {timestamps.shape}"
        )
