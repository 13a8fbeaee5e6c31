"""Text in a ring: each slot holds offset and length of its strings, the characters lie in a mirrored heap beside it.

The heap is a ring of bytes with absolute offsets. Where new text overwrites old, ``FLOOR`` is raised over the samples
that lose theirs, so that readers find out in the same way as for slots.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused, UsageError
from rena_graph.transport.geometry import Word
from rena_graph.transport.interface import Samples, Stamps
from rena_graph.transport.ring import RingWriter
from rena_graph.transport.ring_reader import RingReader

__all__ = ["StringRingReader", "StringRingWriter"]

_ENCODING = "utf-8"
_ERRORS = "surrogatepass"
"""Python strings may hold lone surrogates (file names do); they arrive as they were sent."""


class StringRingWriter(RingWriter):
    """The one writer of a stream of text."""

    def publish(self, data: Samples, timestamps: Stamps, origin: float = float("nan")) -> int:
        """Make samples visible to all readers.

        Parameters
        ----------
        data : ndarray of object, shape (samples, channels)
            Each a ``str``.
        timestamps : ndarray of float64, shape (samples,)
            Graph time, seconds.
        origin : float
            Graph time of the oldest sample that these were made from.

        Raises
        ------
        UsageError
            Another shape, or a value that is not text.
        OutputRefused
            One sample's text is longer than half the heap.

        In either case nothing was published.
        """
        if data.dtype != self._dtype or data.shape[1:] != self._tail or timestamps.shape != data.shape[:1]:
            raise self._refusal(data, timestamps)
        texts = [self._encode(value) for value in data.ravel().tolist()]
        lengths = np.fromiter(map(len, texts), np.uint64, len(texts)).reshape(data.shape)
        sizes = lengths.sum(axis=1).tolist()
        room = self._segment.geometry.heap // 2
        if sizes and max(sizes) > room:
            raise OutputRefused(
                f"stream {self.spec.name!r}: a sample has {max(sizes):,} bytes of text, at most {room:,} fit: send it "
                f"in parts, or a reference to it"
            )
        first = self._sequence
        channels = self.spec.channels
        for start, end in _pieces(sizes, self._piece, room):
            text = b"".join(texts[start * channels : end * channels])
            self._put_text(text, lengths[start:end], timestamps[start:end], origin)
        return first

    def _encode(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise UsageError(f"stream {self.spec.name!r} carries text, got {type(value).__name__} {value!r}")
        return value.encode(_ENCODING, _ERRORS)

    def _put_text(self, text: bytes, lengths: NDArray[np.uint64], timestamps: Stamps, origin: float) -> None:
        if self._words[Word.EPOCH] != self._epoch:
            raise self._fenced()
        head = self._words[Word.HEAP_HEAD]
        heap = self._segment.geometry.heap
        count, channels = lengths.shape
        floor = max(self._text_floor(head + len(text) - heap), self._sequence + count - self._capacity)
        if floor > self._floor:
            self._make_room(floor)
        place = head % heap
        self._segment.heap[place : place + len(text)] = text
        self._words[Word.HEAP_HEAD] = head + len(text)
        cells = np.empty((count, 2 * channels), np.uint64)
        offsets = [head, *accumulate(lengths.ravel().tolist(), initial=head)][1:-1]
        cells[:, 0::2] = np.array(offsets, np.uint64).reshape(lengths.shape)
        cells[:, 1::2] = lengths
        self._put(cells, timestamps, count, origin, len(text))

    def _text_floor(self, lowest: int) -> int:
        """Sequence number of the oldest sample all of whose text lies at or above this offset."""
        floor = self._floor
        while floor < self._sequence and int(self._data[floor % self._capacity, 0]) < lowest:
            floor += 1
        return floor


def _pieces(sizes: list[int], most: int, room: int) -> list[tuple[int, int]]:
    """Cut samples of these sizes into runs of at most `most` samples and `room` bytes."""
    pieces: list[tuple[int, int]] = []
    start = total = 0
    for i, size in enumerate(sizes):
        if i > start and (i - start == most or total + size > room):
            pieces.append((start, i))
            start, total = i, 0
        total += size
    if start < len(sizes):
        pieces.append((start, len(sizes)))
    return pieces


class StringRingReader(RingReader):
    """One edge's end of a stream of text. What it hands out are copies: decoded text needs objects of its own."""

    def peek(self, limit: int | None = None) -> tuple[Samples, Stamps]:
        """The oldest `limit` of the samples that :meth:`pending` found: ``str`` objects ``(samples, channels)``."""
        while True:
            cells, stamps = super().peek(limit)
            texts = self._texts(cells, self._position)
            if texts is not None:
                return texts, stamps
            self.pending()

    def window(self, count: int) -> tuple[Samples, Stamps, int]:
        """The newest `count` samples up to the read position, and the first one's sequence number."""
        while True:
            cells, stamps, first = super().window(count)
            texts = self._texts(cells, first)
            if texts is not None:
                return texts, stamps, first

    def _texts(self, cells: Samples, first: int) -> Samples | None:
        """The text of these cells; None when they, or it, were overtaken."""
        count, columns = cells.shape
        if not count:
            return np.empty((0, columns // 2), object)
        cells = cells.copy()
        if not self.intact(first):
            # Cells that are not whole must not be followed.
            return None
        heap = self._segment.geometry.heap
        start, end = int(cells[0, 0]), int(cells[-1, -2] + cells[-1, -1])
        text = bytes(self._segment.heap[start % heap : start % heap + end - start])
        if not self.intact(first):
            return None
        ends = (cells[:, 0::2] + cells[:, 1::2] - np.uint64(start)).ravel().tolist()
        starts = (cells[:, 0::2] - np.uint64(start)).ravel().tolist()
        values = [text[a:b].decode(_ENCODING, _ERRORS) for a, b in zip(starts, ends, strict=True)]
        return np.array(values, dtype=object).reshape(count, columns // 2)
