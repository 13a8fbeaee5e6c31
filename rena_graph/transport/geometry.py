"""How a ring lies in its shared-memory segment: sizes, offsets, and the words of its header."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from enum import IntEnum
from math import gcd

from rena_graph.graph.document import DTYPES
from rena_graph.streams.spec import StreamSpec

__all__ = ["MAGIC", "RECORD_BYTES", "Geometry", "Word"]

PAGE = mmap.PAGESIZE
MAGIC = int.from_bytes(b"RGRING01", "little")
RECORD_BYTES = 40
"""One chunk's record: first, count, published, origin, epoch."""

_MIN_CAPACITY = 4
_MAX_RECORDS = 4096
_CHEAP = 256 * 1024
"""Bytes that a ring may take without a thought for what rounding wastes."""
_MIN_HEAP = 1 << 20
_HEAP_PER_CELL = 32
"""Bytes of text kept for each string that the ring can hold, on average."""


class Word(IntEnum):
    """Index of each 64-bit word of the header. Words that different processes write lie in different cache lines."""

    MAGIC = 0
    CAPACITY = 1
    STRIDE = 2
    CHANNELS = 3
    DTYPE = 4
    STAMPS = 5
    RECORDS = 6
    HEAP = 7
    EPOCH = 8
    """1 + the epoch of the writer that holds the stream; 0 before the first."""
    FLOOR = 9
    """Sequence number of the oldest sample whose slot is unharmed. Raised *before* a slot is overwritten."""
    COMMITTED = 10
    """Sequence number of the next sample to be published: all below are complete."""
    CHUNKS = 11
    """Chunk records written so far."""
    ENDED = 12
    HEAP_HEAD = 13
    """Bytes ever put into the heap of a string stream."""
    HOLES = 14
    """Sequence numbers that never came, since a link lost them; all lie below ``FLOOR``."""
    DOORBELL = 16
    """Its low half is the futex word: changes with each publish."""
    READERS = 24
    """Changes whenever a reader comes or goes, so that a writer need not look at each of them."""


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


@dataclass(frozen=True)
class Geometry:
    """Sizes of one ring, the same for everybody who computes them from the same stream and capacity.

    Each region is mapped twice in a row, so that a span that runs over the ring's end is contiguous in memory. For
    that its size must be whole pages *and* whole slots: the capacity is rounded up, or, where that would waste too
    much (wide samples of an odd size), each slot.

    Attributes
    ----------
    capacity : int
        Samples; at least what was asked for.
    stride : int
        Bytes from one sample to the next.
    stamps : int
        Timestamps that the ring of timestamps holds (8 bytes each).
    records : int
        Chunks that are remembered.
    heap : int
        Bytes of text; 0 for numbers.
    """

    channels: int
    dtype: int
    capacity: int
    stride: int
    stamps: int
    records: int
    heap: int

    @classmethod
    def of(cls, spec: StreamSpec, capacity: int) -> Geometry:
        """For so many samples of a stream."""
        capacity = max(capacity, _MIN_CAPACITY)
        stride = spec.sample_bytes
        step = PAGE // gcd(PAGE, stride)
        if step > capacity // 8 and step * stride > _CHEAP:
            stride = _pages(stride)
            step = 1
        capacity = -(-capacity // step) * step
        heap = _pages(max(_MIN_HEAP, _HEAP_PER_CELL * capacity * spec.channels)) if spec.is_string else 0
        stamps = _pages(8 * capacity) // 8
        records = min(_MAX_RECORDS, 1 << (capacity - 1).bit_length())
        return cls(spec.channels, DTYPES.index(spec.dtype), capacity, stride, stamps, records, heap)

    @property
    def head_bytes(self) -> int:
        """Header and chunk records."""
        return PAGE + _pages(self.records * RECORD_BYTES)

    @property
    def mirrored(self) -> tuple[int, int, int]:
        """Bytes of the regions that are mapped twice: samples, timestamps, text."""
        return self.capacity * self.stride, 8 * self.stamps, self.heap

    @property
    def file_bytes(self) -> int:
        """Size of the segment."""
        return self.head_bytes + sum(self.mirrored)

    @property
    def facts(self) -> dict[Word, int]:
        """The header's words that never change."""
        return {
            Word.CAPACITY: self.capacity,
            Word.STRIDE: self.stride,
            Word.CHANNELS: self.channels,
            Word.DTYPE: self.dtype,
            Word.STAMPS: self.stamps,
            Word.RECORDS: self.records,
            Word.HEAP: self.heap,
        }
