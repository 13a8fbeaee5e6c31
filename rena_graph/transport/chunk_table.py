"""The ring's memory of its last chunks: which samples were published together, when, and from what."""

from __future__ import annotations

import struct

from rena_graph.transport.geometry import RECORD_BYTES, Word
from rena_graph.transport.interface import ChunkInfo
from rena_graph.transport.mapping import Segment

__all__ = ["RECORD", "ChunkTable"]

RECORD = struct.Struct("@QQddQ")
"""First sequence number, count, published, origin, epoch. Native, so that each field is stored whole."""

assert RECORD.size == RECORD_BYTES


class ChunkTable:
    """Reads the records of a mapped ring; any process may, at any time."""

    def __init__(self, segment: Segment) -> None:
        self._words = segment.words
        self._records = segment.records
        self._count = segment.geometry.records

    def _read(self, chunk: int) -> tuple[int, int, float, float, int] | None:
        """Record of the chunk with this number, or None where it was forgotten meanwhile."""
        record = RECORD.unpack_from(self._records, chunk % self._count * RECORD_BYTES)
        # The writer fills the place of chunk k + records before it counts that chunk.
        return record if chunk > self._words[Word.CHUNKS] - self._count else None

    def newest(self) -> tuple[int, int, float, float, int] | None:
        """The last chunk all of whose samples are committed; None before the first."""
        words = self._words
        while True:
            chunks = words[Word.CHUNKS]
            # A record is written just before its samples are committed, so the last one may be too new.
            for chunk in range(chunks - 1, max(-1, chunks - 3), -1):
                record = self._read(chunk)
                if record is not None and record[0] + record[1] <= words[Word.COMMITTED]:
                    return record
            if words[Word.CHUNKS] == chunks:
                return None

    def find(self, sequence: int) -> ChunkInfo | None:
        """The chunk with the sample of this sequence number; None where it is forgotten or not published yet."""
        if not 0 <= sequence < self._words[Word.COMMITTED]:
            return None
        # From the newest back in ever longer steps: most who ask want to know about what came last.
        high = self._words[Word.CHUNKS]
        oldest = max(0, high - self._count + 1)
        low, step = high, 1
        while low > oldest:
            low = max(oldest, low - step)
            record = self._read(low)
            if record is None or record[0] <= sequence:
                break
            high = low
            step *= 2
        return self._between(low, high, sequence)

    def _between(self, low: int, high: int, sequence: int) -> ChunkInfo | None:
        """The chunk with this sample, among those numbered from `low` to `high` - 1."""
        while low < high:
            middle = (low + high) // 2
            record = self._read(middle)
            if record is None or record[0] + record[1] <= sequence:
                low = middle + 1
            elif record[0] > sequence:
                high = middle
            else:
                return ChunkInfo(*record)
        return None
